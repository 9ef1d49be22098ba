import { GatewayError } from '../errors.ts';
import type { Timers } from '../timers.ts';
import type { AuditLog, RecoveredSession } from './types.ts';

/** How soon after the close of a session the counter is advanced: one advance stands for all sessions that close meanwhile. */
const AFTER_CLOSE_MS = 10_000;
/** How soon after any other record: the memory of a TPM wears out with each advance. */
const AFTER_ENTRY_MS = 60_000;
/** A stop waits no longer for the last advance: a store that was not advanced is still the newest. */
const LAST_ADVANCE_MS = 10_000;

export interface CountedLogParts {
  log: AuditLog;
  /** Makes every earlier copy of the store an old one. */
  advance: () => Promise<void>;
  timers: Timers;
  report: (event: string, detail: string) => void;
  /** Ends an advance that is under way, and all later ones. Idempotent. */
  letGo: () => Promise<void>;
}

/**
 * A log whose store is anchored by a counter. The counter is advanced behind the calls, never on their way: soon after records were
 * written, and when the log is closed. Where the counter turns out to have been moved by someone else, another copy of this store
 * may be in use, and nothing more is recorded here; where it cannot be reached, that is reported, and tried again.
 */
export class CountedLog implements AuditLog {
  readonly #parts: CountedLogParts;
  #due: { soon: boolean; cancel: () => void } | null = null;
  #advancing: Promise<void> = Promise.resolve();
  #contradicted: GatewayError | null = null;
  #closing = false;

  constructor(parts: CountedLogParts) {
    this.#parts = parts;
  }

  get failure(): GatewayError | null {
    return this.#contradicted ?? this.#parts.log.failure;
  }

  get publicKey(): string {
    return this.#parts.log.publicKey;
  }

  get recovered(): readonly RecoveredSession[] {
    return this.#parts.log.recovered;
  }

  exposures: AuditLog['exposures'] = () => this.#parts.log.exposures();
  lastClaimHash: AuditLog['lastClaimHash'] = () => this.#parts.log.lastClaimHash();
  standing: AuditLog['standing'] = (...args) => this.#parts.log.standing(...args);
  sessions: AuditLog['sessions'] = () => this.#parts.log.sessions();
  salts: AuditLog['salts'] = (...args) => this.#parts.log.salts(...args);
  signStatement: AuditLog['signStatement'] = (...args) => this.#parts.log.signStatement(...args);
  recordAnchor: AuditLog['recordAnchor'] = (...args) => this.#parts.log.recordAnchor(...args);

  openSession: AuditLog['openSession'] = (...args) => this.#written(false, (log) => log.openSession(...args));
  refreshEvidence: AuditLog['refreshEvidence'] = (...args) =>
    this.#written(false, (log) => log.refreshEvidence(...args));
  intent: AuditLog['intent'] = (...args) => this.#written(false, (log) => log.intent(...args));
  append: AuditLog['append'] = (...args) => this.#written(false, (log) => log.append(...args));
  exportSession: AuditLog['exportSession'] = (...args) => this.#written(false, (log) => log.exportSession(...args));
  closeSession: AuditLog['closeSession'] = (...args) => this.#written(true, (log) => log.closeSession(...args));

  async close(): Promise<void> {
    this.#closing = true;
    this.#due?.cancel();
    if (this.failure === null) this.#advance();
    const stop = this.#parts.timers.after(LAST_ADVANCE_MS, () => void this.#parts.letGo());
    await this.#advancing;
    stop();
    await this.#parts.letGo();
    await this.#parts.log.close();
  }

  async #written<T>(soon: boolean, write: (log: AuditLog) => Promise<T>): Promise<T> {
    if (this.#contradicted !== null) throw this.#contradicted;
    const written = await write(this.#parts.log);
    this.#schedule(soon);
    return written;
  }

  #schedule(soon: boolean): void {
    if (this.#closing || (this.#due !== null && (this.#due.soon || !soon))) return;
    this.#due?.cancel();
    const cancel = this.#parts.timers.after(soon ? AFTER_CLOSE_MS : AFTER_ENTRY_MS, () => {
      this.#due = null;
      this.#advance();
    });
    this.#due = { soon, cancel };
  }

  #advance(): void {
    this.#advancing = this.#advancing.then(() => this.#advanced());
  }

  async #advanced(): Promise<void> {
    try {
      await this.#parts.advance();
    } catch (error) {
      const detail = error instanceof GatewayError ? error.detail : String(error);
      this.#parts.report('store.not_counted', detail);
      if (error instanceof GatewayError && (error.code === 'STORE_ROLLED_BACK' || error.code === 'STORE_INVALID'))
        this.#contradicted = new GatewayError(
          'AUDIT_UNAVAILABLE',
          `the counter of the audit store was moved: ${detail}`,
        );
      else this.#schedule(false);
    }
  }
}
