import { type JsonObject, stringifyJson } from '@cmcp/evidence';
import { GatewayError } from '../errors.ts';
import {
  answerServerRequest,
  type ClientDialect,
  cancelled,
  isToolListChange,
  parseServerBytes,
  readResult,
  readServerMessage,
  request,
} from '../mcp/client.ts';
import { claimedIds } from './claimed-ids.ts';
import type { EventLog } from './event-log.ts';
import { LineReader } from './line-reader.ts';
import type { MonotonicTimers } from './monotonic.ts';
import type { Scope } from './scope.ts';
import type { ServerProcess } from './server-process.ts';

/** Bytes that a server may leave unread before it is taken for stuck and nothing more is sent to it. */
const MAX_BACKLOG = 16 * 1024 * 1024;
/** After the exit, time for what is left in the pipe. */
const DRAIN_MS = 1000;
const OPEN_BRACE = 0x7b;

/**
 * One message as one line, for every reader: serialised JSON holds no LF, and the other characters that some line readers
 * split at (Node's readline at U+2028) are escaped, so that an argument cannot end its message and begin another (MCP26-39).
 */
function oneLine(message: JsonObject): string {
  const text = stringifyJson(message);
  return `${text.replace(/[\u0085\u2028\u2029]/g, (end) => `\\u${end.charCodeAt(0).toString(16).padStart(4, '0')}`)}\n`;
}

interface Pending {
  resolve(message: JsonObject): void;
  reject(error: GatewayError): void;
}

export interface ConnectionOptions {
  maxResponseBytes: number;
  log: EventLog;
  timers: MonotonicTimers;
  onToolListChange: () => void;
}

/** One life of a stdio server: requests out, answers matched by id, everything else contained (ATK-26). */
export class StdioConnection {
  readonly #process: ServerProcess;
  readonly #options: ConnectionOptions;
  readonly #pending = new Map<string, Pending>();
  /** Set by the negotiation; before it the server is owed no answers. */
  dialect: ClientDialect | null = null;
  /** Resolves with a reason when no answer can come any more; all pending requests are rejected by then. */
  readonly died: Promise<string>;
  #dead: string | null = null;

  constructor(process: ServerProcess, options: ConnectionOptions) {
    this.#process = process;
    this.#options = options;
    const reader = new LineReader(options.maxResponseBytes, {
      line: (line) => this.#onLine(line),
      oversize: (part) => this.#failClaimed(part, new GatewayError('RESPONSE_SIZE_EXCEEDED', 'the line is too long')),
    });
    process.stdout.on('data', (chunk: Buffer) => reader.push(chunk));
    this.died = this.#waitForEnd().then((reason) => {
      this.#dead = reason;
      const error = new GatewayError('OUTCOME_UNKNOWN', `the server ended during the call: ${reason}`);
      for (const pending of this.#pending.values()) pending.reject(error);
      this.#pending.clear();
      return reason;
    });
  }

  get alive(): boolean {
    return this.#dead === null;
  }

  /**
   * Sends one request and waits for its result, or for the end of `scope`, which tells the server that the answer is no
   * longer wanted. `cancel` is false for requests that a server must not be asked to cancel.
   */
  async exchange(
    message: { id: string; method: string; params: JsonObject },
    dialect: ClientDialect,
    scope: Scope,
    cancel = true,
  ): Promise<JsonObject> {
    const { id } = message;
    // MCP26-17: two requests under one id could receive each other's answer.
    if (this.#pending.has(id)) throw new GatewayError('INTERNAL_ERROR', 'a request id was used twice at once');
    this.#send(request(id, message.method, dialect.params(message.params)));
    const answer = new Promise<JsonObject>((resolve, reject) => this.#pending.set(id, { resolve, reject }));
    const off = scope.onEnd((error) => {
      const pending = this.#pending.get(id);
      this.#pending.delete(id);
      if (cancel) this.#offer(cancelled(id));
      pending?.reject(error);
    });
    return readResult(await answer.finally(off));
  }

  /** Sends a request whose answer nobody waits for: a subscription ends when the process does. */
  subscribe(id: string, method: string, params: JsonObject, dialect: ClientDialect): void {
    this.#pending.set(id, { resolve: () => {}, reject: () => {} });
    this.#offer(request(id, method, dialect.params(params)));
  }

  /** Sends a notification; throws UPSTREAM_UNAVAILABLE when the server is gone or stuck. */
  notify(message: JsonObject): void {
    this.#send(message);
  }

  stop(): Promise<void> {
    return this.#process.stop();
  }

  #send(message: JsonObject): void {
    if (!this.#write(oneLine(message))) {
      throw new GatewayError('UPSTREAM_UNAVAILABLE', this.#dead ?? 'the server does not read its input');
    }
  }

  /** Sends what may be dropped when the server is gone or does not read. */
  #offer(message: JsonObject): void {
    this.#write(oneLine(message));
  }

  #write(line: string): boolean {
    const { stdin } = this.#process;
    if (this.#dead !== null || !stdin.writable || stdin.writableLength > MAX_BACKLOG) return false;
    stdin.write(line);
    return true;
  }

  #waitForEnd(): Promise<string> {
    const { stdout, exited } = this.#process;
    return new Promise((resolve) => {
      let stopTimer = () => {};
      stdout.once('close', () => {
        // Without stdout there are no more answers, so a process that only closed its pipe is ended as well.
        this.stop();
        exited.then((reason) => {
          stopTimer();
          resolve(reason);
        });
      });
      exited.then((reason) => {
        stopTimer = this.#options.timers.after(DRAIN_MS, () => resolve(reason));
      });
    });
  }

  #onLine(line: Buffer): void {
    if (line.length === 0) return;
    if (line[0] !== OPEN_BRACE) {
      this.#options.log.count('stdout_noise', 'a line on stdout is not MCP and was ignored');
      return;
    }
    try {
      this.#onMessage(readServerMessage(parseServerBytes(line, this.#options.maxResponseBytes)));
    } catch (error) {
      if (!(error instanceof GatewayError)) throw error;
      this.#failClaimed(line, error);
    }
  }

  #onMessage(message: ReturnType<typeof readServerMessage>): void {
    const { log, onToolListChange } = this.#options;
    if (message.kind === 'response') {
      const pending = this.#pending.get(message.id);
      this.#pending.delete(message.id);
      if (pending === undefined) log.count('unknown_response', 'an answer to no request of ours was dropped');
      else pending.resolve(message.message);
    } else if (message.kind === 'request') {
      log.count('server_request', 'the server sent a request');
      if (this.dialect?.serverRequests) this.#offer(answerServerRequest(message.id, message.method));
    } else if (isToolListChange(message)) {
      onToolListChange();
    } else {
      log.count(message.kind === 'notification' ? 'notification' : 'stdout_noise', 'a message was ignored');
    }
  }

  #failClaimed(part: Buffer, error: GatewayError): void {
    this.#options.log.count('unreadable_message', error.detail);
    for (const id of claimedIds(part)) {
      this.#pending.get(id)?.reject(error);
      this.#pending.delete(id);
    }
  }
}
