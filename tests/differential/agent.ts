import { isObject, type JsonObject, type JsonValue, member, stringifyJson } from '@cmcp/evidence';
import { sampleObject } from '../conformance/client/sample.ts';
import type { Family } from './odd-server.ts';
import type { Hear, Wire } from './wire.ts';

/** One thing that an agent does, whatever its revision. */
export interface Step {
  method: string;
  params?: JsonObject;
  /** Wants to hear of progress. */
  progress?: boolean;
  /** Wants log messages of this level. */
  log?: string;
  /** What its user, its model or itself answer, by method, instead of something that fits. */
  answers?: Record<string, JsonObject>;
  /** Headers that mirror arguments, where the revision has them. */
  mirrored?: Record<string, string>;
  /** Follow the cursors to the end. */
  pages?: boolean;
  /** Is cancelled after the first of these was answered, and is over when the second was. */
  cancelled?: [started: Step, over: Step];
}

/** What an agent sees of a step. */
export interface Seen {
  said: JsonObject[];
  asked: JsonObject[];
  /** `result` or `error` of the last reply. */
  answer: JsonObject;
}

const INFO = { name: 'recorded', version: '1' };
const CAPABILITIES = { elicitation: {}, sampling: {}, roots: {} };
const QUIET = 'emergency';
const MAX_ROUNDS = 8;

/** An agent of one family on one wire; it does one step after the other. */
export abstract class Agent {
  protected readonly wire: Wire;
  #ids = 0;

  constructor(wire: Wire) {
    this.wire = wire;
  }

  abstract open(): Promise<JsonObject>;
  protected abstract once(step: Step, params: JsonObject, seen: Seen, signal: AbortSignal): Promise<JsonObject>;
  protected abstract cancel(id: JsonValue, abort: AbortController): Promise<void>;

  close(): Promise<void> {
    return this.wire.close();
  }

  async perform(step: Step): Promise<Seen> {
    const seen: Seen = { said: [], asked: [], answer: {} };
    if (step.cancelled !== undefined) return await this.#cancelled(step, step.cancelled, seen);
    seen.answer = await this.#answered(step, step.params ?? {}, seen);
    if (step.pages === true) await this.#otherPages(step, seen);
    return seen;
  }

  protected nextId(): string {
    this.#ids += 1;
    return `id-${this.#ids}`;
  }

  async #answered(step: Step, params: JsonObject, seen: Seen): Promise<JsonObject> {
    const reply = await this.once(step, params, seen, new AbortController().signal);
    const result = member(reply, 'result');
    return result === undefined ? { error: reply.error ?? null } : { result };
  }

  async #otherPages(step: Step, seen: Seen): Promise<void> {
    const items: JsonValue[] = [];
    const [list] = step.method.split('/').slice(-2);
    const name = step.method.includes('templates') ? 'resourceTemplates' : String(list);
    for (let answer = seen.answer; ; ) {
      const result = member(answer, 'result');
      if (!isObject(result)) break;
      items.push(...(result[name] as JsonValue[]));
      const cursor = member(result, 'nextCursor');
      if (cursor === undefined) {
        const { nextCursor: _, ...whole } = result;
        seen.answer = { result: { ...whole, [name]: items } };
        return;
      }
      answer = await this.#answered(step, { ...step.params, cursor }, seen);
    }
  }

  /** What a cancelled request is answered with, if at all, is not waited for. */
  async #cancelled(step: Step, [started, over]: [Step, Step], seen: Seen): Promise<Seen> {
    const abort = new AbortController();
    const running = this.once(step, step.params ?? {}, seen, abort.signal).catch(() => ({}));
    const id = `id-${this.#ids}`;
    await this.perform(started);
    await this.cancel(id, abort);
    void running;
    return await this.perform(over);
  }
}

/** What a question is answered with. */
function answerTo(step: Step, question: JsonObject): JsonObject {
  const method = String(question.method);
  const given = step.answers?.[method];
  if (given !== undefined) return given;
  const params = member(question, 'params');
  if (method === 'roots/list') return { roots: [{ uri: 'file:///wörk', name: 'Wörk' }] };
  if (method === 'sampling/createMessage') {
    return { role: 'assistant', content: { type: 'text', text: 'An answer. 🜁' }, model: 'm', stopReason: 'endTurn' };
  }
  const schema = isObject(params) ? member(params, 'requestedSchema') : undefined;
  return { action: 'accept', content: sampleObject(JSON.parse(stringifyJson(schema ?? {}))) as JsonObject };
}

function question({ method, params }: JsonObject): JsonObject {
  const { _meta: _, ...rest } = isObject(params) ? params : {};
  return { method: String(method), params: rest };
}

class HandshakeAgent extends Agent {
  #level = '';
  #headers: Record<string, string> = {};

  async open(): Promise<JsonObject> {
    const params = { protocolVersion: '2025-11-25', capabilities: CAPABILITIES, clientInfo: INFO };
    const reply = await this.#request({ method: 'initialize', params }, () => undefined);
    this.#headers = { 'mcp-protocol-version': '2025-11-25' };
    await this.wire.tell({ jsonrpc: '2.0', method: 'notifications/initialized' }, this.#headers);
    return reply;
  }

  protected async once(step: Step, params: JsonObject, seen: Seen, signal: AbortSignal): Promise<JsonObject> {
    const level = step.log ?? QUIET;
    if (step.log !== undefined && level !== this.#level) {
      await this.#request({ method: 'logging/setLevel', params: { level } }, () => undefined);
      this.#level = level;
    }
    const meta = step.progress === true ? { _meta: { progressToken: 'a token' } } : {};
    const answers: Promise<void>[] = [];
    const hear: Hear = (message) => {
      if (!('id' in message)) return void seen.said.push(message);
      seen.asked.push(question(message));
      const answer = { jsonrpc: '2.0', id: message.id ?? null, result: answerTo(step, message) };
      answers.push(this.wire.tell(answer, this.#headers));
    };
    const reply = await this.#request({ method: step.method, params: { ...params, ...meta } }, hear, signal);
    await Promise.all(answers);
    return reply;
  }

  protected cancel(requestId: JsonValue): Promise<void> {
    const params = { requestId, reason: 'no longer wanted' };
    return this.wire.tell({ jsonrpc: '2.0', method: 'notifications/cancelled', params }, this.#headers);
  }

  #request(message: JsonObject, hear: Hear, signal?: AbortSignal): Promise<JsonObject> {
    return this.wire.request({ jsonrpc: '2.0', id: this.nextId(), ...message }, this.#headers, hear, signal);
  }
}

class ModernAgent extends Agent {
  readonly #closes: boolean;

  /** @param closes whether a request is cancelled by closing its stream */
  constructor(wire: Wire, closes: boolean) {
    super(wire);
    this.#closes = closes;
  }

  open(): Promise<JsonObject> {
    return this.#request({ method: 'server/discover' }, {}, () => undefined);
  }

  protected async once(step: Step, params: JsonObject, seen: Seen, signal: AbortSignal): Promise<JsonObject> {
    let again: JsonObject = {};
    const hear: Hear = (message) => void seen.said.push(message);
    for (let round = 0; round < MAX_ROUNDS; round += 1) {
      const reply = await this.#request(step, { ...params, ...again }, hear, signal);
      const result = member(reply, 'result');
      if (!isObject(result) || result.resultType !== 'input_required') return reply;
      const requests = Object.entries((result.inputRequests ?? {}) as Record<string, JsonObject>);
      seen.asked.push(...requests.map(([, request]) => question(request)));
      const inputResponses = Object.fromEntries(requests.map(([key, request]) => [key, answerTo(step, request)]));
      again = { inputResponses, ...('requestState' in result ? { requestState: result.requestState ?? null } : {}) };
    }
    throw new Error(`the server asks for ever: ${stringifyJson(params)}`);
  }

  protected async cancel(requestId: JsonValue, abort: AbortController): Promise<void> {
    if (this.#closes) return abort.abort();
    await this.wire.tell({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId } }, {});
  }

  #request(step: Step, params: JsonObject, hear: Hear, signal?: AbortSignal): Promise<JsonObject> {
    const { method, progress, log, mirrored } = step;
    const meta: JsonObject = {
      'io.modelcontextprotocol/protocolVersion': '2026-07-28',
      'io.modelcontextprotocol/clientInfo': INFO,
      'io.modelcontextprotocol/clientCapabilities': CAPABILITIES,
      ...(progress === true ? { progressToken: 'a token' } : {}),
      ...(log === undefined ? {} : { 'io.modelcontextprotocol/logLevel': log }),
    };
    const named = params.name ?? params.uri;
    const headers = {
      'mcp-protocol-version': '2026-07-28',
      'mcp-method': method,
      ...(typeof named === 'string' ? { 'mcp-name': named } : {}),
      ...mirrored,
    };
    const message = { jsonrpc: '2.0', id: this.nextId(), method, params: { ...params, _meta: meta } };
    return this.wire.request(message, headers, hear, signal);
  }
}

export function agentOf(family: Family, wire: Wire, transport: 'http' | 'stdio'): Agent {
  return family === 'handshake' ? new HandshakeAgent(wire) : new ModernAgent(wire, transport === 'http');
}
