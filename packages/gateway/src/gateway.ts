import { randomBytes, randomUUID } from 'node:crypto';
import { lookup as resolveName } from 'node:dns';
import type { LookupFunction } from 'node:net';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { jwkThumbprint } from '@cmcp/evidence';
import { Attestor } from './attestation/attestor.ts';
import type { Platforms } from './attestation/choose.ts';
import { liveAttestation } from './attestation/live.ts';
import { type CodeMeasurement, type Launch, measureCode } from './attestation/measurement/code.ts';
import { approvedHashes } from './attestation/measurement/configured.ts';
import { type GatewayMeasurement, measureGateway } from './attestation/measurement/gateway-measurement.ts';
import { ownCode } from './attestation/measurement/program.ts';
import { checkLaunch, openPlatform, type Platform } from './attestation/platform.ts';
import { guardProcess } from './attestation/process-guards/guard.ts';
import { ownProcess, type ProcessFacts } from './attestation/process-guards/process-facts.ts';
import { publishKey, rememberKey } from './attestation/publish-key.ts';
import { type GuardedLog, openGuardedLog } from './attestation/store-guard.ts';
import { systemPlatforms } from './attestation/system-platforms.ts';
import { openTpm } from './attestation/tpm/tpm.ts';
import type { Attestation } from './attestation/types.ts';
import type { Attest } from './audit/evidence.ts';
import type { AuditLogOptions } from './audit/in-process.ts';
import { writeClaimFile } from './audit/session-files.ts';
import { mergeExposures, siblingExposures } from './audit/stores/sibling-exposures.ts';
import { siblingStandings } from './audit/stores/sibling-standings.ts';
import { STDIO_FOLDER } from './audit/stores/sibling-stores.ts';
import { WatchedStandings } from './audit/stores/watched-standings.ts';
import type { AuditLog } from './audit/types.ts';
import { openAuditLog } from './audit/worker-log.ts';
import { type Clock, systemClock } from './clock.ts';
import type { Environment } from './config/environment.ts';
import { knownKeysFile } from './config/known-keys.ts';
import type { Config } from './config/types.ts';
import { egressFor } from './egress.ts';
import { GatewayError } from './errors.ts';
import { ApprovalCallback } from './escalation/callback/callback.ts';
import { readWebhookSecret } from './escalation/callback/signature.ts';
import { approvalOperations, approversOf } from './escalation/operations.ts';
import { IdentityChain } from './identity/chain.ts';
import { KnownAgents } from './identity/known-agents.ts';
import { openOperatorIssuer } from './identity/oauth/open.ts';
import { type Identities, type IdentityDeps, openIdentity } from './identity/open.ts';
import type { IdentitySource } from './identity/types.ts';
import { createHttpIngress, type HttpIngress, type Patience } from './ingress/http.ts';
import { serveStdio } from './ingress/stdio.ts';
import { ListenerTls } from './ingress/tls.ts';
import { type Classifier, httpClassifier } from './inspection/classifier/classifier.ts';
import { systemTurns, type Turns } from './inspection/turns.ts';
import type { Scan } from './inspection/types.ts';
import { type Approved, loadServing, type Serving } from './load-authority.ts';
import { SERVER_INFO } from './mcp/server-info.ts';
import type { OperatorDeps } from './operator/api.ts';
import { recogniser } from './operator/credentials.ts';
import { OperatorEvents } from './operator/events.ts';
import { OperatorListener, type OperatorListenerDeps } from './operator/listener.ts';
import { operatorRoutes } from './operator/routes.ts';
import { type Ranks, sensitivityRanks } from './policy/sensitivity.ts';
import { standingElsewhere } from './policy/standing.ts';
import type { Mode } from './policy/types.ts';
import type { Activation } from './policy-operations.ts';
import { createRuntime, type Runtime, type RuntimeDeps } from './runtime.ts';
import { Freshness, type Monotonic } from './session/freshness.ts';
import { resetExposure } from './session/reset.ts';
import { systemTimers, type Timers } from './timers.ts';
import { HttpEndpoint } from './upstream/http-endpoint.ts';
import { pinnedPeer } from './upstream/pinned-peer.ts';
import { publicOnly } from './upstream/public-address.ts';
import { replicaLookups } from './upstream/replicas.ts';
import { createUpstream } from './upstream/upstream.ts';

/** What a gateway is built with besides its config. A test replaces what it wants to control. */
export interface GatewayDeps {
  environment: Environment;
  /** For operators: an event's name and what happened, never payloads. */
  report: (event: string, detail: string) => void;
  clock?: Clock;
  timers?: Timers;
  /** Milliseconds since an arbitrary moment. */
  monotonic?: Monotonic;
  /** What may vouch for this machine. */
  platforms?: Platforms;
  /** This process, as its guards see it. */
  process?: ProcessFacts;
  /** Measures the code that this process can load. */
  measureCode?: (launch: Launch) => CodeMeasurement;
  openLog?: (options: AuditLogOptions, attest: Attest | null) => Promise<AuditLog>;
  /** Finds the addresses of a server's name. */
  lookup?: LookupFunction;
  /** Makes the file that decisions are recorded in. */
  createRecordFile?: RuntimeDeps['createRecordFile'];
  /** Scans of answers, besides those of the rules. */
  scans?: readonly Scan[];
  /** How long inspection takes, and how others get their turn. */
  turns?: Turns;
  /** How long clients may take to send. */
  patience?: Patience;
  /** Kinds of credentials besides the configured ones, and asked before them. */
  identity?: readonly IdentitySource[];
}

/** What a started gateway tells the person who started it. */
export interface StartedGateway {
  /** `http://host:port/mcp`, with TLS `https://…`; null over stdio. */
  url: string | null;
  /** Path of the operator interface's Unix socket; null over stdio. */
  operatorSocket: string | null;
  /** `https://host:port` of the operator interface; null: on the socket alone. */
  operatorUrl: string | null;
  mode: Mode;
  /** What vouches for the machine, as claims name it, such as `tpm2`. */
  platform: string;
  trustLevel: string;
  policyHash: string;
  catalogHash: string;
  /** Raw Ed25519 public key of this process's claims, base64url. */
  publicKey: string;
  /** The same as a JWK file, for `cmcp verify --key`. */
  keyFile: string;
  /** Where session files are stored. */
  sessionsFolder: string;
  /** Id of the gateway's own chain. */
  gatewaySession: string;
}

interface Running {
  dataDir: string;
  platform: Platform;
  log: AuditLog;
  runtime: Runtime;
  tls: ListenerTls | null;
  agents: KnownAgents;
  identities: Identities | null;
  http: HttpIngress | null;
  operators: OperatorListener | null;
  operatorTls: ListenerTls | null;
}

/** What a log is opened with, besides its folder. */
interface Opening {
  ranks: Ranks;
  /** null: no platform gives evidence. */
  attest: Attest | null;
}

type OpenStore = (opening: Opening) => Promise<OpenedStore>;

interface OpenedStore extends GuardedLog {
  dataDir: string;
}

/** How many stdio gateways may run from one data folder, each with a store of its own (contracts section 2). */
const STDIO_STORES = 64;

/** The composition root: builds every room from a config, starts and stops them. */
export class Gateway {
  readonly #config: Config;
  readonly #deps: GatewayDeps;
  readonly #events = new OperatorEvents(randomUUID());
  readonly #ending = new AbortController();
  #booting: Promise<Running> | null = null;
  #running: Running | null = null;
  #stopping: Promise<void> | null = null;

  constructor(config: Config, deps: GatewayDeps) {
    this.#config = config;
    this.#deps = deps;
  }

  /** Serves HTTP and the operator interface. Rejects, with nothing left running, when anything is not as configured. */
  async start(): Promise<StartedGateway> {
    const running = await this.#boot((opening) => this.#openLog(this.#config.dataDir, opening), this.#config.tls);
    const { tls } = running;
    try {
      running.identities = await this.#openIdentity(running);
      running.operatorTls = await this.#operatorTls();
      const agents = [...(this.#deps.identity ?? []), ...running.identities.sources];
      const issuer = await openOperatorIssuer(this.#config, this.#identityDeps);
      running.operators = this.#operatorListener(running, agents, issuer);
      const operated = await running.operators.listen();
      running.http = this.#httpIngress(running, agents, running.identities.metadata);
      const { host, port } = await running.http.listen();
      const authority = `${host.includes(':') ? `[${host}]` : host}:${port}`;
      return await this.#announce(running, `${tls === null ? 'http' : 'https'}://${authority}/mcp`, operated);
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  /** Serves one client over stdio until its input ends, then stops. `announce` is told before the first message. */
  async serveStdio(input: Readable, output: Writable, announce: (started: StartedGateway) => void): Promise<void> {
    const subject = this.#config.stdioSubject;
    if (subject === null) {
      throw new GatewayError('CREDENTIAL_REQUIRED', `name the one caller as \`stdio.subject\` in ${this.#config.file}`);
    }
    const running = await this.#boot((opening) => this.#openStdioLog(opening), null);
    try {
      announce(await this.#announce(running, null, null));
      await serveStdio({
        input,
        output,
        caller: { subject, source: 'stdio' },
        gateway: running.runtime.governed,
        limits: this.#config.limits,
        onFault: (error) => this.#report('INTERNAL_ERROR', String(error)),
        signal: this.#ending.signal,
      });
    } finally {
      await this.stop();
    }
  }

  /**
   * Activates what TLS files, the file of agents, bundle and catalog now hold on disk. A set that does not load, or is not the pinned one,
   * changes nothing. Each live session closes and its successor opens under the new authority (contracts section 1).
   */
  async reload(): Promise<Activation> {
    if (this.#running === null) throw new GatewayError('SHUTTING_DOWN', 'the gateway is not running');
    const { tls, operatorTls, identities, agents, runtime } = this.#running;
    await tls?.reload();
    await operatorTls?.reload();
    await identities?.reload();
    await agents.reload();
    return runtime.activate();
  }

  /** Closes every session with a claim, every child and socket, and releases the store. Idempotent. */
  stop(): Promise<void> {
    this.#ending.abort();
    this.#stopping ??= this.#shutDown();
    return this.#stopping;
  }

  async #shutDown(): Promise<void> {
    // A signal may come while the store is being opened: what was begun is ended like anything else.
    if (this.#running === null) await Promise.allSettled([this.#booting]);
    const running = this.#running;
    if (running === null) return;
    this.#running = null;
    running.tls?.close();
    running.operatorTls?.close();
    // Calls that wait for somebody would otherwise be waited for.
    running.runtime.desk.end();
    running.agents.close();
    await running.http?.close();
    running.identities?.close();
    await running.operators?.close();
    try {
      await running.runtime.close();
    } finally {
      await running.log.close();
      await running.platform.provider?.close();
    }
  }

  async #boot(open: OpenStore, tls: Config['tls']): Promise<Running> {
    // In this turn: whoever stops the gateway from now on waits for what was begun, and ends it.
    this.#booting = this.#withTls(tls, (listener) => this.#begin(open, listener));
    const running = await this.#booting;
    if (this.#stopping !== null) throw new GatewayError('SHUTTING_DOWN', 'the gateway was stopped while it started');
    return running;
  }

  /** Everything but the listeners. Bundle and catalog are read before the store is opened: a bad one leaves no trace. */
  async #begin(open: OpenStore, tls: ListenerTls | null): Promise<Running> {
    const facts = this.#deps.process ?? ownProcess(this.#deps.environment.variables);
    if (!this.#config.dev) for (const warning of await guardProcess(facts)) this.#report('process', warning);
    const ranks = sensitivityRanks(this.#config.vocabulary);
    const approved = await loadServing(this.#config, ranks, { now: this.#clock.nowMicros() / 1e6, before: null });
    const measurement = this.#measure(facts, approved);
    const platform = await this.#openPlatform();
    try {
      await checkLaunch(this.#config, platform.provider, measurement.digest);
      const { attestation: settings } = this.#config;
      const attest = platform.provider && new Attestor(platform.provider, this.#clock, settings.validityMs).attest;
      const { dataDir, log, rollbackProtection } = await open({ ranks, attest });
      const attestation = this.#attestation(platform, tls, measurement.digest, rollbackProtection);
      const opened = { dataDir, log, platform, tls, components: measurement.components };
      this.#running = await this.#run(opened, attestation, approved, ranks);
      return this.#running;
    } catch (error) {
      await platform.provider?.close();
      throw error;
    }
  }

  async #run(
    {
      components,
      ...opened
    }: Pick<Running, 'dataDir' | 'log' | 'platform' | 'tls'> & Pick<GatewayMeasurement, 'components'>,
    attestation: Attestation,
    approved: Serving,
    ranks: Ranks,
  ): Promise<Running> {
    const { dataDir, log, platform, tls } = opened;
    const clock = this.#clock;
    const agents = this.#knownAgents();
    const config = committed(this.#config, agents);
    const monotonic = this.#monotonic;
    try {
      await platform.provider?.recordGateway?.(components, jwkThumbprint(log.publicKey));
      const elsewhere = await siblingExposures(config.dataDir, dataDir);
      const standings = (await siblingStandings(config.dataDir, dataDir, 'policy')).map(standingElsewhere);
      const stopped = new WatchedStandings(config.dataDir, dataDir, 'blocks');
      const runtime = await createRuntime(
        {
          config,
          ranks,
          clock,
          monotonic,
          timers: this.#deps.timers ?? systemTimers,
          attestation,
          freshness: platform.provider && new Freshness(clock, monotonic, config.attestation.validityMs),
          log,
          exposures: mergeExposures(await log.exposures(), elsewhere),
          standings,
          stoppedElsewhere: () => stopped.look(),
          scans: this.#deps.scans ?? [],
          classifier: this.#classifier(ranks),
          turns: this.#deps.turns ?? systemTurns,
          soon: setImmediate,
          writeClaim: (file) => writeClaimFile(dataDir, file),
          connect: (server, settings, around) => this.#connect(server, settings, around, this.#lookup),
          replicas: async (server, settings, around) => {
            const lookups = await replicaLookups(server, this.#lookup);
            return lookups.map((lookup) => this.#connect(server, settings, around, lookup));
          },
          ...(this.#deps.createRecordFile && { createRecordFile: this.#deps.createRecordFile }),
          report: (event, detail) => this.#report(event, detail),
          publish: (event) => this.#events.publish(event),
          callback: await this.#callback(),
          entered: (action, by, detail) => this.#events.publish({ event: action, operator: by.subject, ...detail }),
        },
        approved,
      );
      tls?.onNewKey(() => void this.#recommit(() => runtime.tlsKeyChanged()));
      agents.onChange((hash) => {
        // Nobody shows a credential again on a stream that is open, and theirs may be gone.
        this.#running?.http?.endStreams();
        void this.#recommit(() => runtime.agentsChanged(hash));
      });
      return { ...opened, agents, runtime, identities: null, http: null, operators: null, operatorTls: null };
    } catch (error) {
      agents.close();
      await log.close();
      throw error;
    }
  }

  #classifier(ranks: Ranks): Classifier | null {
    const { inspection, egress } = this.#config;
    const { classifier } = inspection;
    if (classifier === null) return null;
    const allowed = egressFor([], [], egress.allow, [classifier.url]);
    const peer = pinnedPeer({ tlsFingerprint: null }, { authorities: null, client: null }, allowed, () => {});
    const timers = this.#deps.timers ?? systemTimers;
    return httpClassifier(classifier, peer, { timers, lookup: this.#lookup, isLabel: (label) => ranks.has(label) });
  }

  /** Made for the desk that the runtime builds; null: there is none. */
  async #callback(): Promise<RuntimeDeps['callback']> {
    const { approvals, egress } = this.#config;
    const { callback, approvers } = approvals;
    if (callback === null) return null;
    const secret = await readWebhookSecret(callback.secretFile);
    const allowed = egressFor([], [], egress.allow, [callback.url]);
    const peer = pinnedPeer({ tlsFingerprint: null }, { authorities: null, client: null }, allowed, () => {});
    const endpoint = new HttpEndpoint(callback.url, () => ({}), peer, { lookup: this.#lookup, connections: 16 });
    return (desk) =>
      new ApprovalCallback({
        ...{ settings: callback, secret, endpoint, desk, clock: this.#clock, newId: randomUUID },
        approversOf: (name) => approversOf(approvers, name),
        timers: this.#deps.timers ?? systemTimers,
        report: (event, detail) => this.#report(event, detail),
      });
  }

  async #withTls(tls: Config['tls'], begin: (listener: ListenerTls | null) => Promise<Running>): Promise<Running> {
    if (tls === null) return begin(null);
    const report = (event: string, detail: string): void => this.#report(event, detail);
    const timers = this.#deps.timers ?? systemTimers;
    const listener = await ListenerTls.open({ ...this.#config, tls }, { clock: this.#clock, timers, report });
    try {
      return await begin(listener);
    } catch (error) {
      listener.close();
      throw error;
    }
  }

  async #operatorTls(): Promise<ListenerTls | null> {
    const { listener } = this.#config.operator;
    if (listener === null) return null;
    const timers = this.#deps.timers ?? systemTimers;
    const report = (event: string, detail: string): void => this.#report(`operator.${event}`, detail);
    return ListenerTls.open(listener, { clock: this.#clock, timers, report, clients: 'operators' });
  }

  async #recommit(change: () => Promise<void>): Promise<void> {
    try {
      await change();
    } catch (error) {
      this.#report('AUDIT_UNAVAILABLE', String(error));
    }
  }

  async #openPlatform(): Promise<Platform> {
    const platform = await openPlatform(this.#config, {
      platforms: this.#deps.platforms ?? systemPlatforms(this.#config, (detail) => this.#report('attestation', detail)),
      nowMicros: () => this.#clock.nowMicros(),
      randomBytes: (length) => new Uint8Array(randomBytes(length)),
    });
    this.#report('attestation.chosen', platform.why);
    return platform;
  }

  #measure(launch: Launch, loaded: Approved): GatewayMeasurement {
    const measured = this.#deps.measureCode ?? ((started: Launch) => measureCode(ownCode(started)));
    const approved = approvedHashes(this.#config, loaded);
    return measureGateway({ code: measured(launch), config: this.#config, approved });
  }

  #attestation(
    { platform, trustLevel }: Platform,
    tls: ListenerTls | null,
    gatewayMeasurement: string,
    rollbackProtection: Attestation['rollbackProtection'],
  ): Attestation {
    return {
      platform,
      trustLevel,
      launchLevel: this.#config.attestation.launch,
      gatewayMeasurement,
      // Asked anew for each session: the key of the listener may be replaced.
      get tlsSpki() {
        return tls?.spki ?? 'none';
      },
      rollbackProtection,
    };
  }

  #connect(
    ...[server, settings, around, lookup]: [...Parameters<RuntimeDeps['connect']>, LookupFunction]
  ): ReturnType<RuntimeDeps['connect']> {
    return createUpstream(
      server,
      settings,
      (event) => this.#report(`server.${event.event}`, `${event.server}: ${event.detail}`),
      {
        baseEnv: this.#deps.environment.variables,
        ...around,
        lookup: server.exception?.publicOnly === true ? publicOnly(lookup) : lookup,
      },
    );
  }

  async #openLog(dataDir: string, { ranks, attest }: Opening): Promise<OpenedStore> {
    const open = this.#deps.openLog ?? openAuditLog;
    const { seal, rollbackCounter, address } = this.#config.attestation.tpm;
    const timers = this.#deps.timers ?? systemTimers;
    const report = (event: string, detail: string): void => this.#report(event, detail);
    const guard = { dataDir, seal, rollbackCounter, tpm: openTpm(address), timers, report };
    const options = { dataDir, ranks, gatewayVersion: SERVER_INFO.version };
    const guarded = await openGuardedLog(guard, (storeKey) =>
      open(storeKey === null ? options : { ...options, storeKey }, attest),
    );
    return { dataDir, ...guarded };
  }

  /** The first stdio store that no other gateway holds. */
  async #openStdioLog(opening: Opening): Promise<OpenedStore> {
    for (let slot = 0; slot < STDIO_STORES; slot += 1) {
      try {
        return await this.#openLog(join(this.#config.dataDir, STDIO_FOLDER, String(slot)), opening);
      } catch (error) {
        if (!(error instanceof GatewayError) || error.code !== 'STORE_IN_USE') throw error;
      }
    }
    throw new GatewayError('STORE_IN_USE', `${STDIO_STORES} stdio gateways already run from ${this.#config.dataDir}`);
  }

  #knownAgents(): KnownAgents {
    const report = (event: string, detail: string): void => this.#report(event, detail);
    return new KnownAgents(this.#config, { timers: this.#deps.timers ?? systemTimers, report });
  }

  #openIdentity({ agents, runtime }: Running): Promise<Identities> {
    return openIdentity(this.#config, agents, this.#identityDeps, (domain, hash) => {
      // Whose word is taken changes while sessions are open, so it is no part of what they commit to.
      const detail = { trust_domain: domain, bundle_hash: hash ?? 'none' };
      this.#running?.http?.endStreams();
      void this.#recommit(() => runtime.chain.enter('identity.trust_bundle', null, detail));
    });
  }

  #httpIngress(
    { runtime, log, platform: { provider }, tls }: Running,
    agents: readonly IdentitySource[],
    metadata: Identities['metadata'],
  ): HttpIngress {
    const { listen, allowedHosts, allowedOrigins, limits, sessions } = this.#config;
    const clock = this.#clock;
    return createHttpIngress({
      listen,
      allowedHosts,
      allowedOrigins,
      limits,
      sessions,
      agents,
      metadata,
      gateway: runtime.governed,
      tls,
      attest: liveAttestation({ provider, log, clock, self: () => runtime.statement }),
      onFault: (error) => this.#report('INTERNAL_ERROR', String(error)),
      clock,
      timers: this.#deps.timers ?? systemTimers,
      ...(this.#deps.patience && { patience: this.#deps.patience }),
    });
  }

  #operatorListener(
    { runtime, log, platform: { trustLevel }, operatorTls }: Running,
    agents: readonly IdentitySource[],
    issuer: IdentitySource | null,
  ): OperatorListener {
    const { operator } = this.#config;
    const enter: OperatorListenerDeps['enter'] = (action, by, detail) => runtime.chain.enter(action, by, detail);
    const reset: OperatorDeps['reset'] = (sessionId, exposed, by, reason) =>
      resetExposure(log, runtime.exposures, sessionId, exposed, by.subject, reason);
    return new OperatorListener({
      enter,
      countUnknown: () => runtime.chain.count('operator_unauthenticated'),
      socket: operator.socket,
      network: operator.listener && operatorTls && { ...operator.listener, tls: operatorTls },
      clock: this.#clock,
      timers: this.#deps.timers ?? systemTimers,
      monotonic: this.#monotonic,
      operators: recogniser(operator, issuer, this.#clock),
      agents: new IdentityChain(agents),
      report: (error) => this.#events.publish({ event: 'operator.error', detail: String(error) }),
      routes: operatorRoutes({
        own: { events: this.#events, ready: () => this.#running !== null && log.failure === null, trustLevel },
        sessions: { log, reset, enter, sessions: runtime.sessions, gatewaySession: runtime.chain.sessionId },
        policy: runtime.policy,
        exceptions: runtime.exceptions,
        quarantine: runtime.quarantine,
        approvals: approvalOperations({ ...runtime, approvers: this.#config.approvals.approvers }),
        callback: runtime.callback,
        stop: runtime.stopping,
      }),
    });
  }

  async #announce(running: Running, url: string | null, operated: string | null): Promise<StartedGateway> {
    const { log, runtime, dataDir, platform } = running;
    const keyFile = await publishKey(join(dataDir, 'keys'), log.publicKey);
    const known = knownKeysFile(this.#deps.environment.variables);
    if (this.#config.dev && known !== null) await rememberKey(known, log.publicKey, new Date().toISOString());
    const { policy, catalog } = runtime.authority;
    return {
      url,
      operatorSocket: running.operators === null ? null : this.#config.operator.socket,
      operatorUrl: operated === null ? null : `https://${operated}`,
      mode: this.#config.mode,
      platform: platform.platform,
      trustLevel: platform.trustLevel,
      policyHash: policy.bundleHash,
      catalogHash: catalog.hash,
      publicKey: log.publicKey,
      keyFile,
      sessionsFolder: join(dataDir, 'sessions'),
      gatewaySession: runtime.chain.sessionId,
    };
  }

  #report(event: string, detail: string): void {
    this.#events.publish({ event, detail });
    this.#deps.report(event, detail);
  }

  get #lookup(): LookupFunction {
    return this.#deps.lookup ?? resolveName;
  }

  get #identityDeps(): IdentityDeps {
    return {
      clock: this.#clock,
      timers: this.#deps.timers ?? systemTimers,
      monotonic: this.#monotonic,
      lookup: this.#lookup,
      report: (event, detail) => this.#report(event, detail),
    };
  }

  get #monotonic(): Monotonic {
    return this.#deps.monotonic ?? (() => performance.now());
  }

  get #clock(): Clock {
    return this.#deps.clock ?? systemClock;
  }
}

/** The configuration as sessions commit to it: with the agents of now. */
function committed(config: Config, agents: KnownAgents): Config {
  return {
    ...config,
    get agentsHash() {
      return agents.hash;
    },
  };
}
