import type { Clock } from '../clock.ts';
import { type ErrorCode, GatewayError } from '../errors.ts';
import type { ChangeKind } from '../mcp/types.ts';
import type { ProvenanceVerdict } from '../upstream/provenance.ts';
import type { Upstream } from '../upstream/types.ts';
import { comparePin, type Pinned } from './drift.ts';
import type { Catalog, CatalogPrompt, CatalogServer, CatalogTool } from './types.ts';

/** How a live definition departed from the approved one. */
export interface Drift {
  kind: 'definition_changed' | 'withdrawn';
  classification: string;
}

export interface LiveCatalogDeps {
  clock: Clock;
  connect: (server: CatalogServer) => Upstream;
  /** Told once of each tool and prompt that drifted. */
  onDrift: (item: Pinned, drift: Drift) => void;
  /** Told once of each server whose instructions are no longer those that were approved. */
  onInstructionsDrift: (server: CatalogServer) => void;
  /** A server could not be compared when it was due: the next call compares again, or is refused. */
  onUnanswered: (server: CatalogServer, error: unknown) => void;
  /** A server announced a change of something approved, and what it changed is known by now (MCP26-30). */
  announced: (kind: ChangeKind) => void;
}

/** Definitions compared longer ago than this are compared again before the next call (defect D-22). */
const RECHECK_AFTER_MICROS = 10 * 60 * 1_000_000;
const COMPARE_ATTEMPTS = 3;
const UNKNOWN_OUTCOME: ReadonlySet<ErrorCode> = new Set(['UPSTREAM_TIMEOUT', 'OUTCOME_UNKNOWN']);
const LIST_TIMEOUT_MS = 30_000;

interface ServerState {
  server: CatalogServer;
  upstream: Upstream;
  tools: CatalogTool[];
  prompts: CatalogPrompt[];
  /** Kinds that the catalog approves something of: announcements of others change nothing that agents see. */
  kinds: ReadonlySet<ChangeKind>;
  /** Announced, and not passed on yet. */
  pending: Set<ChangeKind>;
  /** Raised by each change notice, so that a list read before it does not count as read after it. */
  epoch: number;
  /** When the definitions that were compared last were asked for. */
  comparedMicros: number | null;
  checking: Promise<void> | null;
}

/**
 * Holds the live servers to the approved catalog: tools, prompts and instructions. Resources are pinned by URI and digest
 * instead. What drifted stays refused for as long as this catalog is active: neither a closed session nor a server that
 * changes back clears it, only an approval does (defect W-17).
 */
export class LiveCatalog {
  readonly #servers = new Map<string, ServerState>();
  readonly #drifted = new Map<Pinned, Drift>();
  readonly #otherInstructions = new Set<string>();
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

  /** Compares every server now, so that drift is known before it is asked for. */
  contact(): void {
    for (const state of this.#servers.values()) this.#follow(state);
  }

  /**
   * The server, once it was compared recently; first contact, a change notice and age make it due. Rejects with the
   * upstream's error when the server does not answer: unanswered is not unchanged. That a list stayed out leaves the outcome of
   * no call unknown: nothing of one was sent yet.
   */
  async compared(server: CatalogServer): Promise<Upstream> {
    const state = this.#servers.get(server.id);
    if (state === undefined) throw new GatewayError('INTERNAL_ERROR', `server ${server.id} is not in the catalog`);
    try {
      await this.#refresh(state);
    } catch (error) {
      if (!(error instanceof GatewayError) || !UNKNOWN_OUTCOME.has(error.code)) throw error;
      throw new GatewayError('UPSTREAM_UNAVAILABLE', `${error.detail}; nothing was sent`, { cause: error });
    }
    return state.upstream;
  }

  /** Ends every server's process and connections. */
  async close(): Promise<void> {
    await Promise.all([...this.#servers.values()].map(({ upstream }) => upstream.close()));
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
    return comparedMicros !== null && this.#deps.clock.nowMicros() - comparedMicros < RECHECK_AFTER_MICROS;
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

  async #compare(state: ServerState): Promise<void> {
    const { epoch } = state;
    const askedMicros = this.#deps.clock.nowMicros();
    const outcomes = await Promise.allSettled([
      this.#compareList(state, 'tools'),
      this.#compareList(state, 'prompts'),
      this.#compareInstructions(state),
    ]);
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
    if (epoch !== state.epoch) return;
    state.comparedMicros = askedMicros;
    for (const kind of ['tools', 'prompts'] as const) this.#announce(state, kind);
  }

  async #compareList({ upstream, ...state }: ServerState, kind: 'tools' | 'prompts'): Promise<void> {
    if (!state.kinds.has(kind)) return;
    const listed = await upstream.list(kind, AbortSignal.timeout(LIST_TIMEOUT_MS));
    const live = new Map(listed.map(({ key, definition }) => [key, definition]));
    for (const item of state[kind]) {
      const found = comparePin(item, live.get(item.upstreamName));
      if (found.kind === 'same' || this.#drifted.has(item)) continue;
      const drift: Drift = { kind: found.kind, classification: found.classification };
      this.#drifted.set(item, drift);
      this.#deps.onDrift(item, drift);
    }
  }

  async #compareInstructions({ server, upstream }: ServerState): Promise<void> {
    if (server.instructions === null || this.#otherInstructions.has(server.id)) return;
    const live = await upstream.instructions(AbortSignal.timeout(LIST_TIMEOUT_MS));
    if (live === server.instructions) return;
    this.#otherInstructions.add(server.id);
    this.#deps.onInstructionsDrift(server);
  }
}

function stateOf(catalog: Catalog, server: CatalogServer, upstream: Upstream): ServerState {
  const own = (item: { server: CatalogServer }): boolean => item.server.id === server.id;
  const approved = {
    tools: catalog.tools.filter(own),
    resources: catalog.resources.filter(own),
    prompts: catalog.prompts.filter(own),
  };
  const kinds = (['tools', 'resources', 'prompts'] as const).filter((kind) => approved[kind].length > 0);
  const { tools, prompts } = approved;
  const nothing = { pending: new Set<ChangeKind>(), epoch: 0, comparedMicros: null, checking: null };
  return { server, upstream, tools, prompts, kinds: new Set(kinds), ...nothing };
}
