import type { Clock } from '../clock.ts';
import { GatewayError } from '../errors.ts';
import type { LiveTool, Upstream } from '../upstream/types.ts';
import { comparePin } from './drift.ts';
import type { Catalog, CatalogTool } from './types.ts';

/** How a live definition departed from the approved one. */
export interface Drift {
  kind: 'definition_changed' | 'withdrawn';
  classification: string;
}

/** Definitions compared longer ago than this are compared again before the next call (defect D-22). */
const RECHECK_AFTER_MICROS = 10 * 60 * 1_000_000;
const COMPARE_ATTEMPTS = 3;
const LIST_TIMEOUT_MS = 30_000;

interface ServerState {
  upstream: Upstream;
  tools: CatalogTool[];
  /** Raised by each change notice, so that a list read before it does not count as read after it. */
  epoch: number;
  comparedMicros: number | null;
  checking: Promise<void> | null;
}

/**
 * Holds the live servers to the approved catalog. A drifted tool stays refused for as long as this catalog is active:
 * neither a closed session nor a server that changes back clears it, only an approval does (defect W-17).
 */
export class LiveCatalog {
  readonly #servers = new Map<string, ServerState>();
  readonly #drifted = new Map<string, Drift>();
  readonly #clock: Clock;
  readonly #onDrift: (tool: CatalogTool, drift: Drift) => void;

  constructor(
    catalog: Catalog,
    upstreams: ReadonlyMap<string, Upstream>,
    clock: Clock,
    onDrift: (tool: CatalogTool, drift: Drift) => void,
  ) {
    this.#clock = clock;
    this.#onDrift = onDrift;
    for (const [id, upstream] of upstreams) {
      const tools = catalog.tools.filter((tool) => tool.server.id === id);
      this.#servers.set(id, { upstream, tools, epoch: 0, comparedMicros: null, checking: null });
    }
  }

  /** What is already known of a tool, without any traffic. */
  drift(tool: CatalogTool): Drift | null {
    return this.#drifted.get(tool.name) ?? null;
  }

  /**
   * Makes sure that the tool's server was compared recently; first contact, a change notice and age make it due.
   * Rejects with the upstream's error when the server does not answer: unanswered is not unchanged.
   */
  async ensureCompared(tool: CatalogTool): Promise<void> {
    const state = this.#servers.get(tool.server.id);
    if (state === undefined)
      throw new GatewayError('UPSTREAM_UNAVAILABLE', `server ${tool.server.id} is not connected`);
    for (let attempt = 0; attempt < COMPARE_ATTEMPTS; attempt += 1) {
      if (this.#isFresh(state)) return;
      await this.#check(state);
    }
    if (!this.#isFresh(state)) throw new GatewayError('UPSTREAM_UNAVAILABLE', 'the tool list keeps changing');
  }

  /** Compares a server's definitions now, unless a comparison is under way. */
  async compareServer(serverId: string): Promise<void> {
    const state = this.#servers.get(serverId);
    if (state !== undefined) await this.#check(state);
  }

  /** The server says that its list changed: what was compared, or is being compared, no longer counts. */
  async invalidate(serverId: string): Promise<void> {
    const state = this.#servers.get(serverId);
    if (state === undefined) return;
    state.epoch += 1;
    state.comparedMicros = null;
    await this.#check(state);
  }

  #isFresh(state: ServerState): boolean {
    return state.comparedMicros !== null && this.#clock.nowMicros() - state.comparedMicros < RECHECK_AFTER_MICROS;
  }

  #check(state: ServerState): Promise<void> {
    state.checking ??= this.#compare(state).finally(() => {
      state.checking = null;
    });
    return state.checking;
  }

  async #compare(state: ServerState): Promise<void> {
    const epoch = state.epoch;
    const listed = await state.upstream.listTools(AbortSignal.timeout(LIST_TIMEOUT_MS));
    const live = new Map<string, LiveTool>(listed.map((tool) => [tool.name, tool]));
    for (const tool of state.tools) {
      const found = comparePin(tool, live.get(tool.upstreamName)?.definition);
      if (found.kind !== 'same' && !this.#drifted.has(tool.name)) {
        const drift: Drift = { kind: found.kind, classification: found.classification };
        this.#drifted.set(tool.name, drift);
        this.#onDrift(tool, drift);
      }
    }
    if (epoch === state.epoch) state.comparedMicros = this.#clock.nowMicros();
  }
}
