import { isObject, type JsonObject, member, stringifyJson } from '@cmcp/evidence';
import { GatewayError } from '../errors.ts';
import {
  type ClientDialect,
  cancelled,
  parseServerBytes,
  type RequestTerms,
  readServerMessages,
  request,
  type ServerMessage,
} from '../mcp/client.ts';
import { CANCELLED } from '../mcp/server-notices.ts';
import { readResult } from '../mcp/server-results.ts';
import { claimedIds } from './claimed-ids.ts';
import type { EventLog } from './event-log.ts';
import type { Hearing } from './hearing.ts';
import { LineReader } from './line-reader.ts';
import type { StreamEvents } from './listening.ts';
import type { MonotonicTimers } from './monotonic.ts';
import type { Answering, RequestSide } from './request-side.ts';
import type { Scope } from './scope.ts';
import type { ServerProcess } from './server-process.ts';

/** Bytes that a server may leave unread before it is taken for stuck and nothing more is sent to it. */
const MAX_BACKLOG = 16 * 1024 * 1024;
/** After the exit, time for what is left in the pipe. */
const DRAIN_MS = 1000;
/** Requests that were given up and may still be worked on; of more it is only known that there are some. */
const MAX_ABANDONED = 1000;
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
  side: RequestSide | null;
  resolve(message: JsonObject): void;
  reject(error: GatewayError): void;
}

export interface StdioRequestMessage {
  id: string;
  method: string;
  params: JsonObject;
  terms: RequestTerms;
  side: RequestSide | null;
}

export interface ConnectionOptions {
  maxResponseBytes: number;
  log: EventLog;
  timers: MonotonicTimers;
  hearing: Hearing;
}

/** One life of a stdio server: requests out, answers matched by id, everything else contained (ATK-26). */
export class StdioConnection {
  readonly #process: ServerProcess;
  readonly #options: ConnectionOptions;
  readonly #pending = new Map<string, Pending>();
  /** Requests that stay open to carry announcements. */
  readonly #streams = new Map<string, StreamEvents>();
  readonly #abandoned = new Set<string>();
  #manyAbandoned = false;
  /** How the server's requests are answered. */
  readonly #answering: Answering = {
    short: (message) => void this.#write(oneLine(message)),
    full: (message) => void this.#write(oneLine(message)),
  };
  /** Set by the negotiation; before it the server is owed no answers. */
  dialect: ClientDialect | null = null;
  /** Resolves with a reason when no answer can come any more; all pending requests are rejected by then. */
  readonly died: Promise<string>;
  #dead: string | null = null;
  /** The server asked on behalf of nobody who can be told apart: it is replaced as soon as nobody needs it. */
  #unclear = false;

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
      for (const id of [...this.#pending.keys()]) this.#settle(id)?.reject(error);
      this.#streams.clear();
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
    { id, method, params, terms, side }: StdioRequestMessage,
    dialect: ClientDialect,
    scope: Scope,
    cancel = true,
  ): Promise<JsonObject> {
    // MCP26-17: two requests under one id could receive each other's answer.
    if (this.#pending.has(id)) throw new GatewayError('INTERNAL_ERROR', 'a request id was used twice at once');
    this.#send(request(id, method, dialect.params(params, terms)));
    const answer = new Promise<JsonObject>((resolve, reject) => this.#pending.set(id, { side, resolve, reject }));
    const off = scope.onEnd((error) => {
      const pending = this.#settle(id);
      if (cancel) this.#abandon(id);
      pending?.reject(error);
    });
    return readResult(await answer.finally(off));
  }

  /** Sends a request that stays open to carry announcements; what is returned ends it. */
  openStream(id: string, method: string, params: JsonObject, events: StreamEvents): () => void {
    this.#streams.set(id, events);
    this.#write(oneLine(request(id, method, params)));
    return () => {
      if (this.#streams.delete(id)) this.#write(oneLine(cancelled(id)));
    };
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

  /** False, and nothing sent, when the server is gone or does not read. */
  #write(line: string): boolean {
    const { stdin } = this.#process;
    if (this.#dead !== null || !stdin.writable || stdin.writableLength > MAX_BACKLOG) return false;
    stdin.write(line);
    return true;
  }

  #abandon(id: string): void {
    this.#abandoned.add(id);
    if (this.#abandoned.size > MAX_ABANDONED) {
      this.#manyAbandoned = true;
      this.#abandoned.clear();
    }
    this.#write(oneLine(cancelled(id)));
  }

  get #hasAbandoned(): boolean {
    return this.#manyAbandoned || this.#abandoned.size > 0;
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
    const { log, maxResponseBytes } = this.#options;
    try {
      const value = parseServerBytes(line, maxResponseBytes);
      for (const message of readServerMessages(value, this.dialect?.batches === true)) this.#onMessage(message);
    } catch (error) {
      if (!(error instanceof GatewayError)) throw error;
      // What does not begin like a message is none, whatever ids it names.
      if (line[0] === OPEN_BRACE) this.#failClaimed(line, error);
      else log.count('stdout_noise', 'a line on stdout is not MCP and was ignored');
    }
  }

  #onMessage(message: ServerMessage): void {
    const { log, hearing } = this.#options;
    if (message.kind === 'response') this.#onResponse(message);
    else if (message.kind === 'other') log.count('stdout_noise', 'a message was ignored');
    else if (!this.#onStream(message)) {
      const answering = this.dialect?.serverRequests ? this.#answering : null;
      const attributed = hearing.heard(message, this.#soleRequest(), answering);
      // A fresh process has nothing left of what was given up, so that it can ask again.
      if (!attributed && this.#hasAbandoned) this.#unclear = true;
      this.#stopWhenIdle();
    }
  }

  #onResponse(message: Extract<ServerMessage, { kind: 'response' }>): void {
    const pending = this.#settle(message.id);
    const stream = this.#streams.get(message.id);
    if (pending !== null) pending.resolve(message.message);
    else if (stream !== undefined) {
      this.#streams.delete(message.id);
      stream.ended(isObject(member(message.message, 'error')));
    } else {
      // It may be the late answer to what was given up.
      this.#abandoned.delete(message.id);
      this.#options.log.count('unknown_response', 'an answer to no request of ours was dropped');
    }
  }

  /** Takes an announcement to the stream that it belongs to. */
  #onStream(message: Extract<ServerMessage, { kind: 'request' | 'notification' }>): boolean {
    if (message.kind !== 'notification' || this.dialect?.announcing.by !== 'listening') return false;
    const closes = message.method === CANCELLED ? member(message.params, 'requestId') : undefined;
    const id = typeof closes === 'string' ? closes : this.dialect.announcing.streamOf(message.params);
    const stream = id === null ? undefined : this.#streams.get(id);
    stream?.message(message);
    return stream !== undefined;
  }

  /** The request that whatever the server says now must belong to; null when it could be another, even one given up. */
  #soleRequest(): RequestSide | null {
    if (this.#pending.size !== 1 || this.#hasAbandoned) return null;
    for (const { side } of this.#pending.values()) return side;
    return null;
  }

  #stopWhenIdle(): void {
    if (this.#unclear && this.#pending.size === 0) void this.stop();
  }

  /** Takes a request out: what the server says of it from now on belongs to nobody. */
  #settle(id: string): Pending | null {
    const pending = this.#pending.get(id) ?? null;
    this.#pending.delete(id);
    pending?.side?.end();
    this.#stopWhenIdle();
    return pending;
  }

  #failClaimed(part: Buffer, error: GatewayError): void {
    this.#options.log.count('unreadable_message', error.detail);
    for (const id of claimedIds(part)) this.#settle(id)?.reject(error);
  }
}
