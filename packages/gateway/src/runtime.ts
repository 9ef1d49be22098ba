import { randomUUID } from 'node:crypto';
import type { Attestation } from './attestation/types.ts';
import { CallLog } from './audit/call-log.ts';
import { GatewayChain } from './audit/gateway-chain.ts';
import type { AuditLog, Exposure } from './audit/types.ts';
import type { Authority } from './authority.ts';
import type { Clock } from './clock.ts';
import type { Config } from './config/types.ts';
import { governedGateway } from './governed.ts';
import { type Approved, connectAuthority, loadApproved } from './load-authority.ts';
import type { GovernedGateway } from './mcp/types.ts';
import type { PathDeps } from './pipeline/deps.ts';
import type { Ranks } from './policy/sensitivity.ts';
import { commitment } from './session/commitment.ts';
import { Exposures } from './session/exposure.ts';
import { Sessions } from './session/sessions.ts';
import type { Timers } from './timers.ts';
import type { createUpstream } from './upstream/upstream.ts';

export interface RuntimeDeps {
  config: Config;
  ranks: Ranks;
  clock: Clock;
  timers: Timers;
  attestation: Attestation;
  log: AuditLog;
  /** What agents are known to have seen before now, in whichever store. */
  exposures: readonly Exposure[];
  connect: (
    server: Parameters<typeof createUpstream>[0],
    settings: Parameters<typeof createUpstream>[1],
  ) => ReturnType<typeof createUpstream>;
  /** For operators: a code or event name, and what happened. */
  report: (event: string, detail: string) => void;
}

/** Everything behind the listeners: from a governed request to its entry. */
export interface Runtime {
  readonly governed: GovernedGateway;
  readonly sessions: Sessions;
  readonly exposures: Exposures;
  readonly chain: GatewayChain;
  authority(): Authority;
  /** Puts another bundle and catalog in force; see Gateway.reload. */
  activate(): Promise<void>;
  /** Closes sessions, gateway chain and upstreams; not the log. */
  close(): Promise<void>;
}

const SWEEP_MS = 1_000;
const FLUSH_MS = 60_000;

/** Builds the runtime on an open log and opens the gateway chain. */
export async function createRuntime(deps: RuntimeDeps, approved: Approved): Promise<Runtime> {
  const { config, clock, log, attestation, ranks, report } = deps;
  const chain = new GatewayChain(log, randomUUID());
  const exposures = new Exposures(deps.exposures, config.sessions.carryOverMs);
  let authority = connect(deps, chain, approved);
  await openChain(deps, chain, authority);
  await enterRecovered(deps, chain);
  const sessions = new Sessions({
    log,
    exposures,
    config,
    attestation,
    clock,
    newId: randomUUID,
    authority: () => authority,
    lastSessions: await latestSessions(log),
  });
  const path: PathDeps = {
    log: new CallLog(log),
    sessions,
    exposures,
    clock,
    config,
    ranks,
    platform: attestation.platform,
    trustLevel: attestation.trustLevel,
    report: (code, callId, detail) => report(code, `call ${callId}: ${detail}`),
  };
  const failed = (error: unknown): void => report('AUDIT_UNAVAILABLE', String(error));
  const timers = [
    every(deps.timers, SWEEP_MS, () => sessions.sweep(), failed),
    every(deps.timers, FLUSH_MS, () => chain.flush(), failed),
  ];
  contact(deps, authority);
  return {
    governed: governedGateway(path, () => authority, chain),
    sessions,
    exposures,
    chain,
    authority: () => authority,
    activate: async () => {
      const next = await loadApproved(config, ranks);
      const before = authority;
      authority = connect(deps, chain, next);
      await enterAuthority(chain, authority);
      await sessions.closeAll('activation');
      await release(before);
      contact(deps, authority);
    },
    close: async () => {
      for (const stop of timers) stop();
      const closed = await Promise.allSettled([sessions.closeAll('shutdown'), chain.flush()]);
      const chainClosed = await Promise.allSettled([log.closeSession(chain.sessionId, 'shutdown')]);
      await release(authority);
      for (const outcome of [...closed, ...chainClosed]) if (outcome.status === 'rejected') throw outcome.reason;
    },
  };
}

function connect(deps: RuntimeDeps, chain: GatewayChain, approved: Approved): Authority {
  const failed = (error: unknown): void => deps.report('AUDIT_UNAVAILABLE', String(error));
  return connectAuthority(
    {
      config: deps.config,
      ranks: deps.ranks,
      clock: deps.clock,
      connect: deps.connect,
      onDrift: (tool, drift) => {
        const detail = {
          tool: tool.name,
          server: tool.server.id,
          kind: drift.kind,
          classification: drift.classification,
        };
        deps.report('CATALOG_DRIFT', `${tool.name}: ${drift.kind} (${drift.classification})`);
        chain.enterAs('catalog_drift', { ...detail, source: 'upstream' }).catch(failed);
      },
      onUnanswered: (serverId, error) => deps.report('UPSTREAM_UNAVAILABLE', `${serverId}: ${String(error)}`),
    },
    approved,
  );
}

async function openChain(deps: RuntimeDeps, chain: GatewayChain, authority: Authority): Promise<void> {
  const { config, log, attestation } = deps;
  const opening = { exposure: 'public', previousSession: null, prevClaimHash: await log.lastClaimHash() };
  await log.openSession({
    sessionId: chain.sessionId,
    kind: 'gateway',
    subject: 'gateway',
    callerSource: 'gateway',
    exposureClass: 'public',
    detail: commitment(config, authority, attestation, opening),
  });
  await enterAuthority(chain, authority);
}

async function enterAuthority(chain: GatewayChain, { policy, catalog }: Authority): Promise<void> {
  await chain.enterAs('policy_load', {
    bundle_hash: policy.bundleHash,
    version: policy.version,
    request: policy.request,
  });
  await chain.enterAs('catalog_load', { catalog_hash: catalog.hash, form: catalog.form, tools: catalog.tools.length });
}

/** First contact, so that drift is known before it is asked for; a server that does not answer is asked again when called. */
function contact(deps: RuntimeDeps, authority: Authority): void {
  for (const server of authority.catalog.servers) {
    authority.live.compareServer(server.id).catch((error: unknown) => {
      deps.report('UPSTREAM_UNAVAILABLE', `${server.displayName}: ${String(error)}`);
    });
  }
}

/** Ends an authority that no session is governed by any more. */
async function release({ upstreams, policy }: Authority): Promise<void> {
  await Promise.all([...upstreams.values()].map((upstream) => upstream.close()));
  policy.close();
}

/** What a predecessor left open is closed by now; operators learn of it, and so does the chain. */
async function enterRecovered({ log, report }: RuntimeDeps, chain: GatewayChain): Promise<void> {
  for (const { sessionId, entriesRecovered, unknownOutcomes, damage } of log.recovered) {
    const counts = { entries_recovered: entriesRecovered, unknown_outcomes: unknownOutcomes };
    report(
      'session.recovered',
      `${sessionId}: ${unknownOutcomes} calls with unknown outcome${damage === null ? '' : `; ${damage}`}`,
    );
    await chain.enter('session.recovered', null, {
      session_id: sessionId,
      ...counts,
      damaged: damage === null ? 0 : 1,
    });
  }
}

/** Each subject's latest session of earlier runs, so that a successor names its predecessor. */
async function latestSessions(log: AuditLog): Promise<Map<string, string>> {
  const rows = (await log.sessions()).filter((row) => row.kind === 'session');
  rows.sort((a, b) => a.openedMicros - b.openedMicros);
  return new Map(rows.map((row) => [row.subject, row.sessionId]));
}

/** Runs a task again and again, never over itself. Returns what stops it. */
function every(timers: Timers, ms: number, task: () => Promise<void>, failed: (error: unknown) => void): () => void {
  let running = false;
  return timers.every(ms, () => {
    if (running) return;
    running = true;
    task()
      .catch(failed)
      .finally(() => {
        running = false;
      });
  });
}
