import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type AddressInfo, createServer as createSocketServer, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { Inbox } from './inbox.ts';
import { type Family, type Message, MODERN_VERSION, type RpcError, type Values } from './wire.ts';

/** An answer to what a server asked: the client's result, or the refusal that it was told. */
export interface Answer {
  result?: Values;
  error?: RpcError;
}

interface Question {
  method: string;
  params: Values;
}

/** One request as a script of the server sees it. */
export interface Moment {
  method: string;
  params: Values;
  /** Asks the other side, in whichever way the family has; in 2026-07-28 the script is run again once the answer is there. */
  ask(key: string, method: string, params?: Values): Promise<Answer>;
  /** As {@link ask}, several at once. */
  askAll(questions: Record<string, Question>): Promise<Record<string, Answer>>;
  /** Says something of this request before its answer. */
  notify(method: string, params: Values): void;
  progress(progress: number, message?: string, total?: number): void;
  log(level: string, data: unknown): void;
  /** Resolves when the gateway no longer wants the answer. */
  gone: Promise<void>;
}

type Script = (moment: Moment) => Values | Promise<Values>;

/** Thrown by a script: the request is answered with this JSON-RPC error. */
export class PeerError extends Error {
  readonly error: RpcError;
  constructor(error: RpcError) {
    super(error.message);
    this.error = error;
  }
}

/** Thrown by a script of 2026-07-28 that waits for more: the interim answer. */
class Interim extends Error {
  readonly result: Values;
  constructor(inputRequests: Values, requestState: string) {
    super('input required');
    this.result = { resultType: 'input_required', inputRequests, requestState };
  }
}

interface Way {
  send(message: Values): void;
  /** The last of this request. */
  end(message: Values): void;
  gone: Promise<void>;
}

export const STATE_PREFIX = 'the-servers-own-state:';

/**
 * A real MCP server whose behaviour a test writes, in either revision family, over Streamable HTTP or stdio. It records all
 * that reached it. A script is the same for both families.
 */
export class PeerServer {
  readonly family: Family;
  readonly transport: 'http' | 'stdio';
  /** What lists hold, by method. */
  readonly lists: Record<string, Values[]> = {
    'tools/list': [],
    'resources/list': [],
    'resources/templates/list': [],
    'prompts/list': [],
  };
  instructions: string | null = null;
  capabilities: Values = {
    tools: { listChanged: true },
    resources: { subscribe: true, listChanged: true },
    prompts: { listChanged: true },
    completions: {},
    logging: {},
    extensions: { 'io.modelcontextprotocol/tasks': {} },
  };
  readonly scripts = new Map<string, Script>();
  /** Requests and notifications that reached the server, apart from those that open a connection. */
  readonly received = new Inbox<{ method: string; params: Values }>();
  /** What came with each request that opened a connection. */
  readonly openings: Values[] = [];
  /** Runs before a list is told. */
  listing: (method: string) => void | Promise<void> = () => undefined;
  #port = 0;
  #ids = 0;
  readonly #answers = new Map<string, (answer: Answer) => void>();
  /** Where announcements go: the standing stream of the handshake, or the subscriptions of 2026-07-28. */
  readonly #listening = new Map<unknown, (message: Values) => void>();
  readonly #opened = new Inbox<true>();
  readonly #cancels = new Map<unknown, () => void>();
  readonly #sockets = new Set<Socket>();
  readonly #http = createHttpServer((request, response) => {
    this.#serve(request, response).catch((error: unknown) => response.destroy(error as Error));
  });
  readonly #pipe = createSocketServer((socket) => this.#serveLines(socket));

  constructor(family: Family, transport: 'http' | 'stdio') {
    this.family = family;
    this.transport = transport;
  }

  on(method: string, script: Script): this {
    this.scripts.set(method, script);
    return this;
  }

  /** What reached the server of one method. */
  sent(method: string): Values[] {
    return this.received.items.filter((each) => each.method === method).map(({ params }) => params);
  }

  async listen(): Promise<this> {
    const server = this.transport === 'http' ? this.#http : this.#pipe;
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    this.#port = (server.address() as AddressInfo).port;
    return this;
  }

  /** How the catalog says to reach it. A stdio server is a child that joins its pipes to this process. */
  get catalogTransport(): Values {
    if (this.transport === 'http') return { transport: 'streamable-http', url: `http://127.0.0.1:${this.#port}/mcp` };
    const join = `const s=require('node:net').connect(${this.#port},'127.0.0.1');process.stdin.pipe(s);s.pipe(process.stdout);s.on('close',()=>process.exit())`;
    return { transport: 'stdio', spawn: { command: process.execPath, args: ['-e', join] } };
  }

  async close(): Promise<void> {
    this.#http.closeAllConnections();
    for (const socket of this.#sockets) socket.destroy();
    const open = this.transport === 'http' ? this.#http : this.#pipe;
    await new Promise((resolve) => open.close(resolve));
  }

  /** Says something that belongs to no request, once somebody listens. */
  async announce(method: string, params: Values = {}): Promise<void> {
    await this.#opened.first();
    for (const [id, send] of this.#listening) {
      const meta = this.family === 'modern' ? { _meta: { 'io.modelcontextprotocol/subscriptionId': id } } : {};
      send({ jsonrpc: '2.0', method, params: { ...params, ...meta } });
    }
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.method === 'DELETE') return void response.writeHead(200).end();
    if (request.method === 'GET') return this.#stand(response);
    const chunks: Buffer[] = [];
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    const message = JSON.parse(Buffer.concat(chunks).toString()) as Message;
    if (message.method === undefined || message.id === undefined) {
      this.#heard(message);
      return void response.writeHead(202).end();
    }
    await this.#answer(message, httpWay(response));
  }

  #stand(response: ServerResponse): void {
    if (this.family === 'modern') return void response.writeHead(405).end();
    const way = httpWay(response);
    response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders();
    this.#hears('standing', way);
  }

  #hears(id: unknown, way: Way): void {
    const send = (message: Values): void => way.send(message);
    this.#listening.set(id, send);
    // A gateway that activates opens the next stream before it lets the last one go.
    void way.gone.then(() => {
      if (this.#listening.get(id) === send) this.#listening.delete(id);
    });
    this.#opened.push(true);
  }

  #serveLines(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('error', () => socket.destroy());
    const send = (message: Values): void => void socket.write(`${JSON.stringify(message)}\n`);
    const gone = new Promise<void>((resolve) => socket.once('close', () => resolve()));
    createInterface({ input: socket }).on('line', (line) => {
      const message = JSON.parse(line) as Message;
      if (message.method === undefined || message.id === undefined) return this.#heard(message);
      const cancelled = new Promise<void>((resolve) => this.#cancels.set(message.id, resolve));
      void this.#answer(message, { send, end: send, gone: Promise.race([gone, cancelled]) });
      if (message.method === 'initialize') this.#hears('standing', { send, end: send, gone });
    });
  }

  #heard({ id, method, params = {}, result, error }: Message): void {
    if (method === undefined) {
      this.#answers.get(String(id))?.({ ...(result && { result }), ...(error && { error }) });
      return;
    }
    this.received.push({ method, params });
    if (method === 'notifications/cancelled') this.#cancels.get(params.requestId)?.();
  }

  async #answer(message: Message, way: Way): Promise<void> {
    const { id, method = '', params = {} } = message;
    const cancelled = new Promise<void>((resolve) => {
      const before = this.#cancels.get(id);
      this.#cancels.set(id, () => {
        before?.();
        resolve();
      });
    });
    if (method === 'subscriptions/listen') return this.#subscribe(message, way);
    const outcome = await this.#outcome(method, params, way, cancelled).catch((error: unknown) => {
      if (error instanceof Interim) return { result: error.result };
      if (error instanceof PeerError) return { error: error.error };
      return { error: { code: -32603, message: String(error) } };
    });
    way.end({ jsonrpc: '2.0', id, ...outcome });
  }

  #subscribe({ id, params = {} }: Message, way: Way): void {
    this.received.push({ method: 'subscriptions/listen', params });
    const meta = { 'io.modelcontextprotocol/subscriptionId': id };
    way.send({
      jsonrpc: '2.0',
      method: 'notifications/subscriptions/acknowledged',
      params: { _meta: meta, notifications: params.notifications },
    });
    this.#hears(id, way);
  }

  async #outcome(method: string, params: Values, way: Way, cancelled: Promise<void>): Promise<Values> {
    const opening = this.#opening(method);
    if (opening !== null) {
      this.openings.push(params);
      return opening;
    }
    if (method === 'ping') return { result: {} };
    this.received.push({ method, params });
    const list = this.lists[method];
    if (list !== undefined) {
      await this.listing(method);
      const key = { 'tools/list': 'tools', 'prompts/list': 'prompts', 'resources/list': 'resources' }[method];
      return { result: { [key ?? 'resourceTemplates']: list } };
    }
    const script = this.scripts.get(method);
    if (script === undefined) {
      const plain = ['resources/subscribe', 'resources/unsubscribe', 'logging/setLevel'].includes(method);
      return plain ? { result: {} } : { error: { code: -32601, message: 'Method not found' } };
    }
    const result = await script(this.#moment(method, params, way, cancelled));
    return { result };
  }

  #opening(method: string): Values | null {
    const serverInfo = { name: 'peer', version: '1' };
    const stated = {
      capabilities: this.capabilities,
      ...(this.instructions === null ? {} : { instructions: this.instructions }),
    };
    if (method === 'server/discover' && this.family === 'modern') {
      const discovered = { resultType: 'complete', ttlMs: 0, cacheScope: 'private' };
      return { result: { supportedVersions: [MODERN_VERSION], ...stated, ...discovered } };
    }
    if (method === 'initialize' && this.family === 'handshake') {
      return { result: { protocolVersion: '2025-11-25', serverInfo, ...stated } };
    }
    return method === 'server/discover' ? { error: { code: -32601, message: 'Method not found' } } : null;
  }

  #moment(method: string, params: Values, way: Way, cancelled: Promise<void>): Moment {
    const token = (params._meta as Values | undefined)?.progressToken;
    const notify = (name: string, said: Values): void => way.send({ jsonrpc: '2.0', method: name, params: said });
    const askAll: Moment['askAll'] = (questions) =>
      this.family === 'modern' ? askByRound(params, questions) : this.#askLive(way, questions);
    return {
      method,
      params,
      askAll,
      ask: async (key, asked, said = {}) => {
        const answers = await askAll({ [key]: { method: asked, params: said } });
        return answers[key] ?? {};
      },
      notify,
      progress: (progress, message, total) =>
        notify('notifications/progress', {
          progressToken: token,
          progress,
          ...(total === undefined ? {} : { total }),
          ...(message === undefined ? {} : { message }),
        }),
      log: (level, data) => notify('notifications/message', { level, data }),
      gone: Promise.race([way.gone, cancelled]),
    };
  }

  async #askLive(way: Way, questions: Record<string, Question>): Promise<Record<string, Answer>> {
    const asked = Object.entries(questions).map(async ([key, { method, params }]): Promise<[string, Answer]> => {
      const id = `ask-of-the-server-${++this.#ids}`;
      const answer = new Promise<Answer>((resolve) => this.#answers.set(id, resolve));
      way.send({ jsonrpc: '2.0', id, method, params });
      return [key, await answer];
    });
    return Object.fromEntries(await Promise.all(asked));
  }
}

/** The script is run from its beginning in each round; what was answered before is in the state. */
function askByRound(params: Values, questions: Record<string, Question>): Promise<Record<string, Answer>> {
  const state = typeof params.requestState === 'string' ? params.requestState : `${STATE_PREFIX}{}`;
  const before = JSON.parse(state.slice(STATE_PREFIX.length)) as Values;
  const answers = { ...before, ...((params.inputResponses ?? {}) as Values) };
  if (Object.keys(questions).every((key) => Object.hasOwn(answers, key))) {
    const taken = Object.keys(questions).map((key) => [key, { result: answers[key] as Values }]);
    return Promise.resolve(Object.fromEntries(taken) as Record<string, Answer>);
  }
  return Promise.reject(new Interim(questions as unknown as Values, `${STATE_PREFIX}${JSON.stringify(answers)}`));
}

/** A body of JSON, or, once something is said before the answer, a stream. */
function httpWay(response: ServerResponse): Way {
  const session = { 'mcp-session-id': 'peer' };
  const event = (message: Values): void => {
    if (!response.headersSent) response.writeHead(200, { 'content-type': 'text/event-stream', ...session });
    response.write(`data: ${JSON.stringify(message)}\n\n`);
  };
  return {
    send: event,
    end: (message) => {
      if (response.headersSent) {
        event(message);
        response.end();
      } else {
        response.writeHead(200, { 'content-type': 'application/json', ...session }).end(JSON.stringify(message));
      }
    },
    gone: new Promise((resolve) => response.once('close', () => resolve())),
  };
}
