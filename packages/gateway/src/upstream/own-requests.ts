import type { JsonObject } from '@cmcp/evidence';
import { GatewayError } from '../errors.ts';
import { OWN_TERMS } from '../mcp/client.ts';
import type { ChannelRequest } from './channel.ts';
import type { EventLog } from './event-log.ts';
import type { MonotonicTimers } from './monotonic.ts';
import { Scope } from './scope.ts';

/** For what the gateway asks before it lets a call go on. */
const BRIEFLY_MS = 5000;

/**
 * What the gateway asks of one server on its own behalf: no agent waits for it, and none is spoken to. There is one for each
 * server, so that no two of its requests share an id (MCP26-17).
 */
export class OwnRequests {
  readonly #timers: MonotonicTimers;
  readonly #log: EventLog;
  #ids = 0;

  constructor(timers: MonotonicTimers, log: EventLog) {
    this.#timers = timers;
    this.#log = log;
  }

  nextId(): string {
    this.#ids += 1;
    return `cmcp-${this.#ids}`;
  }

  message(method: string, params: JsonObject): ChannelRequest {
    return {
      id: this.nextId(),
      method,
      params,
      inputSchema: null,
      maxBytes: null,
      terms: OWN_TERMS,
      side: null,
      admit: () => {},
    };
  }

  /** Runs `work` within a time of its own. */
  async within<T>(timeoutMs: number, work: (scope: Scope) => Promise<T>): Promise<T> {
    const scope = new Scope(new AbortController().signal, timeoutMs, this.#timers);
    try {
      return await work(scope);
    } finally {
      scope.dispose();
    }
  }

  briefly<T>(work: (scope: Scope) => Promise<T>): Promise<T> {
    return this.within(BRIEFLY_MS, work);
  }

  /** Waits for `work`, but goes on without it; `event` is what its failure is counted as. */
  async attempt(work: Promise<unknown>, event: string): Promise<void> {
    try {
      await work;
    } catch (error) {
      if (!(error instanceof GatewayError)) throw error;
      this.#log.count(event, error.detail);
    }
  }
}
