import type { ApprovalKind } from '@cmcp/evidence';
import { loadManifests } from '../agent-manifest/load.ts';
import { siblingStandings } from '../audit/stores/sibling-standings.ts';
import { loadCatalog } from '../catalog/load.ts';
import type { Catalog } from '../catalog/types.ts';
import { systemClock } from '../clock.ts';
import type { Environment } from '../config/environment.ts';
import { nearest } from '../config/nearest.ts';
import type { Config } from '../config/types.ts';
import { type ErrorCode, GatewayError } from '../errors.ts';
import { type LoadedRules, loadRules } from '../inspection/rules/load.ts';
import { upstreamSettings } from '../load-authority.ts';
import { loadPeers, type Peers } from '../load-peers.ts';
import { admitBundle } from '../policy/admission.ts';
import { type Bundle, loadBundle } from '../policy/bundle.ts';
import { createEngine } from '../policy/engine.ts';
import { sensitivityRanks } from '../policy/sensitivity.ts';
import { mergeStandings, NO_STANDING, type Standing, standingElsewhere } from '../policy/standing.ts';
import type { Mode } from '../policy/types.ts';
import { checkApproval } from './check-approval.ts';
import { checkServer, type ServerCheck, uncheckedServer } from './check-server.ts';
import { quietUpstream } from './quiet-upstream.ts';

/** How a hash on disk stands to the one that was approved. */
export type PinState = 'matches' | 'differs' | 'not pinned';

/** Whether the key that is pinned signed the bundle; `no key pinned`: there is a signature that nothing was checked by. */
export type SignatureState = 'valid' | 'invalid' | 'missing' | 'no key pinned' | 'none';

/** What `cmcp check` found. Nothing was served and nothing was written. */
export interface CheckReport {
  ok: boolean;
  mode: Mode;
  policy: Stand & { signature: SignatureState; version: string | null; warnings: string[] };
  catalog: Stand & CatalogCounts;
  /** `path` null: the built-in rules. */
  inspection: { path: string | null; hash: string | null; version: string | null; own: number };
  servers: ServerCheck[];
  problems: { code: ErrorCode; detail: string }[];
}

/** How what is on disk stands to what was approved. */
interface Stand {
  path: string;
  hash: string | null;
  pin: PinState;
  /** `not asked for`, `missing`, or by how many it is approved and until when. */
  approval: string;
}

/** How much is approved, of each kind. */
export interface CatalogCounts {
  tools: number;
  resources: number;
  templates: number;
  prompts: number;
}

export interface CheckDeps {
  environment: Environment;
  /** Ask no server anything. */
  offline: boolean;
}

/**
 * Checks everything that starting would check, and that the servers still offer what was approved. Goes on after a
 * problem, so that one run names them all.
 */
export async function checkSetup(config: Config, deps: CheckDeps): Promise<CheckReport> {
  const problems: CheckReport['problems'] = [];
  const attempt = async <T>(task: () => Promise<T> | T): Promise<T | null> => {
    try {
      return await task();
    } catch (error) {
      if (!(error instanceof GatewayError)) throw error;
      problems.push({ code: error.code, detail: error.detail });
      return null;
    }
  };
  const bundle = await attempt(() => loadBundle(config.policy.path));
  const ranks = sensitivityRanks(config.vocabulary);
  const catalog = await attempt(() => loadCatalog(config.catalog.path, ranks));
  const rules = await attempt(() =>
    loadRules(config.inspection.path, { ranks, catalog, classifier: config.inspection.classifier }),
  );
  const engine = bundle === null || catalog === null ? null : await attempt(() => createEngine(bundle, catalog, ranks));
  if (bundle !== null && config.policy.key !== null)
    await attempt(async () => admitBundle(config.policy, await knownStanding(config), bundle));
  const signature = signatureState(config, bundle, problems);
  problems.push(...pinProblems(config, bundle, catalog), ...unknownUpstreams(config, catalog));
  const approval = await attemptApprovals(config, { bundle, catalog }, attempt);
  await attempt(() => loadManifests(config));
  const peers = catalog === null ? null : await attempt(() => loadPeers(config, catalog));
  const servers =
    catalog === null || engine === null || peers === null ? [] : await checkServers(config, catalog, peers, deps);
  engine?.close();
  return {
    mode: config.mode,
    ok: problems.length === 0 && servers.every(({ status }) => status === 'as approved' || status === 'not asked'),
    policy: {
      path: config.policy.path,
      hash: bundle?.hash ?? null,
      pin: pinState(config.policy.pin, bundle?.hash ?? null),
      signature,
      version: bundle?.version ?? null,
      approval: approval.policy ?? 'missing',
      warnings: bundle?.warnings ?? [],
    },
    catalog: {
      path: config.catalog.path,
      hash: catalog?.hash ?? null,
      pin: pinState(config.catalog.pin, catalog?.hash ?? null),
      approval: approval.catalog ?? 'missing',
      ...counted(catalog),
    },
    inspection: inspectionStand(config, rules),
    servers,
    problems,
  };
}

function inspectionStand({ inspection: { path } }: Config, rules: LoadedRules | null): CheckReport['inspection'] {
  return { path, hash: rules?.hash ?? null, version: rules?.version ?? null, own: rules?.own.length ?? 0 };
}

type Attempt = <T>(task: () => Promise<T> | T) => Promise<T | null>;

async function attemptApprovals(
  { policy, catalog }: Config,
  loaded: { bundle: Bundle | null; catalog: Catalog | null },
  attempt: Attempt,
): Promise<Record<'policy' | 'catalog', string | null>> {
  const now = systemClock.nowMicros() / 1e6;
  const of = (kind: ApprovalKind, hash: string | undefined, { path, approval }: Config['policy' | 'catalog']) =>
    hash === undefined ? null : attempt(() => checkApproval({ kind, path, hash }, approval, now));
  return {
    policy: await of('bundle', loaded.bundle?.hash, policy),
    catalog: await of('catalog', loaded.catalog?.hash, catalog),
  };
}

function counted(catalog: Catalog | null): CatalogCounts {
  const resources = catalog?.resources ?? [];
  const templates = resources.filter(({ pattern }) => pattern.kind === 'template').length;
  return {
    tools: catalog?.tools.length ?? 0,
    resources: resources.length - templates,
    templates,
    prompts: catalog?.prompts.length ?? 0,
  };
}

function pinState(pin: string | null, hash: string | null): PinState {
  if (pin === null) return 'not pinned';
  return pin === hash ? 'matches' : 'differs';
}

/** What the stores of the data folder remember: a bundle that is older than theirs would not start. */
async function knownStanding({ dataDir }: Config): Promise<Standing> {
  const texts = await siblingStandings(dataDir, null, 'policy');
  const [first = NO_STANDING, ...others] = texts.map(standingElsewhere);
  return others.reduce(mergeStandings, first);
}

function signatureState({ policy }: Config, bundle: Bundle | null, problems: CheckReport['problems']): SignatureState {
  const signed = bundle !== null && bundle.signature !== null;
  if (policy.key === null) return signed ? 'no key pinned' : 'none';
  if (!signed) return 'missing';
  const refused = problems.some(({ code }) => code === 'POLICY_SIGNATURE_INVALID' || code === 'POLICY_KEY_REVOKED');
  return refused ? 'invalid' : 'valid';
}

function pinProblems(config: Config, bundle: Bundle | null, catalog: Catalog | null): CheckReport['problems'] {
  const problems: CheckReport['problems'] = [];
  const compare = (
    key: 'policy' | 'catalog',
    hash: string | undefined,
    mismatch: ErrorCode,
    missing: ErrorCode,
  ): void => {
    const { pin, approval } = config[key];
    if (hash === undefined || pin === hash) return;
    // With a key, the hash says where a store begins, and the store what may come after it.
    if (key === 'policy' && config.policy.key !== null) return;
    if (pin !== null)
      problems.push({ code: mismatch, detail: `${key}.hash is ${pin}, and what is on disk has ${hash}` });
    // In dev mode a pin is optional, so its absence is no problem.
    // Reviewers say what is approved as well as a pin does.
    else if (!config.dev && approval === null)
      problems.push({ code: missing, detail: `outside dev mode set ${key}.hash to ${hash}, if you approve it` });
  };
  compare('policy', bundle?.hash, 'POLICY_HASH_MISMATCH', 'POLICY_PIN_REQUIRED');
  compare('catalog', catalog?.hash, 'CATALOG_HASH_MISMATCH', 'CATALOG_PIN_REQUIRED');
  return problems;
}

/** Settings for a server that the catalog does not have are a misspelt id, and the server would run without them. */
function unknownUpstreams(config: Config, catalog: Catalog | null): CheckReport['problems'] {
  if (catalog === null) return [];
  const ids = catalog.servers.map(({ id }) => id);
  return Object.keys(config.upstreams)
    .filter((id) => !ids.includes(id))
    .map((id) => {
      const close = nearest(id, ids);
      const hint = close === null ? '' : `; the nearest is ${close}`;
      return { code: 'CONFIG_INVALID', detail: `${config.file}: upstreams.${id} is no server of the catalog${hint}` };
    });
}

async function checkServers(config: Config, catalog: Catalog, peers: Peers, deps: CheckDeps): Promise<ServerCheck[]> {
  if (deps.offline) return catalog.servers.map((server) => uncheckedServer(catalog, server, 'not asked', null));
  const connect = quietUpstream(deps.environment, config.egress.allow);
  const checks = catalog.servers.map(async (server) => {
    const upstream = connect(server, upstreamSettings(config, server, peers));
    try {
      return await checkServer(catalog, server, upstream);
    } finally {
      await upstream.close();
    }
  });
  return await Promise.all(checks);
}
