import { GatewayError } from '../errors.ts';
import type { AuditLog, EntryReceipt, Intent } from './types.ts';

/**
 * The log as a call uses it. Remembers that a record was lost, so that the next call is refused before anything is sent:
 * a tool marked read-only asks nothing of the log until its answer is there (architecture rule 3).
 */
export class CallLog {
  readonly #log: AuditLog;
  #lost: GatewayError | null = null;

  constructor(log: AuditLog) {
    this.#log = log;
  }

  /** @throws GatewayError AUDIT_UNAVAILABLE once a record was lost */
  ensureRecording(): void {
    if (this.#lost !== null) throw this.#lost;
  }

  intent(intent: Intent): Promise<void> {
    return this.#watch(this.#log.intent(intent));
  }

  append(...entry: Parameters<AuditLog['append']>): Promise<EntryReceipt> {
    return this.#watch(this.#log.append(...entry));
  }

  async #watch<T>(recorded: Promise<T>): Promise<T> {
    try {
      return await recorded;
    } catch (error) {
      if (error instanceof GatewayError && error.code === 'AUDIT_UNAVAILABLE') this.#lost = error;
      throw error;
    }
  }
}
