import type { Clock } from '../clock.ts';
import { type ErrorCode, GatewayError } from '../errors.ts';
import type { ChangeKind } from '../mcp/types.ts';
import type { ProvenanceVerdict } from '../upstream/provenance.ts';
import type { Upstream } from '../upstream/types.ts';
import { comparePin, type Pinned } from './drift.ts';
import type { KnownDrift } from './known-drift.ts';
import { type ServerState, stateOf } from './server-state.ts';
import type { Catalog, CatalogServer } from './types.ts';

/** How a live definition departed from the approved one. */
export interface Drift {
  kind: 'definition_changed' | 'withdrawn';
  classification: string;
}

export interface LiveCatalogDeps {
  clock: Clock;
  /** Definitions compared longer ago than this are compared again before the next call, and by {@link LiveCatalog.recheck}. */
  recheckMs: number;
  connect: (server: CatalogServer) => Upstream;
  /** Each machine of a server whose name leads to several, to be looked at and closed; none of another server. */
  replicas: (server: CatalogServer) => Promise<Upstream[]>;
  /** Told once of each tool and prompt that drifted, and of each server whose instructions did. */
  onDrift: (drift: KnownDrift) => void;
  /** A server could not be compared when it was due: the next call compares again, or is refused. */
  onUnanswered: (server: CatalogServer, error: unknown) => void;
  /** A server announced a change of something approved, and what it changed is known by now (MCP26-30). */
  announced: (kind: ChangeKind) => void;
}

const COMPARE_ATTEMPTS = 3;
const UNKNOWN_OUTCOME: ReadonlySet<ErrorCode> = new Set(['UPSTREAM_TIMEOUT', 'OUTCOME_UNKNOWN']);
const LIST_TIMEOUT_MS = 30_000;

/**
 * Holds the live servers to the approved catalog: tools, prompts and instructions. Resources are pinned by URI and digest
 * instead. What drifted stays refused for as long as this catalog is active: neither a closed session nor a server that
 * changes back clears it, only an approval does (defect W-17).
 */
export class LiveCatalog {
  readonly #servers = new Map<string, ServerState>();
  readonly #drifted = new Map<Pinned, Drift>();
  readonly #otherInstructions = new Set<string>();
  /** Connections to single machines, while they are looked at. */
  readonly #looking = new Set<Upstream>();
  readonly #deps: LiveCatalogDeps;

  /** Connects what the catalog names. Nothing is sent before {@link contact} or the first call. */
  constructor(catalog: Catalog, deps: LiveCatalogDeps) {
    this.#deps = deps;
    for (const server of catalog.servers) {
      const upstream = deps.connect(server);
      const state = stateOf(catalog, server, upstream);
      this.#servers.set(server.id, state);
      upstream.onChanged((kind) => this.#changed(state, kind));
    }
  }

  /** What is already known of a tool or prompt of this catalog, without any traffic. */
  drift(item: Pinned): Drift | null {
    return this.#drifted.get(item) ?? null;
  }

  /** What is known of who vouches for the server. */
  provenance(server: CatalogServer): ProvenanceVerdict | null {
    return this.#servers.get(server.id)?.upstream.provenance ?? null;
  }

  /** Whether the server is known to state other instructions than the approved ones, which then count as withdrawn (MCP26-21). */
  instructionsDrifted(server: CatalogServer): boolean {
    return this.#otherInstructions.has(server.id);
  }

  /** Everything that drifted, to be remembered where this catalog is active again. */
  known(): KnownDrift[] {
    const items = [...this.#drifted].map(([item, drift]) => knownDrift(item, drift));
    const servers = [...this.#otherInstructions].map((server): KnownDrift => ({ server, of: 'instructions' }));
    return [...items, ...servers];
  }

  /** What drifted while this catalog was active before: it stays refused whatever its server says now (defect W-17). */
  remember(known: readonly KnownDrift[]): void {
    for (const drift of known) {
      const state = this.#servers.get(drift.server);
      if (state === undefined) continue;
      if (drift.of === 'instructions') this.#otherInstructions.add(drift.server);
      else {
        const item = (drift.of === 'tool' ? state.tools : state.prompts).find(({ name }) => name === drift.name);
        if (item !== undefined) this.#drifted.set(item, { kind: drift.kind, classification: drift.classification });
      }
    }
  }

  /** Compares every server now, so that drift is known before it is asked for. */
  contact(): void {
    for (const state of this.#servers.values()) this.#follow(state);
  }

  /** The same when time is up: a server that does not answer now has to before its next call (defect D-22). */
  recheck(): void {
    for (const state of this.#servers.values()) {
      state.comparedMicros = null;
      state.thorough = true;
      this.#follow(state);
    }
  }

  /**
   * The server, once it was compared recently; first contact, a change notice and age make it due. Rejects with the
   * upstream's error when the server does not answer: unanswered is not unchanged. That a list stayed out leaves the outcome of
   * no call unknown: nothing of one was sent yet. `anew`: only a comparison that begins from now on will do.
   */
  async compared(server: CatalogServer, anew: boolean): Promise<Upstream> {
    const state = this.#servers.get(server.id);
    if (state === undefined) throw new GatewayError('INTERNAL_ERROR', `server ${server.id} is not in the catalog`);
    try {
      if (anew) await this.#checkAnew(state);
      await this.#refresh(state);
    } catch (error) {
      if (!(error instanceof GatewayError) || !UNKNOWN_OUTCOME.has(error.code)) throw error;
      throw new GatewayError('UPSTREAM_UNAVAILABLE', `${error.detail}; nothing was sent`, { cause: error });
    }
    return state.upstream;
  }

  /** Ends every server's process and connections. */
  async close(): Promise<void> {
    const upstreams = [...this.#servers.values()].map(({ upstream }) => upstream);
    await Promise.all([...upstreams, ...this.#looking].map((upstream) => upstream.close()));
  }

  /** The server says that a list changed: what was compared, or is being compared, no longer counts. */
  #changed(state: ServerState, kind: ChangeKind): void {
    if (state.kinds.has(kind)) state.pending.add(kind);
    if (kind === 'resources') {
      // In a later turn: a flood in one turn is one announcement. There is nothing to compare.
      queueMicrotask(() => this.#announce(state, kind));
      return;
    }
    state.epoch += 1;
    state.comparedMicros = null;
    this.#follow(state);
  }

  #announce(state: ServerState, kind: ChangeKind): void {
    if (state.pending.delete(kind)) this.#deps.announced(kind);
  }

  #follow(state: ServerState): void {
    this.#refresh(state).catch((error: unknown) => this.#deps.onUnanswered(state.server, error));
  }

  async #refresh(state: ServerState): Promise<void> {
    for (let attempt = 0; !this.#isFresh(state); attempt += 1) {
      if (attempt === COMPARE_ATTEMPTS) throw new GatewayError('UPSTREAM_UNAVAILABLE', 'the lists keep changing');
      await this.#check(state);
    }
  }

  #isFresh({ comparedMicros }: ServerState): boolean {
    return comparedMicros !== null && this.#deps.clock.nowMicros() - comparedMicros < this.#deps.recheckMs * 1000;
  }

  #check(state: ServerState): Promise<void> {
    // In a later turn: a server that says "changed" while it is asked finds this check under way, and starts no other.
    state.checking ??= Promise.resolve()
      .then(() => this.#compare(state))
      .finally(() => {
        state.checking = null;
      });
    return state.checking;
  }

  /** One comparison for all who ask while another is under way: that one may have read its lists before they asked. */
  #checkAnew(state: ServerState): Promise<void> {
    state.next ??= Promise.allSettled([state.checking]).then(() => {
      state.next = null;
      return this.#check(state);
    });
    return state.next;
  }

  async #compare(state: ServerState): Promise<void> {
    const { epoch, thorough } = state;
    const askedMicros = this.#deps.clock.nowMicros();
    const looks = [this.#look(state, state.upstream)];
    if (thorough) looks.push(this.#lookAtReplicas(state));
    for (const outcome of await Promise.allSettled(looks)) if (outcome.status === 'rejected') throw outcome.reason;
    if (epoch !== state.epoch) return;
    if (thorough) state.thorough = false;
    state.comparedMicros = askedMicros;
    for (const kind of ['tools', 'prompts'] as const) this.#announce(state, kind);
  }

  async #look(state: ServerState, upstream: Upstream): Promise<void> {
    const outcomes = await Promise.allSettled([
      this.#compareList(state, upstream, 'tools'),
      this.#compareList(state, upstream, 'prompts'),
      this.#compareInstructions(state, upstream),
    ]);
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
  }

  /** ERA-05: any of them may be the one that takes a call. One that cannot be reached takes none. */
  async #lookAtReplicas(state: ServerState): Promise<void> {
    const replicas = await this.#deps.replicas(state.server);
    for (const replica of replicas) this.#looking.add(replica);
    const outcomes = await Promise.allSettled(replicas.map((replica) => this.#look(state, replica)));
    await Promise.allSettled(replicas.map((replica) => replica.close()));
    for (const replica of replicas) this.#looking.delete(replica);
    for (const outcome of outcomes) {
      if (outcome.status === 'fulfilled') continue;
      if (!(outcome.reason instanceof GatewayError) || outcome.reason.code !== 'UPSTREAM_UNAVAILABLE')
        throw outcome.reason;
    }
  }

  async #compareList(state: ServerState, upstream: Upstream, kind: 'tools' | 'prompts'): Promise<void> {
    if (!state.kinds.has(kind)) return;
    const listed = await upstream.list(kind, AbortSignal.timeout(LIST_TIMEOUT_MS));
    const live = new Map(listed.map(({ key, definition }) => [key, definition]));
    for (const item of state[kind]) {
      const found = comparePin(item, live.get(item.upstreamName));
      if (found.kind === 'same' || this.#drifted.has(item)) continue;
      const drift: Drift = { kind: found.kind, classification: found.classification };
      this.#drifted.set(item, drift);
      this.#deps.onDrift(knownDrift(item, drift));
    }
  }

  async #compareInstructions({ server }: ServerState, upstream: Upstream): Promise<void> {
    if (server.instructions === null || this.#otherInstructions.has(server.id)) return;
    const live = await upstream.instructions(AbortSignal.timeout(LIST_TIMEOUT_MS));
    if (live === server.instructions) return;
    this.#otherInstructions.add(server.id);
    this.#deps.onDrift({ server: server.id, of: 'instructions' });
  }
}

function knownDrift(item: Pinned, drift: Drift): KnownDrift {
  return { server: item.server.id, of: 'inputSchema' in item ? 'tool' : 'prompt', name: item.name, ...drift };
}
