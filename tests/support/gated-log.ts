import { type AuditLogOptions, openAuditLogInProcess } from '../../packages/gateway/src/audit/in-process.ts';
import { openSqliteStore } from '../../packages/gateway/src/audit/stores/sqlite.ts';
import type { AuditLog } from '../../packages/gateway/src/audit/types.ts';

type Operation = 'openSession' | 'append' | 'intent' | 'closeSession' | 'sessions';

/** One use of the log, held back. */
export interface Held {
  /** Resolves when it is asked for. */
  reached: Promise<void>;
  letGo: () => void;
  fail: (error: Error) => void;
}

/** The real log, of which a test can hold back the next use of an operation, and let it go on or fail. */
export class GatedLog {
  /** Sessions that the log had open at most, the gateway's own chain among them. */
  mostOpen = 0;
  readonly #gates = new Map<string, { reached: () => void; passed: Promise<void> }>();
  #open = 0;

  hold(operation: Operation): Held {
    const reached = Promise.withResolvers<void>();
    const passed = Promise.withResolvers<void>();
    this.#gates.set(operation, { reached: reached.resolve, passed: passed.promise });
    return { reached: reached.promise, letGo: passed.resolve, fail: passed.reject };
  }

  /** Makes the next use of an operation fail. */
  failNext(operation: Operation, error: Error): void {
    const held = this.hold(operation);
    void held.reached.then(() => held.fail(error));
  }

  /** What Gateway takes as `openLog`. */
  readonly openLog = async (options: AuditLogOptions): Promise<AuditLog> => {
    const log = await openAuditLogInProcess({ ...options, store: openSqliteStore(options.dataDir) });
    return new Proxy(log, {
      get: (target, property) => {
        const value: unknown = Reflect.get(target, property, target);
        if (typeof value !== 'function') return value;
        return (...args: unknown[]) => this.#pass(String(property), () => value.apply(target, args));
      },
    });
  };

  async #pass(operation: string, use: () => unknown): Promise<unknown> {
    const gate = this.#gates.get(operation);
    this.#gates.delete(operation);
    gate?.reached();
    await gate?.passed;
    if (operation === 'openSession') this.mostOpen = Math.max(this.mostOpen, ++this.#open);
    const result = await use();
    if (operation === 'closeSession') this.#open -= 1;
    return result;
  }
}
