import { open } from 'node:fs/promises';
import { dirname, isAbsolute, resolve } from 'node:path';
import { decodeUtf8, EncodingError } from '@cmcp/evidence';
import { destinationOf } from '../egress.ts';
import { GatewayError } from '../errors.ts';
import { sensitivityRanks } from '../policy/sensitivity.ts';
import type { CredentialSettings, CredentialSource } from '../upstream/credential/types.ts';
import { isLoopback } from './address.ts';
import { agentManifestConfig, checkProfile } from './agent-manifest.ts';
import { readAgentsFile } from './agents-file.ts';
import { approvalConfig } from './approval.ts';
import { approvalsConfig } from './approvals.ts';
import { claimOf } from './claim.ts';
import { agentOf, checkCredentials } from './credentials.ts';
import { type WrittenSecrets, withHashes } from './effective.ts';
import type { Environment } from './environment.ts';
import { type Secret, withStandIns } from './expand.ts';
import { checkIdentity, checkSubjects, identityOf } from './identity.ts';
import { ratesConfig } from './limits.ts';
import { operatorConfig } from './operator.ts';
import { liesInside, socketProblem } from './paths.ts';
import { problemsError } from './problems.ts';
import type { Reader } from './readers.ts';
import { CONFIG_SCHEMA, parsePin } from './schema.ts';
import { stopConfig } from './stop.ts';
import { type Position, type Problem, parseTree } from './tree.ts';
import type { AgentCredential, AttestationConfig, Config, ServerConfig, TlsConfig } from './types.ts';

type Settings = typeof CONFIG_SCHEMA extends Reader<infer T> ? T : never;

const MAX_FILE_BYTES = 262_144;

/**
 * Reads `cmcp.yaml` for starting: what `readConfig` checks, and what a gateway needs besides.
 * @throws GatewayError CONFIG_INVALID, CREDENTIAL_REQUIRED, and outside dev mode POLICY_PIN_REQUIRED and
 * CATALOG_PIN_REQUIRED (D-08): a hash, or reviewers, must say what is approved.
 */
export async function loadConfig(path: string, environment: Environment): Promise<Config> {
  const config = await readConfig(path, environment);
  const { pin, key, approval } = config.policy;
  if (!config.dev && pin === null && key === null && approval === null) {
    const signed = ' Or set `policy.key` to the key that signs your bundles.';
    throw new GatewayError('POLICY_PIN_REQUIRED', pinAdvice(config, 'policy', 'CMCP_POLICY_HASH') + signed);
  }
  if (!config.dev && config.catalog.pin === null && config.catalog.approval === null) {
    throw new GatewayError('CATALOG_PIN_REQUIRED', pinAdvice(config, 'catalog', 'CMCP_CATALOG_HASH'));
  }
  if (!namesCallers(config) && config.stdioSubject === null) {
    throw new GatewayError(
      'CREDENTIAL_REQUIRED',
      `${config.file} names nobody who may call. Add an agent under \`agents\`, or an issuer or workloads under \`identity\`, or set \`stdio.subject\` for a gateway that a client spawns.`,
    );
  }
  return config;
}

/** Whether there is anybody who could call over HTTP. */
export function namesCallers({
  agents,
  agentsFile,
  identity,
}: Pick<Config, 'agents' | 'agentsFile' | 'identity'>): boolean {
  return agents.length > 0 || agentsFile !== null || identity.oauth.length > 0 || identity.spiffe !== null;
}

function pinAdvice(config: Config, what: string, variable: string): string {
  return `Set \`${what}.hash\` in ${config.file} or the variable ${variable} to the approved hash; \`cmcp check\` prints it. Or name reviewers under \`${what}.approval\`. Dev mode is off because CMCP_DEV_MODE is not exactly 1.`;
}

/**
 * Reads and validates `cmcp.yaml` (keys: CONFIG_SCHEMA). Paths become absolute, durations milliseconds, `${NAME}`
 * references their values. Every problem is reported, with its line and column.
 * @throws GatewayError CONFIG_INVALID
 */
export async function readConfig(path: string, environment: Environment): Promise<Config> {
  const file = resolve(path);
  return readConfigText(file, await readText(file), environment, environment.variables);
}

/**
 * As {@link readConfig}, on a machine that need not have the secrets: a `${NAME}` whose variable is not set has a stand-in, and agents in a
 * file of their own are left out. For
 * measuring (`portableHash`), never for serving.
 * @throws GatewayError CONFIG_INVALID
 */
export async function readConfigWithoutSecrets(path: string, environment: Environment): Promise<Config> {
  const file = resolve(path);
  const text = await readText(file);
  return readConfigText(file, text, environment, withStandIns(text, environment.variables), false);
}

/** The configuration of a folder that has none: every setting is its default. */
export function withDefaults(folder: string, environment: Environment): Promise<Config> {
  return readConfigText(resolve(folder, 'cmcp.yaml'), '', environment, environment.variables);
}

async function readConfigText(
  file: string,
  text: string,
  environment: Environment,
  variables: Readonly<Record<string, string>>,
  withAgents = true,
): Promise<Config> {
  const { tree, problems } = parseTree(text);
  const positions = new Map<string, Position>();
  const context = { problems, positions, variables };
  const settings = tree === null ? undefined : CONFIG_SCHEMA.read(tree, '', context);
  if (settings === undefined) throw invalid(file, problems);
  const report = (key: string, message: string): void => {
    problems.push({ at: positions.get(key) ?? null, path: key, message });
  };
  const inFile = withAgents ? await agentsBeside(dirname(file), settings, report) : [];
  const config = assemble(file, settings, inFile, environment, report);
  checkListen(config, report);
  checkCredentials(config.agents, config.operator.credentials, report);
  checkIdentity(config.identity, config.operator.oidc, config.dev, report);
  checkSubjects(config.agents, config.identity.oauth, 'agents', report);
  checkOperatorNames(config.operator, report);
  checkSocket(config, report);
  checkLabel(config, report);
  checkServices(config, report);
  checkProfile(config, report);
  await checkInside(config, report);
  if (problems.length > 0) throw invalid(file, problems);
  return withHashes(config, writtenSecrets(settings));
}

async function agentsBeside(folder: string, settings: Settings, report: Report): Promise<AgentCredential[]> {
  if (settings.agents_file === null) return [];
  try {
    return await readAgentsFile(resolve(folder, settings.agents_file));
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error;
    report('agents_file', error.detail);
    return [];
  }
}

type Report = (key: string, message: string) => void;
type Unhashed = Parameters<typeof withHashes>[0];

async function readText(file: string): Promise<string> {
  const refuse = (why: string, cause?: unknown): GatewayError =>
    new GatewayError('CONFIG_INVALID', `${file}: ${why}`, { cause });
  try {
    await using handle = await open(file, 'r');
    const stat = await handle.stat();
    if (!stat.isFile()) throw refuse('not a file');
    if (stat.size > MAX_FILE_BYTES) throw refuse(`larger than ${MAX_FILE_BYTES} bytes`);
    return decodeUtf8(await handle.readFile());
  } catch (error) {
    if (error instanceof EncodingError) throw refuse('not valid UTF-8 text', error);
    if (error instanceof GatewayError || !(error instanceof Error && 'code' in error)) throw error;
    throw refuse(
      error.code === 'ENOENT' ? 'no such file. `cmcp init` makes one.' : `cannot be read (${error.code})`,
      error,
    );
  }
}

function invalid(file: string, problems: Problem[]): GatewayError {
  return problemsError('CONFIG_INVALID', file, problems);
}

function assemble(
  file: string,
  settings: Settings,
  inFile: AgentCredential[],
  environment: Environment,
  report: Report,
): Unhashed {
  const folder = dirname(file);
  const dataDir = resolve(folder, settings.data);
  const beside = settings.agents.map(agentOf);
  return {
    file,
    dev: environment.dev,
    listen: settings.listen,
    allowedHosts: settings.allowed_hosts,
    allowedOrigins: settings.allowed_origins,
    dataDir,
    mode: settings.mode,
    policy: {
      path: resolve(folder, settings.policy.path),
      pin: agreedPin('policy.hash', settings.policy.hash, 'CMCP_POLICY_HASH', environment.policyHash, report),
      approval: approvalConfig(settings.policy.approval, 'policy.approval', report),
      key: settings.policy.key,
    },
    catalog: {
      path: resolve(folder, settings.catalog.path),
      pin: agreedPin('catalog.hash', settings.catalog.hash, 'CMCP_CATALOG_HASH', environment.catalogHash, report),
      recheckMs: settings.catalog.recheck,
      recheckAbove: settings.catalog.recheck_above,
      approval: approvalConfig(settings.catalog.approval, 'catalog.approval', report),
      requiredKind: settings.catalog.required_provenance_kind,
    },
    agents: [...beside, ...inFile],
    agentsFile: settings.agents_file === null ? null : { path: resolve(folder, settings.agents_file), beside },
    identity: identityOf(folder, settings.identity, settings.tls !== null, report),
    claim: claimOf(settings.claim),
    stdioSubject: settings.stdio.subject,
    operator: operatorConfig(folder, dataDir, settings.operator, report),
    approvals: approvalsConfig(folder, settings.approvals, report),
    attestation: attestationOf(folder, settings.attestation, report),
    tls: tlsOf(folder, settings.tls, report),
    audit: settings.audit,
    sessions: {
      idleMs: settings.sessions.idle,
      maxAgeMs: settings.sessions.max_age,
      carryOverMs: settings.sessions.carry_over,
      maxOpen: settings.sessions.max_open,
      reevaluateMs: settings.sessions.reevaluate,
      startsPerMinute: settings.sessions.starts_per_minute,
    },
    limits: {
      bodyBytes: settings.limits.body_bytes,
      depth: settings.limits.depth,
      responseBytes: settings.limits.response_bytes,
      upstreamTimeoutMs: settings.limits.upstream_timeout,
      upstreamConcurrency: settings.limits.upstream_concurrency,
      inputTimeoutMs: settings.limits.input_timeout,
      rates: ratesConfig(settings.limits.rates, report),
    },
    stop: stopConfig(settings.stop),
    vocabulary: settings.sensitivity.vocabulary,
    inspection: inspectionOf(folder, settings.inspection),
    upstreams: Object.fromEntries(
      Object.entries(settings.upstreams).map(([id, given]) => [id, serverOf(folder, id, given, report)]),
    ),
    egress: settings.egress,
    recordDecisions: recordDecisionsOf(folder, settings.record.decisions),
    agentManifest: agentManifestConfig(folder, settings.agent_manifest),
    profile: settings.conformance_profile,
    compat: settings.compat,
  };
}

/** One source: with two it would be left open which one is shown. */
function credentialAt(
  folder: string,
  key: string,
  given: NonNullable<Settings['upstreams'][string]['credential']>,
  report: Report,
): CredentialSettings {
  const { file, command, oauth, header, scheme, variable, lifetime } = given;
  const sources: CredentialSource[] = [
    ...(file === null ? [] : [{ kind: 'file' as const, path: resolve(folder, file) }]),
    ...(command.length === 0 ? [] : [{ kind: 'command' as const, argv: command }]),
    ...(oauth === null ? [] : [oauthAt(folder, oauth)]),
  ];
  const [source = { kind: 'file', path: '' }] = sources;
  if (sources.length !== 1) report(key, 'needs just one of file, command and oauth');
  if (command[0] !== undefined && !isAbsolute(command[0])) {
    report(`${key}.command`, 'the first word must be an absolute path: what runs may not depend on PATH');
  }
  return { source, header, scheme, variable, lifetimeMs: lifetime };
}

function oauthAt(
  folder: string,
  given: NonNullable<NonNullable<Settings['upstreams'][string]['credential']>['oauth']>,
): CredentialSource {
  const { token_url, client_id, client_secret_file, scope, resource, audience, subject_token_file: subject } = given;
  return {
    kind: 'oauth',
    tokenUrl: token_url,
    clientId: client_id,
    clientSecret: resolve(folder, client_secret_file),
    scope,
    resource,
    audience,
    subjectToken: subject === null ? null : resolve(folder, subject),
  };
}

function inspectionOf(folder: string, { path, quarantine, classifier }: Settings['inspection']): Config['inspection'] {
  const { keep, max_items, max_bytes } = quarantine;
  return {
    path: path === null ? null : resolve(folder, path),
    quarantine: { keepMs: keep, maxItems: max_items, maxBytes: max_bytes },
    classifier: classifier && {
      url: classifier.url,
      timeoutMs: classifier.timeout,
      onFailure: classifier.on_failure,
      headers: values(classifier.headers),
    },
  };
}

function recordDecisionsOf(folder: string, given: Settings['record']['decisions']): Config['recordDecisions'] {
  return given === null ? null : { folder: resolve(folder, given.to), key: given.key };
}

function serverOf(
  folder: string,
  id: string,
  {
    env,
    headers,
    timeout,
    ca,
    client_certificate: certificate,
    client_key: key,
    sandbox,
    credential,
    receipts,
  }: Settings['upstreams'][string],
  report: Report,
): ServerConfig {
  if ((certificate === null) !== (key === null)) {
    report(`upstreams.${id}`, 'client_certificate and client_key go together; give both or neither');
  }
  return {
    env: values(env),
    headers: values(headers),
    timeoutMs: timeout,
    ca: ca === null ? null : resolve(folder, ca),
    client:
      certificate === null || key === null
        ? null
        : { certificate: resolve(folder, certificate), key: resolve(folder, key) },
    sandbox,
    receipts: { keys: receipts.keys, required: receipts.required === 'true' },
    credential: credential && credentialAt(folder, `upstreams.${id}.credential`, credential, report),
  };
}

function values(secrets: Record<string, Secret>): Record<string, string> {
  return Object.fromEntries(Object.entries(secrets).map(([name, { value }]) => [name, value]));
}

function writtenSecrets({ upstreams, inspection }: Settings): WrittenSecrets {
  const written = (secrets: Record<string, Secret>): Record<string, string> =>
    Object.fromEntries(Object.entries(secrets).map(([name, secret]) => [name, secret.written]));
  const servers = Object.entries(upstreams).map(([id, { env, headers }]) => [
    id,
    { env: written(env), headers: written(headers) },
  ]);
  return { upstreams: Object.fromEntries(servers), classifier: written(inspection.classifier?.headers ?? {}) };
}

/** File and environment must agree: whoever sets one pin must not be overruled in silence by the other. */
function agreedPin(
  key: string,
  inFile: string | null,
  variable: string,
  given: string | null,
  report: Report,
): string | null {
  if (given === null) return inFile;
  const fromEnvironment = parsePin(given);
  if (fromEnvironment === undefined) {
    report(key, `the variable ${variable} is not a digest: expected sha256: and 64 lower-case hexadecimal digits`);
    return null;
  }
  if (inFile !== null && inFile !== fromEnvironment)
    report(key, `differs from the variable ${variable}; give one, or the same twice`);
  return fromEnvironment;
}

function attestationOf(folder: string, given: Settings['attestation'], report: Report): AttestationConfig {
  const { provider, tpm } = given;
  if (provider === 'opaque' || provider === 'gpu') report('attestation.provider', REFUSALS[provider]);
  return {
    provider: provider === 'opaque' || provider === 'gpu' ? 'auto' : provider,
    tpm: {
      address: tpm.address,
      akCertificate: tpm.ak_certificate === null ? null : resolve(folder, tpm.ak_certificate),
      eventLog: resolve(folder, tpm.event_log),
      seal: tpm.seal === null ? null : [...new Set(tpm.seal)].sort((a, b) => a - b),
      rollbackCounter: tpm.rollback_counter === 'true',
    },
    collateral: resolve(folder, given.collateral),
    roots: given.roots.map((root) => resolve(folder, root)),
    validityMs: given.validity,
    staleness: given.staleness,
    launch: given.launch,
  };
}

const REFUSALS = {
  opaque:
    'evidence of Opaque’s platform can be checked only by asking its service; no offline verifier exists, so it is not collected',
  gpu: 'evidence of a GPU comes on top of that of a platform and is none by itself; name the platform, or use auto',
};

function tlsOf(folder: string, given: Settings['tls'], report: Report): TlsConfig | null {
  if (given === null) return null;
  const { source, certificate, key, client_ca: clientCa } = given;
  if (source === 'generated') {
    if (certificate !== null || key !== null)
      report('tls', 'a generated key takes no files; leave out certificate and key');
    if (clientCa !== null)
      report('tls.client_ca', 'a generated key is for clients that use `cmcp connect`, which shows no certificate');
    return { kind: 'generated' };
  }
  if (certificate === null || key === null) report('tls', 'needs certificate and key, or `tls: generated`');
  return {
    kind: 'files',
    certificate: resolve(folder, certificate ?? ''),
    key: resolve(folder, key ?? ''),
    clientCa: clientCa === null ? null : resolve(folder, clientCa),
  };
}

function checkListen(config: Unhashed, report: Report): void {
  if (isLoopback(config.listen.host) || config.tls !== null) return;
  const host = config.listen.host === '' ? 'an empty host, which means every interface,' : `\`${config.listen.host}\``;
  report(
    'listen',
    `${host} is not a loopback address, and beyond this machine the gateway serves TLS only. Set \`tls\`, or use 127.0.0.1:${config.listen.port} or [::1]:${config.listen.port}.`,
  );
}

function checkSocket(config: Unhashed, report: Report): void {
  const problem = socketProblem(config.operator.socket);
  if (problem !== null) report('operator.socket', `${problem} Set a shorter one, such as /run/cmcp/operator.sock.`);
}

function checkLabel({ catalog, vocabulary }: Unhashed, report: Report): void {
  const ranks = sensitivityRanks(vocabulary);
  if (catalog.recheckAbove === null || ranks.has(catalog.recheckAbove)) return;
  report('catalog.recheck_above', `is not a known label; use one of ${[...ranks.keys()].join(', ')}`);
}

function checkOperatorNames({ credentials, certificates, oidc }: Config['operator'], report: Report): void {
  const issuers = oidc === null ? [] : [oidc.issuer];
  checkSubjects(credentials, issuers, 'operator.credentials', report);
  checkSubjects(certificates, issuers, 'operator.certificates', report);
}

/** One that could never be reached would withhold every answer, or none; or approve nothing. */
function checkServices({ inspection, approvals, egress }: Unhashed, report: Report): void {
  const services = { 'inspection.classifier.url': inspection.classifier, 'approvals.callback.url': approvals.callback };
  for (const [key, service] of Object.entries(services)) {
    const url = service === null ? null : URL.parse(service.url);
    if (url === null || egress.allow === null || egress.allow.includes(destinationOf(url))) continue;
    report(key, `${destinationOf(url)} is not on the list of \`egress.allow\`; add it there`);
  }
}

async function checkInside(config: Unhashed, report: Report): Promise<void> {
  const folder = dirname(config.file);
  for (const key of ['policy', 'catalog', 'inspection'] as const) {
    const { path } = config[key];
    if (path === null || (await liesInside(folder, path))) continue;
    report(
      `${key}.path`,
      `leads out of ${folder}, the folder of this file; what is approved stays together, also behind symbolic links`,
    );
  }
}
