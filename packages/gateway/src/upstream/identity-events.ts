import type { JsonObject } from '@cmcp/evidence';
import { type EventLog, printable } from './event-log.ts';

const MAX_REASON = 300;

/** Enters into the gateway's own chain what a server was started as, and why one is not who it should be. */
export type EnterIdentity = (
  action: 'server.started' | 'server.refused' | 'server.provenance',
  detail: JsonObject,
) => void;

/** Of one server. The same refusal is entered once until something else happened: calls may repeat it without end. */
export class IdentityEvents {
  readonly #server: string;
  readonly #log: EventLog;
  readonly #enter: EnterIdentity;
  #refusal: string | null = null;

  constructor(server: string, log: EventLog, enter: EnterIdentity) {
    this.#server = server;
    this.#log = log;
    this.#enter = enter;
  }

  refused(reason: string): void {
    if (reason === this.#refusal) return;
    this.#refusal = reason;
    this.#log.write('refused', reason);
    this.#enter('server.refused', { server: this.#server, reason: printable(reason).slice(0, MAX_REASON) });
  }

  started(facts: JsonObject): void {
    this.accepted();
    this.#enter('server.started', { server: this.#server, ...facts });
  }

  /** It is who it should be: the next refusal is news. */
  accepted(): void {
    this.#refusal = null;
  }
}
