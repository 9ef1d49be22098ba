import { Inbox } from './inbox.ts';
import { type Family, HANDSHAKE_VERSION, type Message, MODERN_VERSION, type RpcError, type Values } from './wire.ts';

/** What an agent answers when it is asked: a result, a refusal, or never. */
export type Answering = (asked: { method: string; params: Values }) => Values | RpcError | Promise<Values | RpcError>;

export interface Reply {
  result?: Values;
  error?: RpcError;
}

export interface Started {
  id: number;
  reply: Promise<Reply>;
  /** Takes the request back as the family does. */
  cancel: () => Promise<void>;
}

interface AgentOptions {
  token: string;
  capabilities?: Values;
  answer?: Answering;
}

/** Everything that a client can declare. */
export const ABLE: Values = {
  elicitation: { form: {}, url: {} },
  sampling: { tools: {}, context: {} },
  roots: {},
  extensions: { 'io.modelcontextprotocol/tasks': {} },
};

const NAMED: Record<string, string> = {
  'tools/call': 'name',
  'prompts/get': 'name',
  'resources/read': 'uri',
  'tasks/get': 'taskId',
  'tasks/update': 'taskId',
  'tasks/cancel': 'taskId',
};

/** An agent of either family over plain HTTP, which says and hears exactly what a test wants. */
export class Agent {
  readonly family: Family;
  /** Questions that reached it. */
  readonly asked = new Inbox<{ method: string; params: Values }>();
  /** Notifications that reached it: of its requests, and of what it listens to. */
  readonly heard = new Inbox<{ method: string; params: Values }>();
  /** Every byte that the gateway sent it, as text. */
  readonly bodies: string[] = [];
  /** Resolves when the gateway ends what the agent listens to. */
  over: Promise<void> = Promise.resolve();
  answer: Answering;
  capabilities: Values;
  token: string;
  /** The transport session that it names. */
  session: string | null = null;
  readonly #url: URL;
  #ids = 0;
  readonly #streams = new Set<AbortController>();

  constructor(url: URL, family: Family, { token, capabilities = {}, answer }: AgentOptions) {
    this.#url = url;
    this.family = family;
    this.token = token;
    this.capabilities = capabilities;
    this.answer = answer ?? (() => ({ code: -32601, message: 'not answered' }));
  }

  /** Shakes hands where the family does; resolves with what the gateway says of itself. */
  async open(): Promise<Values> {
    if (this.family === 'modern') return (await this.request('server/discover')).result ?? {};
    const params = {
      protocolVersion: HANDSHAKE_VERSION,
      capabilities: this.capabilities,
      clientInfo: { name: 'agent', version: '1' },
    };
    const reply = await this.request('initialize', params);
    await this.#post({ jsonrpc: '2.0', method: 'notifications/initialized' });
    return reply.result ?? {};
  }

  /** One request and its reply, which in 2026-07-28 may be an interim one. */
  async request(method: string, params: Values = {}, meta: Values = {}): Promise<Reply> {
    return await this.start(method, params, meta).reply;
  }

  /** A request all the way: in 2026-07-28 interim answers are answered, as often as they come. */
  async complete(method: string, params: Values = {}, meta: Values = {}): Promise<Reply> {
    let reply = await this.request(method, params, meta);
    while (reply.result?.resultType === 'input_required') {
      reply = await this.request(method, { ...params, ...(await this.answers(reply.result)) }, meta);
    }
    return reply;
  }

  /** What a client comes back with after an interim answer. */
  async answers({ inputRequests = {}, requestState }: Values): Promise<Values> {
    const inputResponses: Values = {};
    for (const [key, question] of Object.entries(inputRequests as Record<string, { method: string; params: Values }>)) {
      this.asked.push(question);
      const answer = await this.answer(question);
      if (!isError(answer)) inputResponses[key] = answer;
    }
    return { inputResponses, ...(requestState === undefined ? {} : { requestState }) };
  }

  start(method: string, params: Values = {}, meta: Values = {}): Started {
    const id = ++this.#ids;
    const abort = new AbortController();
    const whole = this.family === 'modern' ? this.#enveloped(params, meta) : withMeta(params, meta);
    const reply = this.#post({ jsonrpc: '2.0', id, method, params: whole }, abort.signal);
    reply.catch(() => undefined);
    return {
      id,
      reply,
      cancel: async () => {
        if (this.family === 'modern') abort.abort();
        else await this.#post({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: id } });
      },
    };
  }

  /** Hears what belongs to no request: a GET, or `subscriptions/listen`. Resolves once the gateway is listening. */
  async listen(filter: Values = {}): Promise<Values> {
    const abort = new AbortController();
    this.#streams.add(abort);
    if (this.family === 'handshake') {
      const response = await fetch(this.#url, {
        headers: { ...this.#headers(), accept: 'text/event-stream' },
        signal: abort.signal,
      });
      this.over = this.#events(response, -1).then(
        () => undefined,
        () => undefined,
      );
      return {};
    }
    const method = 'subscriptions/listen';
    const id = ++this.#ids;
    const acknowledged = this.heard.first(({ method: name }) => name === 'notifications/subscriptions/acknowledged');
    this.over = this.#post(
      { jsonrpc: '2.0', id, method, params: this.#enveloped({ notifications: filter }, {}) },
      abort.signal,
    ).then(
      () => undefined,
      () => undefined,
    );
    return (await acknowledged).params;
  }

  /** Ends the session as the handshake family does. */
  async end(): Promise<void> {
    for (const stream of this.#streams) stream.abort();
    if (this.session !== null) await fetch(this.#url, { method: 'DELETE', headers: this.#headers() });
  }

  #enveloped(params: Values, meta: Values): Values {
    return withMeta(params, {
      'io.modelcontextprotocol/protocolVersion': MODERN_VERSION,
      'io.modelcontextprotocol/clientInfo': { name: 'agent', version: '1' },
      'io.modelcontextprotocol/clientCapabilities': this.capabilities,
      ...meta,
    });
  }

  #headers(message: Message = {}): Record<string, string> {
    const { method = '', params = {} } = message;
    const headers: Record<string, string> = {
      authorization: `Bearer ${this.token}`,
      accept: 'application/json, text/event-stream',
    };
    if (this.session !== null) headers['mcp-session-id'] = this.session;
    if (this.family === 'handshake') return headers;
    headers['mcp-protocol-version'] = MODERN_VERSION;
    headers['mcp-method'] = method;
    const name = params[NAMED[method] ?? ''];
    if (typeof name === 'string') headers['mcp-name'] = headerValue(name);
    return headers;
  }

  async #post(message: Message, signal?: AbortSignal): Promise<Reply> {
    const response = await fetch(this.#url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...this.#headers(message) },
      body: JSON.stringify(message),
      signal: signal ?? null,
    });
    this.session = response.headers.get('mcp-session-id') ?? this.session;
    if (response.headers.get('content-type')?.startsWith('text/event-stream')) {
      return await this.#events(response, message.id ?? null);
    }
    const text = await response.text();
    this.bodies.push(text);
    return text === '' ? {} : (JSON.parse(text) as Reply);
  }

  /** Takes what comes on a stream; resolves with the reply to `id`. */
  async #events(response: Response, id: Message['id'] | null): Promise<Reply> {
    const decoder = new TextDecoder();
    let text = '';
    for await (const chunk of response.body ?? []) {
      text += decoder.decode(chunk, { stream: true });
      const events = text.split('\n\n');
      text = events.pop() ?? '';
      for (const event of events) {
        const data = event
          .split('\n')
          .filter((line) => line.startsWith('data:'))
          .map((line) => line.slice(5))
          .join('\n')
          .trim();
        if (data === '') continue;
        this.bodies.push(data);
        const message = JSON.parse(data) as Message;
        if (message.method === undefined && message.id === id) return message as Reply;
        this.#take(message);
      }
    }
    throw new Error('the stream ended without a reply');
  }

  #take({ id, method, params = {} }: Message): void {
    if (method === undefined) return;
    if (id === undefined) {
      this.heard.push({ method, params });
      return;
    }
    if (method === 'ping') return void this.#post({ jsonrpc: '2.0', id, result: {} });
    this.asked.push({ method, params });
    void (async () => {
      const answer = await this.answer({ method, params });
      const outcome = isError(answer) ? { error: answer } : { result: answer };
      await this.#post({ jsonrpc: '2.0', id, ...outcome } as Message);
    })().catch(() => undefined);
  }
}

const isError = (answer: Values | RpcError): answer is RpcError =>
  typeof answer.code === 'number' && typeof answer.message === 'string';

const withMeta = (params: Values, meta: Values): Values =>
  Object.keys(meta).length === 0 ? params : { ...params, _meta: { ...(params._meta as Values | undefined), ...meta } };

/** As the revision writes a value that a header field cannot carry. */
const headerValue = (value: string): string =>
  /^[!-~](?:[ -~]*[!-~])?$/.test(value) ? value : `=?base64?${Buffer.from(value).toString('base64')}?=`;
