import { randomBytes, randomUUID } from 'node:crypto';
import type { JsonObject } from '@cmcp/evidence';
import { type Binding, bindManifest } from './agent-manifest/bind.ts';
import { approvalEntry } from './approval/entry.ts';
import type { OwnStatement } from './attestation/live.ts';
import type { Attestation } from './attestation/types.ts';
import { type Entered, GatewayChain } from './audit/gateway-chain.ts';
import type { Schedule } from './audit/group-commit.ts';
import type { AuditLog, Exposure } from './audit/types.ts';
import type { Authority } from './authority.ts';
import { type Excepted, withExceptions } from './catalog/exception.ts';
import { driftDetail, driftText, type KnownDrift, recallDrift } from './catalog/known-drift.ts';
import { LiveCatalog } from './catalog/live.ts';
import type { Catalog, CatalogServer } from './catalog/types.ts';
import type { Clock } from './clock.ts';
import type { Config } from './config/types.ts';
import { type Egress, egressOf } from './egress.ts';
import { GatewayError } from './errors.ts';
import type { ApprovalCallback } from './escalation/callback/callback.ts';
import { Desk } from './escalation/desk.ts';
import { requestedEvent } from './escalation/shown.ts';
import type { ApprovalDesk } from './escalation/types.ts';
import { unknownApprovers } from './escalation/unknown-approvers.ts';
import { Exceptions } from './exceptions/exceptions.ts';
import { governedGateway } from './governed.ts';
import type { Classifier } from './inspection/classifier/classifier.ts';
import { composed } from './inspection/composed.ts';
import { builtInRules } from './inspection/rules/load.ts';
import type { Turns } from './inspection/turns.ts';
import type { InspectionRules, Scan } from './inspection/types.ts';
import { ListChanges } from './list-changes.ts';
import { loadServing, type Serving, upstreamSettings } from './load-authority.ts';
import type { Peers } from './load-peers.ts';
import type { ChangeKind, GovernedGateway } from './mcp/types.ts';
import type { OperatorEvent } from './operator/events.ts';
import type { PolicyOperations } from './operator/policy-routes.ts';
import type { Operator } from './operator/route.ts';
import type { PathDeps } from './pipeline/deps.ts';
import { ParkedCalls } from './pipeline/parked.ts';
import { RequestStates } from './pipeline/request-states.ts';
import { Subscriptions } from './pipeline/subscriptions.ts';
import { TaskHandles } from './pipeline/task-handles.ts';
import { WaitingTasks } from './pipeline/waiting-tasks.ts';
import { requireHash } from './policy/admission.ts';
import { createEngine } from './policy/engine.ts';
import { observed } from './policy/observed.ts';
import type { Ranks } from './policy/sensitivity.ts';
import type { Standing } from './policy/standing.ts';
import { withTools } from './policy/with-tools.ts';
import { type Activation, policyOperations } from './policy-operations.ts';
import { PolicyStanding } from './policy-standing.ts';
import { Quarantine } from './quarantine/quarantine.ts';
import { DecisionRecorder, type RecorderDeps } from './recording/recorder.ts';
import { Scopes } from './scopes.ts';
import { SealedBox } from './sealed-box.ts';
import { commitment, ownStatement } from './session/commitment.ts';
import { Exposures } from './session/exposure.ts';
import { FlowMemory } from './session/flow/memory.ts';
import type { Freshness, Monotonic } from './session/freshness.ts';
import { OpenClaims, type OpenClaimsDeps } from './session/open-claims.ts';
import { Renewal } from './session/renewal.ts';
import { Sessions } from './session/sessions.ts';
import { ShadowStage } from './shadow-stage.ts';
import type { Elsewhere } from './stop/blocks.ts';
import { type StopOperations, stopOperations } from './stop/operations.ts';
import { SessionEntries } from './stop/session-entries.ts';
import { openStop, type Stop } from './stop/stop.ts';
import type { Timers } from './timers.ts';
import type { EnterIdentity } from './upstream/identity-events.ts';
import { judgeProvenance, type ProvenanceVerdict, provenanceDetail } from './upstream/provenance.ts';
import type { Listed, Upstream } from './upstream/types.ts';
import type { createUpstream, UpstreamDeps } from './upstream/upstream.ts';
import { VouchedUpstream } from './upstream/vouched-upstream.ts';

export interface RuntimeDeps {
  config: Config;
  ranks: Ranks;
  clock: Clock;
  timers: Timers;
  attestation: Attestation;
  /** How old the evidence of open chains is; null: no platform gives any. */
  freshness: Freshness | null;
  monotonic: Monotonic;
  log: AuditLog;
  /** What agents are known to have seen before now, in whichever store. */
  exposures: readonly Exposure[];
  /** What other stores of the data folder remember of policy keys. */
  standings: readonly Standing[];
  /** What they hold as stopped: null when that did not change since it was asked for last. */
  stoppedElsewhere: () => Promise<Elsewhere | null>;
  /** Scans besides those of the rules. */
  scans: readonly Scan[];
  /** The operator's classifier, which the runtime closes; null: there is none. */
  classifier: Classifier | null;
  /** How long inspection takes, and how others get their turn. */
  turns: Turns;
  /** Stores a session file among the claims of its session. */
  writeClaim: OpenClaimsDeps['write'];
  /** Runs a task after the turn of whoever asks. */
  soon: Schedule;
  connect: (
    server: Parameters<typeof createUpstream>[0],
    settings: Parameters<typeof createUpstream>[1],
    around: Pick<UpstreamDeps, 'egress' | 'enterIdentity'>,
  ) => ReturnType<typeof createUpstream>;
  /** A connection to each machine of a server whose name leads to several. */
  replicas: (...server: Parameters<RuntimeDeps['connect']>) => Promise<ReturnType<RuntimeDeps['connect']>[]>;
  /** Makes the file that decisions are recorded in. */
  createRecordFile?: RecorderDeps['createFile'];
  /** For operators: a code or event name, and what happened. */
  report: (event: string, detail: string) => void;
  /** The operator's machine that approves calls, which the runtime closes, for the desk that it is given; null: there is none. */
  callback: ((desk: Pick<ApprovalDesk, 'answer'>) => ApprovalCallback) | null;
  /** Tells operators who listen. */
  publish: (event: OperatorEvent) => void;
  /** For operators: what somebody did, once it is entered. */
  entered: Entered;
}

const SWEEP_MS = 1_000;
/** Of the arguments of all calls that wait for an approval: they are kept nowhere else. */
const APPROVAL_BYTES = 67_108_864;
const FLUSH_MS = 60_000;
/** Less than what the command line waits for an answer. */
const LIST_TIMEOUT_MS = 10_000;
const ALL_LISTS: readonly ChangeKind[] = ['tools', 'resources', 'prompts'];

/** Builds the runtime on an open log and opens the gateway chain. */
export async function createRuntime(deps: RuntimeDeps, approved: Serving): Promise<Runtime> {
  const { config, log } = deps;
  const flow = new FlowMemory({ random: randomBytes, monotonic: deps.monotonic, soon: deps.soon });
  const exposures = new Exposures(deps.exposures, config.sessions.carryOverMs, flow);
  const chain = new GatewayChain(log, randomUUID(), deps.entered);
  const changes = new ListChanges();
  const recorder = await openRecorder(deps, chain);
  const standing = await PolicyStanding.open(log, config.policy, deps.standings);
  const policyKey = await standing.admit(approved.bundle);
  const unrecorded = (error: unknown): void => deps.report('AUDIT_UNAVAILABLE', String(error));
  const stop = await openStop(
    { ...deps, chain, newId: randomUUID, unrecorded },
    (await deps.stoppedElsewhere()) ?? { root: null, others: [] },
  );
  const shadow = new ShadowStage(chain, { soon: deps.soon, now: deps.monotonic });
  const authority = connect(deps, { chain, changes, shadow, stop }, { ...approved, policyKey }, approved);
  const recalled = await recallDrift(log, authority.catalog.hash);
  authority.live.remember(recalled);
  const root = await openChain(deps, chain, authority, { standing, recalled });
  await enterRecovered(deps, chain);
  reportApprovers(deps, approved);
  const lastSessions = await latestSessions(log);
  const held = { standing, shadow, stop, exposures, lastSessions };
  return new Runtime(deps, { chain, changes, recorder, root, authority, ...held });
}

/** What a runtime begins with. */
interface Beginning {
  chain: GatewayChain;
  changes: ListChanges;
  recorder: DecisionRecorder | null;
  /** Hash of the chain's first entry. */
  root: string;
  authority: Authority;
  standing: PolicyStanding;
  shadow: ShadowStage;
  stop: Stop;
  exposures: Exposures;
  lastSessions: Map<string, string>;
}

/** Everything behind the listeners: from a governed request to its entry. */
export class Runtime {
  readonly governed: GovernedGateway;
  readonly sessions: Sessions;
  readonly exposures: Exposures;
  readonly chain: GatewayChain;
  /** What operators do about the policy. */
  readonly policy: PolicyOperations;
  /** What is used for a while although no catalog approves it. */
  readonly exceptions: Exceptions;
  /** Answers that wait for an operator. */
  readonly quarantine: Quarantine;
  /** Calls that wait for somebody to approve them. */
  readonly desk: Desk;
  /** What is stopped, and how much may be used. */
  readonly stop: Stop;
  /** What operators do about it. */
  readonly stopping: StopOperations;
  /** Who answers for a machine; null: there is none. */
  readonly callback: ApprovalCallback | null;
  readonly #deps: RuntimeDeps;
  readonly #stopTimers: (() => void)[];
  readonly #root: string;
  readonly #recorder: DecisionRecorder | null;
  readonly #changes: ListChanges;
  readonly #subscriptions: Subscriptions;
  readonly #stopEntries: SessionEntries;
  readonly #claims: OpenClaims;
  readonly #standing: PolicyStanding;
  readonly #shadow: ShadowStage;
  #authority: Authority;
  #closing = false;
  /** Resolves, whatever becomes of it, when the last activation that was asked for is over. */
  #activation: Promise<unknown> = Promise.resolve();

  constructor(deps: RuntimeDeps, beginning: Beginning) {
    const { chain, changes, recorder, root, authority, standing, shadow, stop, exposures, lastSessions } = beginning;
    const { log, config, attestation, clock, timers, freshness, monotonic, report } = deps;
    this.#deps = deps;
    this.#authority = authority;
    this.chain = chain;
    this.#root = root;
    this.#recorder = recorder;
    this.#changes = changes;
    this.#standing = standing;
    this.#shadow = shadow;
    this.exposures = exposures;
    this.stop = stop;
    this.sessions = new Sessions({
      log,
      exposures,
      config,
      attestation,
      clock,
      freshness,
      monotonic,
      newId: randomUUID,
      authority: () => this.#authority,
      isStopped: (caller) => stop.blocks.stoppingAgent(caller) !== null,
      lastSessions,
      bind: (caller, authority) => bindManifest(this.#binding(authority), caller),
    });
    this.#stopEntries = new SessionEntries({
      log,
      sessions: this.sessions,
      unrecorded: (error) => this.#unrecorded(error),
    });
    this.quarantine = new Quarantine({
      settings: config.inspection.quarantine,
      ...{ chain, exposures, monotonic },
      authority: () => this.#authority,
    });
    this.desk = new Desk({
      settings: { ...config.approvals, maxBytes: APPROVAL_BYTES },
      ...{ log, sessions: this.sessions, monotonic, clock, newId: randomUUID },
    });
    this.desk.onOpened((request) => deps.publish(requestedEvent(request)));
    this.callback = deps.callback?.(this.desk) ?? null;
    this.desk.onOpened((request) => {
      if (request.escalations.some(({ via }) => via === 'callback')) this.callback?.deliver(request);
    });
    this.#claims = new OpenClaims({ log, settings: config.claim, write: deps.writeClaim, report });
    const path = this.#path();
    this.#subscriptions = new Subscriptions(path);
    this.governed = governedGateway({
      path,
      authority: () => this.#authority,
      chain,
      changes,
      subscriptions: this.#subscriptions,
    });
    stop.blocks.onBlocked((block) => {
      this.#stopEntries.began(block);
      this.#subscriptions.endStopped();
    });
    this.stopping = stopOperations({
      ...stop,
      config,
      authority: () => this.#authority,
      sessions: this.sessions,
    });
    // What is stopped is not offered.
    stop.blocks.onChanged(() => this.#announceLists());
    this.policy = policyOperations({
      config,
      chain,
      standing,
      shadow,
      authority: () => this.#authority,
      alone: (task) => this.#alone(task),
      activate: (by, expected) => this.activate(by, expected),
      load: (by) => this.#load(by, null),
    });
    this.exceptions = new Exceptions({
      ...{ config, chain, clock, monotonic, ranks: deps.ranks, newId: randomUUID },
      authority: () => this.#authority,
      alone: (task) => this.#alone(task),
      list: (server) => this.#listTools(server),
      putInForce: (excepted, enter) => this.#except(excepted, enter),
    });
    const renewal = freshness === null ? null : new Renewal({ log, freshness, chain, report });
    // None minds running again before it is done: a session closes once, a count is taken once, evidence is asked for once.
    this.#stopTimers = [
      timers.every(SWEEP_MS, () => void renewal?.sweep().catch((error) => this.#unrecorded(error))),
      timers.every(SWEEP_MS, () => void this.sessions.sweep().catch((error) => this.#unrecorded(error))),
      timers.every(SWEEP_MS, () => void this.exceptions.sweep().catch((error) => this.#unrecorded(error))),
      timers.every(SWEEP_MS, () => void this.quarantine.sweep().catch((error) => this.#unrecorded(error))),
      timers.every(SWEEP_MS, () => void this.desk.sweep().catch((error) => this.#unrecorded(error))),
      timers.every(SWEEP_MS, () => void this.#lookElsewhere().catch((error) => report('STORE_INVALID', String(error)))),
      timers.every(SWEEP_MS, () => this.#subscriptions.expire()),
      timers.every(config.sessions.reevaluateMs, () => {
        this.#subscriptions.reevaluate(this.#authority).catch((error) => this.#unrecorded(error));
      }),
      timers.every(config.claim.intervalMs, () => {
        this.#claims.sweep(this.sessions.open()).catch((error) => this.#unrecorded(error));
      }),
      timers.every(config.catalog.recheckMs, () => this.#authority.live.recheck()),
      timers.every(FLUSH_MS, () => void stop.storedLimits.store(chain).catch((error) => this.#unrecorded(error))),
      timers.every(FLUSH_MS, () => void chain.flush().catch((error) => this.#unrecorded(error))),
    ];
    authority.live.contact();
  }

  /** What is in force now. */
  get authority(): Authority {
    return this.#authority;
  }

  /** What this gateway states of itself to whoever asks. */
  get statement(): OwnStatement {
    const { config, attestation } = this.#deps;
    return ownStatement(config, this.#authority, attestation, this.#root);
  }

  /** Agents connect to another TLS key: a new commitment, so that each live session closes as at an activation. */
  async tlsKeyChanged(): Promise<void> {
    if (this.#closing) return;
    const { tlsSpki } = this.#deps.attestation;
    // In the turn of the change: whatever was opened, or is being opened, under the key before is closed by this.
    const closed = this.sessions.closeAll('activation');
    const entered = this.chain.enter('tls.key_changed', null, { tls_spki: tlsSpki });
    this.#activation = Promise.allSettled([this.#activation, closed, entered]);
    await Promise.all([closed, entered]);
  }

  /** Other agents may call: each live session closes as at an activation, and its successor commits to them. */
  async agentsChanged(agentsHash: string): Promise<void> {
    if (this.#closing) return;
    const closed = this.sessions.closeAll('activation');
    const entered = this.chain.enter('agents.changed', null, { agents_hash: agentsHash });
    this.#activation = Promise.allSettled([this.#activation, closed, entered]);
    await Promise.all([closed, entered]);
  }

  /**
   * Puts another bundle, catalog and set of inspection rules in force, one activation at a time; see Gateway.reload. `by`: who asked, null for whoever may send
   * signals. `expected`: the hash that the bundle has to have.
   */
  activate(by: Operator | null = null, expected: string | null = null): Promise<Activation> {
    return this.#alone(() => this.#activate(by, expected));
  }

  /** What changes what is in force, or may be put in force, happens one after another. */
  #alone<T>(task: () => Promise<T>): Promise<T> {
    if (this.#closing) return Promise.reject(new GatewayError('SHUTTING_DOWN', 'the gateway is stopping'));
    const done = this.#activation.then(task);
    this.#activation = Promise.allSettled([done]);
    return done;
  }

  /** Closes sessions, gateway chain and upstreams; not the log. */
  async close(): Promise<void> {
    // What was begun before is waited for, and nothing else begins: a successor would outlive the shutdown.
    this.#closing = true;
    for (const stop of this.#stopTimers) stop();
    await this.#activation;
    await this.#shadow.end('shutdown', null).catch((error) => this.#unrecorded(error));
    const { log, classifier } = this.#deps;
    const closed = await Promise.allSettled([
      this.sessions.closeAll('shutdown'),
      this.quarantine.end(),
      this.stop.storedLimits.store(this.chain),
      this.chain.flush(),
    ]);
    const recorded = await Promise.allSettled([this.#recorder?.close()]);
    const chainClosed = await Promise.allSettled([log.closeSession(this.chain.sessionId, 'shutdown')]);
    await release(this.#authority);
    await classifier?.close();
    await this.callback?.close();
    for (const outcome of [...closed, ...recorded, ...chainClosed])
      if (outcome.status === 'rejected') throw outcome.reason;
  }

  async #activate(by: Operator | null, expected: string | null): Promise<Activation> {
    const loaded = await this.#load(by, expected);
    if (this.#isInForce(loaded)) {
      loaded.policy.close();
      this.#deps.report('policy.unchanged', `${loaded.bundle.hash} is in force already`);
      return told(this.#authority, false);
    }
    const next = connect(
      this.#deps,
      { chain: this.chain, changes: this.#changes, shadow: this.#shadow, stop: this.stop },
      loaded,
      loaded,
    );
    try {
      await enterAuthority(this.chain, next, this.#standing, this.#authority.inspection);
    } catch (error) {
      await release(next);
      throw error;
    }
    await this.#shadow.end('activated', by).catch((error) => this.#unrecorded(error));
    reportApprovers(this.#deps, loaded);
    await this.#switch(next);
    await this.exceptions.dropped();
    await this.quarantine.activated();
    return told(next, true);
  }

  /** What is approved, with `excepted` beside it. Policy and catalog stay the same by their hashes, so that no load of them is entered. */
  async #except(excepted: readonly Excepted[], enter: () => Promise<void>): Promise<void> {
    const { base, inspection, policyKey, approvals } = this.#authority;
    const catalog = withExceptions(base.catalog, excepted);
    const added = excepted.flatMap(({ tools }) => tools);
    const policy = createEngine(withTools(base.bundle, added), catalog, this.#deps.ranks);
    const parts = { chain: this.chain, changes: this.#changes, shadow: this.#shadow, stop: this.stop };
    const next = connect(this.#deps, parts, { ...base, catalog, inspection, policy, policyKey, approvals }, base);
    try {
      await enter();
    } catch (error) {
      await release(next);
      throw error;
    }
    await this.#switch(next);
  }

  /** Asks a server that nothing approves yet, under the rules that would hold for its calls. */
  async #listTools(server: CatalogServer): Promise<Listed[]> {
    const { base } = this.#authority;
    const catalog = withExceptions(base.catalog, [{ server, tools: [] }]);
    const egress = egressOf(this.#deps.config, catalog);
    const upstream = reach(this.#deps, this.chain, base.peers, egress)(server);
    try {
      return await upstream.list('tools', AbortSignal.timeout(LIST_TIMEOUT_MS));
    } catch (error) {
      if (!(error instanceof GatewayError)) throw error;
      const problem = `${server.id} could not be asked for its tools: ${error.detail}`;
      throw new GatewayError('UPSTREAM_UNAVAILABLE', problem, { cause: error });
    } finally {
      await upstream.close();
    }
  }

  /** What may be put in force now. A refusal changes nothing but the chain of the gateway, and is nowhere tried again (D-15). */
  async #load(by: Operator | null, expected: string | null): Promise<Loaded> {
    try {
      const approved = await this.#serving();
      try {
        requireHash(expected, approved.bundle.hash);
        return { ...approved, policyKey: await this.#standing.admit(approved.bundle) };
      } catch (error) {
        approved.policy.close();
        throw error;
      }
    } catch (error) {
      if (error instanceof GatewayError) {
        await this.chain.enter('policy.refused', by, { error_code: error.code });
        this.#deps.report('policy.refused', `${error.code}: ${error.detail}`);
      }
      throw error;
    }
  }

  /** Asked of signed bundles only: without a key an activation is also how one connects to the servers anew. */
  #isInForce({ bundle, catalog, inspection, policyKey, manifests }: Loaded): boolean {
    const { policy, catalog: current, inspection: rules, policyKey: key, manifests: bound } = this.#authority;
    return (
      !this.exceptions.any &&
      policyKey !== null &&
      policyKey === key &&
      bundle.hash === policy.bundleHash &&
      catalog.hash === current.hash &&
      inspection.hash === rules.hash &&
      manifests.isSameAs(bound)
    );
  }

  async #switch(next: Authority): Promise<void> {
    const before = this.#authority;
    // The same catalog again approves nothing that was not approved before.
    if (next.catalog.hash === before.catalog.hash) next.live.remember(before.live.known());
    this.#authority = next;
    // In the turn of the switch: whatever was opened, or is being opened, under the one before is closed by this.
    await this.sessions.closeAll('activation').catch((error) => this.#unrecorded(error));
    await this.#subscriptions.renew().catch((error) => this.#unrecorded(error));
    await release(before);
    next.live.contact();
    // LIFE-08: what is offered may be other things than before.
    this.#announceLists();
  }

  #announceLists(): void {
    for (const kind of ALL_LISTS) this.#changes.announce(kind);
  }

  /** What another gateway of the same data folder stopped is stopped here. */
  async #lookElsewhere(): Promise<void> {
    const elsewhere = await this.#deps.stoppedElsewhere();
    if (elsewhere !== null) this.stop.blocks.learn(elsewhere);
  }

  #binding(authority: Authority): Binding {
    const { clock, config, report } = this.#deps;
    return {
      authority,
      mode: config.mode,
      nowMicros: clock.nowMicros(),
      refused: async (caller, detail, why) => {
        report('manifest.refused', `${caller.subject}: ${why}`);
        await this.chain.enter('manifest.refused', caller, detail);
      },
    };
  }

  #serving(): Promise<Serving> {
    const { config, ranks, clock } = this.#deps;
    return loadServing(config, ranks, { now: clock.nowMicros() / 1e6, before: this.#authority.approvals });
  }

  #path(): PathDeps {
    const { log, config, attestation, clock, timers, ranks, report } = this.#deps;
    const box = new SealedBox(randomBytes(32), randomBytes);
    // A state that waits longer than its call may wait would bring nothing back.
    const states = new RequestStates(box, clock, randomUUID, config.limits.inputTimeoutMs);
    return {
      log,
      sessions: this.sessions,
      exposures: this.exposures,
      states,
      parked: new ParkedCalls(states, randomUUID),
      waiting: new WaitingTasks(clock),
      tasks: new TaskHandles(box),
      claims: this.#claims,
      scopes: new Scopes(config.identity.scopes),
      clock,
      timers,
      config,
      recorder: this.#recorder,
      inspection: {
        how: composed(this.#deps.scans),
        turns: this.#deps.turns,
        classifier: this.#deps.classifier,
        quarantine: this.quarantine,
      },
      desk: this.desk,
      stop: this.stop,
      stopEntries: this.#stopEntries,
      ranks,
      platform: attestation.platform,
      trustLevel: attestation.trustLevel,
      event: (action, caller, detail) => this.chain.enter(action, caller, detail),
      report: (code, callId, detail) => report(code, `call ${callId}: ${detail}`),
    };
  }

  #unrecorded(error: unknown): void {
    this.#deps.report('AUDIT_UNAVAILABLE', String(error));
  }
}

/** What was read from disk and may be put in force. */
type Loaded = Serving & { policyKey: string | null };

function told({ policy, policyKey }: Authority, activated: boolean): Activation {
  return { activated, bundle_hash: policy.bundleHash, version: policy.version, policy_key: policyKey ?? 'none' };
}

function connect(
  deps: RuntimeDeps,
  { chain, changes, shadow, stop }: Pick<Beginning, 'chain' | 'changes' | 'shadow' | 'stop'>,
  { catalog, inspection, policy, policyKey, approvals, peers, manifests }: Omit<Loaded, 'bundle'>,
  base: Authority['base'],
): Authority {
  const { clock, config, report } = deps;
  const egress = egressOf(config, catalog);
  const live = new LiveCatalog(catalog, {
    clock,
    recheckMs: config.catalog.recheckMs,
    connect: reach(deps, chain, peers, egress),
    replicas: (server) =>
      deps.replicas(server, upstreamSettings(config, server, peers), {
        egress,
        enterIdentity: entering(deps, chain),
      }),
    onDrift: (drift) => {
      report('CATALOG_DRIFT', driftText(drift));
      stop.thresholds.drifted(drift.server);
      chain
        .enterAs('catalog_drift', driftDetail(drift, 'upstream', pinnedBy(catalog, drift)))
        .catch((error: unknown) => report('AUDIT_UNAVAILABLE', String(error)));
    },
    announced: (kind) => changes.announce(kind),
    onUnanswered: (server, error) => report('UPSTREAM_UNAVAILABLE', `${server.displayName}: ${String(error)}`),
  });
  return {
    ...{ catalog, inspection, policyKey, live, egress, approvals, manifests, base },
    policy: observed(policy, shadow.saw),
  };
}

/** The catalog that a drift is remembered for; an exception is remembered by none. */
function pinnedBy({ hash, servers }: Catalog, drift: KnownDrift): string {
  return servers.find(({ id }) => id === drift.server)?.exception === undefined ? hash : 'none';
}

function entering({ report }: RuntimeDeps, chain: GatewayChain): EnterIdentity {
  return (action, detail) => {
    chain.enter(action, null, detail).catch((error: unknown) => report('AUDIT_UNAVAILABLE', String(error)));
  };
}

/** How a server is connected to, and judged. */
function reach(
  deps: RuntimeDeps,
  chain: GatewayChain,
  peers: Peers,
  egress: Egress,
): (server: CatalogServer) => Upstream {
  const enterIdentity = entering(deps, chain);
  return (server) => {
    const settings = upstreamSettings(deps.config, server, peers);
    return vouched(deps, server, deps.connect(server, settings, { egress, enterIdentity }), enterIdentity);
  };
}

/** Where a server is to be vouched for, every outcome is entered, also that nobody does (W-30). */
function vouched(
  { clock, config, report }: RuntimeDeps,
  server: CatalogServer,
  upstream: Upstream,
  enter: EnterIdentity,
): Upstream {
  const floor = config.catalog.requiredKind;
  if (server.provenance === undefined && floor === null) return upstream;
  const judge = (tools: JsonObject[] | null): Promise<ProvenanceVerdict> =>
    judgeProvenance(server, tools, { floor, nowSeconds: Math.floor(clock.nowMicros() / 1_000_000) });
  return new VouchedUpstream(upstream, judge, (verdict) => {
    if (verdict.refusal !== null) report('server.refused', `${server.id}: ${verdict.refusal}`);
    enter('server.provenance', provenanceDetail(server, verdict));
  });
}

async function openChain(
  deps: RuntimeDeps,
  chain: GatewayChain,
  authority: Authority,
  { standing, recalled }: { standing: PolicyStanding; recalled: readonly KnownDrift[] },
): Promise<string> {
  const { config, log, attestation, freshness } = deps;
  const asked = freshness?.now();
  const prevClaimHash = await log.lastClaimHash();
  const opening = { exposure: 'public', previousSession: null, prevClaimHash, manifest: null };
  const { entryHash } = await log.openSession({
    sessionId: chain.sessionId,
    kind: 'gateway',
    subject: 'gateway',
    callerSource: 'gateway',
    exposureClass: 'public',
    detail: commitment(config, authority, attestation, opening),
  });
  if (asked !== undefined) freshness?.begun(chain.sessionId, asked);
  // Before the catalog's own entry: catalog/known-drift.ts reads back to that.
  for (const drift of recalled) {
    deps.report('CATALOG_DRIFT', `${driftText(drift)}, as before`);
    await chain.enterAs('catalog_drift', driftDetail(drift, 'recalled', authority.catalog.hash));
  }
  await enterAuthority(chain, authority, standing, builtInRules());
  return entryHash;
}

async function openRecorder(deps: RuntimeDeps, chain: GatewayChain): Promise<DecisionRecorder | null> {
  const { config, report, createRecordFile } = deps;
  if (config.recordDecisions === null) return null;
  return await DecisionRecorder.open(config.recordDecisions, {
    run: chain.sessionId,
    ...(createRecordFile && { createFile: createRecordFile }),
    report,
    enter: (action, detail) => chain.enter(action, null, detail),
  });
}

/** `before`: the inspection rules that were in force until now. */
async function enterAuthority(
  chain: GatewayChain,
  authority: Authority,
  standing: PolicyStanding,
  before: InspectionRules,
): Promise<void> {
  const { policy, policyKey, catalog, approvals, inspection } = authority;
  const { bundleHash: hash, version, request } = policy;
  const loaded = { bundle_hash: hash, version, policy_key: policyKey ?? 'none', request };
  const detail = { ...loaded, ...approvalEntry(approvals.policy) };
  await standing.activated({ hash, version }, (text) => chain.enterAs('policy_load', detail, text));
  const { form, tools } = catalog;
  const approval = approvalEntry(approvals.catalog);
  await chain.enterAs('catalog_load', { catalog_hash: catalog.hash, form, tools: tools.length, ...approval });
  const { hash: rules, version: rulesVersion, own } = inspection;
  if (rules === before.hash) return;
  await chain.enter('inspection.rules_load', null, { rules_hash: rules, rules_version: rulesVersion, own: own.length });
}

/** Ends an authority that no session is governed by any more. */
async function release({ live, policy }: Authority): Promise<void> {
  await live.close();
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

function reportApprovers({ config, report }: RuntimeDeps, { bundle }: Pick<Serving, 'bundle'>): void {
  for (const problem of unknownApprovers(bundle, config.approvals.approvers))
    report('approval.unknown_approver', problem);
}

/** The latest session of earlier runs of each whose exposure goes on, so that a successor names its predecessor. */
async function latestSessions(log: AuditLog): Promise<Map<string, string>> {
  const rows = (await log.sessions()).filter((row) => row.kind === 'session');
  rows.sort((a, b) => a.openedMicros - b.openedMicros);
  return new Map(rows.map((row) => [row.exposedAs, row.sessionId]));
}
