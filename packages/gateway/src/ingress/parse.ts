import { Worker } from 'node:worker_threads';
import { JsonError, type JsonValue, parseJson } from '@cmcp/evidence';
import { GatewayError } from '../errors.ts';
import { type ExactNumbers, restoreExactNumbers } from './numbers.ts';
import type { ParseTask, ParseVerdict } from './parse-worker.ts';

/** Parses bodies strictly without blocking the event loop for long. */
export interface BodyParser {
  /** @throws GatewayError PARSE_ERROR (its detail is a code, never content), OVERLOADED, INTERNAL_ERROR */
  parse(bytes: Uint8Array): Promise<JsonValue>;
  /** Ends the thread, which keeps the process alive until then. */
  close(): Promise<void>;
}

export interface BodyLimits {
  bodyBytes: number;
  depth: number;
}

/** Up to here the strict parser takes well under a millisecond or two, less than the way to a worker and back. */
const INLINE_BYTES = 65_536;
/** Values in one body. What comes after parsing (policy, digest, forwarding) costs time per value, on the event loop. */
const MAX_ITEMS = 100_000;
/** Large bodies that may wait for the worker: this bounds the memory that they hold. */
const MAX_WAITING = 32;

interface Waiting {
  resolve: (numbers: ExactNumbers) => void;
  reject: (error: GatewayError) => void;
}

export function createBodyParser(limits: BodyLimits): BodyParser {
  const bounds = { bytes: limits.bodyBytes, depth: limits.depth, items: MAX_ITEMS };
  const judge = new Judge();
  return {
    async parse(bytes) {
      if (bytes.length <= INLINE_BYTES) return parseInline(bytes, bounds);
      const numbers = await judge.judge(bytes, bounds);
      // The strict parser has accepted these very bytes, so the native one reads the same value, except for numbers.
      return restoreExactNumbers(JSON.parse(Buffer.from(bytes).toString('utf8')) as JsonValue, numbers);
    },
    close: () => judge.close(),
  };
}

function parseInline(bytes: Uint8Array, bounds: { bytes: number; depth: number }): JsonValue {
  try {
    return parseJson(bytes, bounds);
  } catch (error) {
    if (error instanceof JsonError) throw new GatewayError('PARSE_ERROR', error.code);
    throw error;
  }
}

/** The worker, started when first needed and again after it died. */
class Judge {
  readonly #waiting = new Map<number, Waiting>();
  #worker: Worker | null = null;
  #tasks = 0;

  judge(bytes: Uint8Array, limits: ParseTask['limits']): Promise<ExactNumbers> {
    if (this.#waiting.size >= MAX_WAITING) throw new GatewayError('OVERLOADED', 'too many large bodies are waiting');
    const worker = this.#worker ?? this.#start();
    const task = this.#tasks++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(task, { resolve, reject });
      worker.postMessage({ task, bytes, limits } satisfies ParseTask);
    });
  }

  async close(): Promise<void> {
    await this.#worker?.terminate();
  }

  #start(): Worker {
    const file = import.meta.url.endsWith('.ts') ? './parse-worker.ts' : './parse-worker.js';
    const worker = new Worker(new URL(file, import.meta.url));
    this.#worker = worker;
    worker.on('message', (verdict: ParseVerdict) => this.#settle(verdict));
    worker.on('error', () => this.#lost(worker));
    worker.on('exit', () => this.#lost(worker));
    return worker;
  }

  #settle(verdict: ParseVerdict): void {
    const waiting = this.#waiting.get(verdict.task);
    this.#waiting.delete(verdict.task);
    if ('refused' in verdict) waiting?.reject(new GatewayError('PARSE_ERROR', verdict.refused));
    else waiting?.resolve(verdict.numbers);
  }

  /** Fails closed: what the worker had in hand was not judged. */
  #lost(worker: Worker): void {
    if (this.#worker !== worker) return;
    this.#worker = null;
    for (const { reject } of this.#waiting.values()) {
      reject(new GatewayError('INTERNAL_ERROR', 'the parser thread ended'));
    }
    this.#waiting.clear();
  }
}
