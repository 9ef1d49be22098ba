import { canonicalSorted, digest, type JsonObject, type JsonValue } from '@cmcp/evidence';
import { ROLES, type Role } from '../operator/route.ts';
import type { CredentialSettings } from '../upstream/credential/types.ts';
import { placelessManifests } from './agent-manifest.ts';
import { approvalSettings } from './approval.ts';
import { approvalsSettings, approversHash } from './approvals.ts';
import { type ScopeTable, USUAL_SCOPES } from './identity-scopes.ts';
import type { OperatorListenConfig } from './operator.ts';
import type { OperatorOidc } from './operator-oidc.ts';
import { spiffeSettings } from './spiffe.ts';
import type { Config, SandboxConfig } from './types.ts';

type Unhashed = Omit<Config, 'hash' | 'portableHash' | 'agentsHash' | 'operatorsHash' | 'approversHash'>;

/** The text in the file of what may be a secret, by name: of servers by their ids, and the classifier's headers. */
export interface WrittenSecrets {
  upstreams: Record<string, Record<'env' | 'headers', Record<string, string>>>;
  classifier: Record<string, string>;
}

const byName = (a: [string, unknown], b: [string, unknown]): number => (a[0] < b[0] ? -1 : 1);

/** Names stay readable, values become digests. */
function sealed(secrets: Record<string, string>): JsonValue {
  return Object.entries(secrets)
    .sort(byName)
    .map(([name, value]) => [name, digest(value)]);
}

/**
 * Order in the file has no meaning, so it does not change the digest. With what they may, where that is not everything: digests of
 * configurations without roles stay what they were.
 */
function operatorsDigest({ credentials, certificates, oidc }: Config['operator']): string {
  const may = (roles: readonly Role[]): readonly Role[] => (roles.length === ROLES.length ? [] : roles);
  const rows = [
    ...credentials.map(({ subject, tokenSha256, roles }) => [tokenSha256, subject, ...may(roles)]),
    ...certificates.map(({ match, subject, roles }) => [`${match.kind} ${match.value}`, subject, ...may(roles)]),
  ];
  const sorted = rows.sort(byText);
  return digest(canonicalSorted(oidc === null ? sorted : [sorted, oidcSettings(oidc)]));
}

/** Without paths. */
function oidcSettings({ resource, issuer: { ca, ...settings }, grants }: OperatorOidc): JsonValue {
  const groups = grants.map(({ group, roles }) => [group, ...roles]);
  return { resource, issuer: { ...settings, ca: ca !== null }, grants: groups.sort(byText) };
}

function byText(one: JsonValue, other: JsonValue): number {
  return canonicalSorted(one) < canonicalSorted(other) ? -1 : 1;
}

function wholeListener({ listen, allowedHosts, tls }: OperatorListenConfig): JsonObject {
  return { listen: { ...listen }, allowedHosts, tls: { ...tls } };
}

/** The same without paths. */
function placelessListener({ listen, allowedHosts, tls }: OperatorListenConfig): JsonObject {
  return { listen: { ...listen }, allowedHosts, tls: tls.clientCa === null ? 'files' : 'files, client certificates' };
}

/**
 * That of agents, and of whoever else may call. What a setting adds is added where it is set: the digest of agents who have a token
 * and nothing else stays what it was.
 */
export function agentsDigest({ agents, identity }: Pick<Config, 'agents' | 'identity'>): string {
  const rows = agents.flatMap(({ subject, tokenSha256, expiresMicros, scopes, groups }) => {
    const plain = expiresMicros === null && scopes === null && groups.length === 0;
    const more = plain ? [] : [{ expires: expiresMicros, scopes, groups }];
    return tokenSha256.map((digest) => [digest, subject, ...more]);
  });
  const sorted = rows.sort(([a = ''], [b = '']) => (String(a) < String(b) ? -1 : 1));
  const others = identitySettings(identity);
  return digest(canonicalSorted(others === null ? sorted : [sorted, others]));
}

/** Without paths; null: nobody else may call, and scopes mean what they do where nothing is set. */
function identitySettings({ resource, oauth, spiffe, scopes }: Config['identity']): JsonValue {
  const usual = scopes === USUAL_SCOPES;
  if (resource === null && oauth.length === 0 && spiffe === null && usual) return null;
  return {
    resource,
    oauth: oauth.map(({ ca, ...settings }) => ({ ...settings, ca: ca !== null })),
    ...(spiffe === null ? {} : { spiffe: spiffeSettings(spiffe) }),
    ...(usual ? {} : { scopes: tableRows(scopes) }),
  };
}

function tableRows(scopes: ScopeTable): JsonValue {
  const rows = Object.entries(scopes).sort(byName);
  return rows.map(([name, grants]) => [name, grants.map((grant) => Object.values(grant).join(':')).sort()]);
}

/**
 * The digests that a session commits to (contracts section 3): over every effective setting, with defaults filled in and
 * secrets replaced by their digests. Mappings with chosen keys are hashed as sorted pairs.
 */
export function withHashes(config: Unhashed, written: WrittenSecrets): Config {
  const agentsHash = agentsDigest(config);
  // What the file holds may change while the gateway runs: only sessions commit to it, by name.
  const { agentsFile, identity } = config;
  const lasting = agentsFile === null ? agentsHash : agentsDigest({ agents: agentsFile.beside, identity });
  const operatorsHash = operatorsDigest(config.operator);
  const {
    file: _file,
    vocabulary,
    upstreams,
    agents: _agents,
    identity: { spiffe },
    agentsFile: _agentsFile,
    operator,
    approvals,
    stdioSubject,
    policy,
    catalog,
    inspection,
    ...plain
  } = config;
  const named: JsonObject = {
    stdio_subject: stdioSubject,
    agents: lasting,
    // Added where it is on.
    ...(agentsFile !== null && { agents_file: true }),
    operators: operatorsHash,
    vocabulary: Object.entries(vocabulary).sort(byName),
    approvals: [approvalSettings(policy.approval), approvalSettings(catalog.approval)],
    call_approvals: approvalsSettings(approvals),
  };
  const effective: JsonObject = {
    ...plain,
    ...named,
    policy: [policy.path, policy.pin],
    catalog: [catalog.path, catalog.pin],
    inspection: { ...inspection, classifier: classifierSettings(config, sealed) },
    operator_socket: operator.socket,
    ...(operator.listener === null ? {} : { operator_listener: wholeListener(operator.listener) }),
    // Added where it is on; what is no path is in the digest of agents.
    ...(spiffe === null ? {} : { spiffe: { bundles: spiffe.trustDomains, workload_api: spiffe.workloadApi } }),
    upstreams: Object.entries(upstreams)
      .sort(byName)
      .map(([id, { env, headers, credential, ...settings }]) => {
        const from = credential === null ? null : sourceOf(credential);
        return [id, sealed(env), sealed(headers), { ...settings, credential: from }];
      }),
  };
  const portable: JsonObject = {
    ...placeless(config),
    ...named,
    // Added where they are on, like the recording.
    ...(operator.listener === null ? {} : { operator_listener: placelessListener(operator.listener) }),
    ...(inspection.classifier === null
      ? {}
      : { classifier: classifierSettings(config, () => Object.entries(written.classifier).sort(byName)) }),
    upstreams: writtenUpstreams(config, written.upstreams),
  };
  const hash = digest(canonicalSorted(effective));
  return {
    ...config,
    agentsHash,
    operatorsHash,
    approversHash: approversHash(config.approvals),
    hash,
    portableHash: digest(canonicalSorted(portable)),
  };
}

/**
 * The settings that are not paths. What policy and catalog hold is measured apart, so their pins say nothing more; the key that signs
 * bundles says which others may come.
 */
function placeless(config: Unhashed): JsonObject {
  const { dev, listen, allowedHosts, allowedOrigins, mode, policy, catalog, audit, sessions, limits, compat, tls } =
    config;
  const { egress, recordDecisions, inspection, stop } = config;
  const { rates, ...bounds } = limits;
  const { provider, tpm, roots, validityMs, staleness, launch } = config.attestation;
  const { seal, rollbackCounter } = tpm;
  return {
    dev,
    listen,
    allowedHosts,
    allowedOrigins,
    mode,
    recheck: { everyMs: catalog.recheckMs, above: catalog.recheckAbove },
    audit,
    sessions,
    limits: bounds,
    compat,
    egress,
    // Added where it is on: the settings of gateways without it stay what they were.
    ...(recordDecisions === null ? {} : { recordDecisions: recordDecisions.key }),
    ...(rates.length === 0 ? {} : { rates }),
    ...(stop.denyRate === null && stop.injections === null && stop.drift === null ? {} : { stop }),
    ...placelessManifests(config),
    requiredProvenance: catalog.requiredKind,
    quarantine: inspection.quarantine,
    policy_key: policy.key,
    tls: tls === null ? null : tls.kind === 'files' && tls.clientCa !== null ? 'files, client certificates' : tls.kind,
    attestation: { provider, roots: roots.length, validityMs, staleness, launch },
    tpm: { address: tpm.address.kind, akCertificate: tpm.akCertificate !== null, seal, rollbackCounter },
  };
}

/** `shown`: what stands for its headers. */
function classifierSettings(
  { inspection: { classifier } }: Unhashed,
  shown: (headers: Record<string, string>) => JsonValue,
): JsonValue {
  if (classifier === null) return null;
  const { headers, ...settings } = classifier;
  return { ...settings, headers: shown(headers) };
}

function placelessSandbox(sandbox: SandboxConfig | null): JsonValue {
  if (sandbox === null) return null;
  const { tool, network, read, write } = sandbox;
  return { tool, network, read: read.length, write: write.length };
}

function writtenUpstreams({ upstreams }: Unhashed, written: WrittenSecrets['upstreams']): JsonValue {
  return Object.entries(upstreams)
    .sort(byName)
    .map(([id, { timeoutMs, ca, client, sandbox, credential, receipts }]) => {
      const { env = {}, headers = {} } = written[id] ?? {};
      const secrets = [Object.entries(env).sort(byName), Object.entries(headers).sort(byName)];
      const tls = { ca: ca !== null, client: client !== null };
      const settings = {
        timeoutMs,
        ...tls,
        sandbox: placelessSandbox(sandbox),
        credential: shownOf(credential),
        receipts,
      };
      return [id, ...secrets, settings];
    });
}

/** Where a credential comes from; it never holds the credential itself. */
function sourceOf({ source, ...shown }: CredentialSettings): JsonValue {
  return {
    ...shown,
    source: source.kind === 'command' ? { kind: source.kind, argv: [...source.argv] } : { ...source },
  };
}

/** The same without paths. */
function shownOf(credential: CredentialSettings | null): JsonValue {
  if (credential === null) return null;
  const { source, ...shown } = credential;
  if (source.kind !== 'oauth') return { ...shown, kind: source.kind };
  const { clientSecret: _secret, subjectToken, ...public_ } = source;
  return { ...shown, ...public_, exchanges: subjectToken !== null };
}
