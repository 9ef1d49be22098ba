import type { SessionFile } from '@cmcp/evidence';
import type { AuditLog } from '../audit/types.ts';
import type { ClaimConfig } from '../config/claim.ts';
import { GatewayError } from '../errors.ts';

export interface OpenClaimsDeps {
  log: Pick<AuditLog, 'exportSession'>;
  settings: ClaimConfig;
  /** Stores a session file among the claims of its session. */
  write: (file: SessionFile) => Promise<string>;
  report: (event: string, detail: string) => void;
}

/** Claims of sessions that are still open, beside the one that each of them gets at its end. Numbered and linked like any other. */
export class OpenClaims {
  readonly #deps: OpenClaimsDeps;
  readonly #running = new Map<string, Promise<number>>();
  readonly #waiting = new Map<string, Promise<number>>();
  /** How much was served of each session when it got its last claim. */
  readonly #covered = new Map<string, number>();

  constructor(deps: OpenClaimsDeps) {
    this.#deps = deps;
  }

  /** For a request whose entry was appended: the number of a claim that covers it. Null: requests have no claims of their own. */
  async ofCall(sessionId: string): Promise<number | null> {
    return this.#deps.settings.granularity === 'call' ? await this.#shared(sessionId) : null;
  }

  /** One for each of these that served something since its last. Does nothing but where claims are made by interval. */
  async sweep(sessions: readonly { id: string; served: number }[]): Promise<void> {
    if (this.#deps.settings.granularity !== 'interval') return;
    const due = sessions.filter(({ id, served }) => served > (this.#covered.get(id) ?? 0));
    this.#covered.clear();
    for (const { id, served } of sessions) this.#covered.set(id, served);
    await Promise.all(due.map(({ id }) => this.#shared(id)));
  }

  /** Whoever comes while one is made needs the next, and all of them the same. */
  #shared(sessionId: string): Promise<number> {
    const running = this.#running.get(sessionId);
    if (running === undefined) return this.#begin(sessionId);
    let waiting = this.#waiting.get(sessionId);
    if (waiting === undefined) {
      const next = (): Promise<number> => {
        this.#waiting.delete(sessionId);
        return this.#begin(sessionId);
      };
      waiting = running.then(next, next);
      this.#waiting.set(sessionId, waiting);
    }
    return waiting;
  }

  #begin(sessionId: string): Promise<number> {
    const claiming = this.#claim(sessionId).finally(() => this.#running.delete(sessionId));
    this.#running.set(sessionId, claiming);
    return claiming;
  }

  async #claim(sessionId: string): Promise<number> {
    const file = await this.#deps.log.exportSession(sessionId);
    try {
      await this.#deps.write(file);
    } catch (error) {
      if (!(error instanceof GatewayError)) throw error;
      // The claim is made, and stored with the others: what is missing is a copy.
      this.#deps.report(error.code, error.detail);
    }
    return file.claim.gateway.sequence_number;
  }
}
