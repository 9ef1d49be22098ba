import type { Clock } from '../clock.ts';
import { GatewayError } from '../errors.ts';
import type { LiveTool, Upstream } from '../upstream/types.ts';
import { comparePin } from './drift.ts';
import type { Catalog, CatalogServer, CatalogTool } from './types.ts';

/** How a live definition departed from the approved one. */
export interface Drift {
  kind: 'definition_changed' | 'withdrawn';
  classification: string;
}

export interface LiveCatalogDeps {
  clock: Clock;
  connect: (server: CatalogServer) => Upstream;
  /** Told once of each tool that drifted. */
  onDrift: (tool: CatalogTool, drift: Drift) => void;
  /** A server could not be compared when it was due: the next call compares again, or is refused. */
  onUnanswered: (server: CatalogServer, error: unknown) => void;
}

/** Definitions compared longer ago than this are compared again before the next call (defect D-22). */
const RECHECK_AFTER_MICROS = 10 * 60 * 1_000_000;
const COMPARE_ATTEMPTS = 3;
const LIST_TIMEOUT_MS = 30_000;

interface ServerState {
  server: CatalogServer;
  upstream: Upstream;
  tools: CatalogTool[];
  /** Raised by each change notice, so that a list read before it does not count as read after it. */
  epoch: number;
  /** When the definitions that were compared last were asked for. */
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
  readonly #deps: LiveCatalogDeps;

  /** Connects what the catalog names. Nothing is sent before {@link contact} or the first call. */
  constructor(catalog: Catalog, deps: LiveCatalogDeps) {
    this.#deps = deps;
    for (const server of catalog.servers) {
      const tools = catalog.tools.filter((tool) => tool.server.id === server.id);
      const upstream = deps.connect(server);
      const state: ServerState = { server, upstream, tools, epoch: 0, comparedMicros: null, checking: null };
      this.#servers.set(server.id, state);
      upstream.onChanged(() => this.#changed(state));
    }
  }

  /** What is already known of a tool, without any traffic. */
  drift(tool: CatalogTool): Drift | null {
    return this.#drifted.get(tool.name) ?? null;
  }

  /** Compares every server now, so that drift is known before it is asked for. */
  contact(): void {
    for (const state of this.#servers.values()) this.#follow(state);
  }

  /**
   * The tool's server, once it was compared recently; first contact, a change notice and age make it due. Rejects with the
   * upstream's error when the server does not answer: unanswered is not unchanged.
   */
  async compared(tool: CatalogTool): Promise<Upstream> {
    const state = this.#servers.get(tool.server.id);
    if (state === undefined) throw new GatewayError('INTERNAL_ERROR', `server ${tool.server.id} is not in the catalog`);
    await this.#refresh(state);
    return state.upstream;
  }

  /** Ends every server's process and connections. */
  async close(): Promise<void> {
    await Promise.all([...this.#servers.values()].map(({ upstream }) => upstream.close()));
  }

  /** The server says that its list changed: what was compared, or is being compared, no longer counts. */
  #changed(state: ServerState): void {
    state.epoch += 1;
    state.comparedMicros = null;
    this.#follow(state);
  }

  #follow(state: ServerState): void {
    this.#refresh(state).catch((error: unknown) => this.#deps.onUnanswered(state.server, error));
  }

  async #refresh(state: ServerState): Promise<void> {
    for (let attempt = 0; !this.#isFresh(state); attempt += 1) {
      if (attempt === COMPARE_ATTEMPTS) throw new GatewayError('UPSTREAM_UNAVAILABLE', 'the tool list keeps changing');
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
    const listed = await state.upstream.listTools(AbortSignal.timeout(LIST_TIMEOUT_MS));
    const live = new Map<string, LiveTool>(listed.map((tool) => [tool.name, tool]));
    for (const tool of state.tools) {
      const found = comparePin(tool, live.get(tool.upstreamName)?.definition);
      if (found.kind === 'same' || this.#drifted.has(tool.name)) continue;
      const drift: Drift = { kind: found.kind, classification: found.classification };
      this.#drifted.set(tool.name, drift);
      this.#deps.onDrift(tool, drift);
    }
    if (epoch === state.epoch) state.comparedMicros = askedMicros;
  }
}
