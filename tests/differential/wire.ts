import type { Readable, Writable } from 'node:stream';
import { type JsonObject, member, parseJson, stringifyJson } from '@cmcp/evidence';
import { readLines } from './lines.ts';

export type Hear = (message: JsonObject) => void;

/** One client's way to a server, as bytes: no library reads or writes what is compared. */
export interface Wire {
  /** Sends a request and resolves with its reply; `hear` is told of whatever else comes first. */
  request(message: JsonObject, headers: Record<string, string>, hear: Hear, signal?: AbortSignal): Promise<JsonObject>;
  /** Sends a notification, or an answer to the server. */
  tell(message: JsonObject, headers: Record<string, string>): Promise<void>;
  close(): Promise<void>;
}

const SESSION = 'mcp-session-id';

/** Streamable HTTP. */
export class HttpWire implements Wire {
  readonly #url: string;
  readonly #headers: Record<string, string>;

  constructor(url: string, headers: Record<string, string> = {}) {
    this.#url = url;
    this.#headers = {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      ...headers,
    };
  }

  async request(message: JsonObject, headers: Record<string, string>, hear: Hear, signal?: AbortSignal) {
    const response = await this.#post(message, headers, signal);
    if (response.headers.get('content-type') !== 'text/event-stream') {
      return parseJson(await response.bytes()) as JsonObject;
    }
    for await (const heard of events(response)) {
      if ('id' in heard && !('method' in heard)) return heard;
      hear(heard);
    }
    throw new Error('the stream ended without a reply');
  }

  async tell(message: JsonObject, headers: Record<string, string>): Promise<void> {
    const response = await this.#post(message, headers);
    if (response.status !== 202) throw new Error(`${response.status} ${await response.text()}`);
  }

  async close(): Promise<void> {
    if (this.#headers[SESSION] === undefined) return;
    await (await fetch(this.#url, { method: 'DELETE', headers: this.#headers })).body?.cancel();
  }

  async #post(message: JsonObject, headers: Record<string, string>, signal?: AbortSignal): Promise<Response> {
    const response = await fetch(this.#url, {
      method: 'POST',
      headers: { ...this.#headers, ...headers },
      body: stringifyJson(message),
      ...(signal === undefined ? {} : { signal }),
    });
    const session = response.headers.get(SESSION);
    if (session !== null) this.#headers[SESSION] = session;
    return response;
  }
}

/** The messages of a stream of events. */
async function* events(response: Response): AsyncGenerator<JsonObject> {
  let pending = '';
  for await (const chunk of (response.body as ReadableStream<Uint8Array>).pipeThrough(new TextDecoderStream())) {
    const blocks = `${pending}${chunk}`.split('\n\n');
    pending = blocks.pop() ?? '';
    for (const block of blocks) {
      const data = block.split('\n').flatMap((line) => (line.startsWith('data:') ? [line.slice(5).trimStart()] : []));
      if (data.join('') !== '') yield parseJson(data.join('\n')) as JsonObject;
    }
  }
}

/** Lines on two streams. */
export class StdioWire implements Wire {
  readonly #output: Writable;
  readonly #end: () => Promise<void>;
  readonly #replies = new Map<string, (reply: JsonObject) => void>();
  #hear: Hear = () => undefined;

  constructor(input: Readable, output: Writable, end: () => Promise<void>) {
    this.#output = output;
    this.#end = end;
    readLines(input, (line) => this.#take(parseJson(line) as JsonObject));
  }

  request(message: JsonObject, _headers: Record<string, string>, hear: Hear): Promise<JsonObject> {
    this.#hear = hear;
    const replied = new Promise<JsonObject>((resolve) => this.#replies.set(stringifyJson(message.id ?? null), resolve));
    this.#write(message);
    return replied;
  }

  async tell(message: JsonObject): Promise<void> {
    this.#write(message);
  }

  close(): Promise<void> {
    return this.#end();
  }

  #write(message: JsonObject): void {
    this.#output.write(`${stringifyJson(message)}\n`);
  }

  #take(message: JsonObject): void {
    const id = member(message, 'id');
    const reply = 'method' in message || id === undefined ? undefined : this.#replies.get(stringifyJson(id));
    if (reply === undefined) this.#hear(message);
    else reply(message);
  }
}
