import { JsonNumber, type JsonObject, type JsonValue } from '@cmcp/evidence';
import type { Clock } from '../clock.ts';
import { notificationMessage } from './jsonrpc.ts';
import { isWanted, type LogLevel } from './log-level.ts';
import type { ProgressToken } from './request-meta.ts';
import type { Notice } from './types.ts';

export interface NoticesDeps {
  clock: Clock;
  progressToken: ProgressToken | null;
  /** Least severe message that is wanted now; null: none. */
  logLevel: () => LogLevel | null;
  say: (message: JsonObject) => void;
}

/** Notices that one request may bring at once, and in a second after that (MCP26-31). */
const BURST = 100;
const PER_SECOND = 50;

/** Turns what a server says of one request into notifications, as far as its client wants them (MCP26-31). */
export class Notices {
  readonly #deps: NoticesDeps;
  #progress = Number.NEGATIVE_INFINITY;
  #allowance = BURST;
  #countedAt: number;
  #over = false;

  constructor(deps: NoticesDeps) {
    this.#deps = deps;
    this.#countedAt = deps.clock.nowMicros();
  }

  notify(notice: Notice): void {
    if (this.#over) return;
    const message = notice.kind === 'progress' ? this.#progressMessage(notice) : this.#logMessage(notice);
    if (message !== null && this.#allowed()) this.#deps.say(message);
  }

  /** The answer is there: nothing is said of this request any more. */
  end(): void {
    this.#over = true;
  }

  /** Null for what does not go on from the last one. */
  #progressMessage({ progress, total, message }: Extract<Notice, { kind: 'progress' }>): JsonObject | null {
    const { progressToken } = this.#deps;
    if (progressToken === null || !Number.isFinite(progress) || progress <= this.#progress) return null;
    this.#progress = progress;
    return notificationMessage('notifications/progress', {
      progressToken,
      progress: numberValue(progress),
      ...(total === null || !Number.isFinite(total) ? {} : { total: numberValue(total) }),
      ...(message === null ? {} : { message }),
    });
  }

  #logMessage({ level, logger, data }: Extract<Notice, { kind: 'log' }>): JsonObject | null {
    const wanted = this.#deps.logLevel();
    if (wanted === null || !isWanted(level, wanted)) return null;
    return notificationMessage('notifications/message', { level, ...(logger === null ? {} : { logger }), data });
  }

  #allowed(): boolean {
    const now = this.#deps.clock.nowMicros();
    const earned = ((now - this.#countedAt) / 1_000_000) * PER_SECOND;
    this.#allowance = Math.min(BURST, this.#allowance + Math.max(earned, 0));
    this.#countedAt = now;
    if (this.#allowance < 1) return false;
    this.#allowance -= 1;
    return true;
  }
}

/** Progress may be a fraction, which JSON text here carries as its lexeme. */
function numberValue(value: number): JsonValue {
  return Number.isSafeInteger(value) ? value : new JsonNumber(JSON.stringify(value));
}
