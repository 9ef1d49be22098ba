import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isObject, type JsonObject, member, parseJson } from '@cmcp/evidence';
import { AGENT_TOKEN } from './gateway.ts';
import { type Answered, modern, type Sent, send } from './ingress.ts';
import { type ChildOptions, MeasuredGateway } from './measured-gateway.ts';
import { type OpenFolder, type OpenServer, openFolder } from './open-folder.ts';
import type { Held } from './process-view.ts';
import { answerJson, fakeHttp, opening, type Received, resultFor, scripted, textResult } from './upstreams.ts';

/** What a test needs of its context. */
interface Cleanup {
  after(run: () => Promise<void> | void): void;
}

/** A server that does something that it should not. Its one tool is `t`, approved under the server's own name. */
export type BadServer = (
  | {
      family: 'handshake' | 'modern';
      /** Takes what is not part of a proper opening. */
      handle: (received: Received) => void;
      /** Takes every message, the opening too; true when it answered. */
      instead?: (received: Received) => boolean;
      capabilities?: JsonObject;
    }
  /** A stdio server, as `scripted` takes it. */
  | { script: string }
  /** No server at all. */
  | { url: string }
) &
  Pick<OpenServer, 'asks' | 'resources'> & {
    /** How long it is waited for; 10 s unless said otherwise. */
    timeout?: string;
  };

/** How a request ended: `result`, or the code of the error. */
export interface Ended {
  code: string;
  /** The whole message. */
  message: JsonObject;
  /** What was said before it, on a stream. */
  before: JsonObject[];
}

const GOOD = ['good-http', 'good-stdio'] as const;
export const CREDENTIAL = `Bearer ${AGENT_TOKEN}`;

/** One gateway in front of two good servers and any number of bad ones. */
export class BadCompany {
  readonly gateway: MeasuredGateway;
  /** What each HTTP server received. */
  readonly received: ReadonlyMap<string, readonly Received[]>;
  /** Where session files are stored. */
  readonly sessions: string;
  readonly #folder: string;

  private constructor(gateway: MeasuredGateway, folder: OpenFolder, received: Map<string, Received[]>) {
    this.gateway = gateway;
    this.sessions = folder.sessions;
    this.#folder = folder.path;
    this.received = received;
  }

  /** @param config lines of cmcp.yaml beside those about the servers */
  static async meet(
    t: Cleanup,
    bad: Readonly<Record<string, BadServer>>,
    { config = [], ...options }: ChildOptions & { config?: string[] } = {},
  ): Promise<BadCompany> {
    const received = new Map<string, Received[]>();
    const servers: OpenServer[] = [];
    const folder = await openFolder([], []);
    const good: Record<string, BadServer> = {
      'good-http': { family: 'modern', handle: answersWell },
      'good-stdio': { script: '' },
    };
    for (const [id, server] of Object.entries({ ...good, ...bad })) {
      const transport = await transportOf(t, id, server, folder.path, received);
      servers.push({ ...server, id, transport, tools: { [id]: 't' } });
    }
    const timeouts = Object.entries(bad).map(([id, { timeout = '10s' }]) => `${id}: { timeout: ${timeout} }`);
    await folder.write(servers, [`upstreams: { ${timeouts.join(', ')} }`, ...config]);
    const gateway = await MeasuredGateway.start(folder.configFile, options);
    t.after(async () => {
      await gateway.close();
      await folder.remove();
    });
    return new BadCompany(gateway, folder, received);
  }

  /** A request of a stateless client, as far as its headers follow from it. */
  async ask(sent: Sent): Promise<Ended> {
    return endOf(await send(this.gateway.port, { credential: CREDENTIAL, ...sent }));
  }

  call(name: string, meta: JsonObject = {}, more: JsonObject = {}): Promise<Ended> {
    const request = modern('tools/call', { name, arguments: {}, ...more });
    const { params } = request.body as { params: { _meta: JsonObject } };
    Object.assign(params._meta, meta);
    return this.ask(request);
  }

  /** LIFE-03: the other servers answer as ever. */
  async othersAnswer(): Promise<void> {
    for (const { code } of await Promise.all(GOOD.map((name) => this.call(name)))) assert.equal(code, 'result');
  }

  /** How many calls reached a server. */
  async calls(id: string): Promise<number> {
    const over = this.received.get(id)?.filter(({ message }) => message.method === 'tools/call').length;
    return over ?? (await readFile(join(this.#folder, id), 'utf8').catch(() => '')).length;
  }

  /** What the gateway holds while nothing happens, once every server was asked for what it offers. */
  async atRest(): Promise<Held> {
    await this.othersAnswer();
    await this.gateway.until(({ clients, upstreams }) => clients === 0 && upstreams === 0);
    return this.gateway.held();
  }
}

function answersWell({ message, response }: Received): void {
  answerJson(response, resultFor(message, { resultType: 'complete', ...(textResult('well') as object) }));
}

async function transportOf(
  t: Cleanup,
  id: string,
  server: BadServer,
  folder: string,
  received: Map<string, Received[]>,
): Promise<OpenServer['transport']> {
  if ('url' in server) return { kind: 'http', url: server.url, tlsFingerprint: null };
  if ('script' in server) return scripted(`${server.script}\n${COUNTING(join(folder, id))}`);
  const open = opening(server.family, server.capabilities);
  const http = await fakeHttp(t, (request) => {
    // Connections are not kept, so that those which are open belong to something.
    request.response.shouldKeepAlive = false;
    if (server.instead?.(request) !== true && !open(request)) server.handle(request);
  });
  received.set(id, http.received);
  return http.transport;
}

/** Leaves a byte in a file for each call. */
const COUNTING = (file: string): string => `
const answering = on.call;
on.call = (m) => { require('node:fs').appendFileSync(${JSON.stringify(file)}, '.'); answering(m); };
`;

/** How an answer ended, as a body or as a stream. */
export function endOf({ text, headers }: Answered): Ended {
  const stream = String(headers['content-type']).startsWith('text/event-stream');
  const texts = stream ? [...text.matchAll(/^data: (.+)$/gm)].map(([, data = '']) => data) : [text];
  const messages = texts.map((each) => parseJson(Buffer.from(each))).filter((each) => isObject(each));
  const message = messages.pop() ?? {};
  const error = member(message, 'error');
  const data = isObject(error) ? member(error, 'data') : undefined;
  const code = isObject(data) ? String(member(data, 'error_code')) : 'result';
  return { code: isObject(member(message, 'result')) ? 'result' : code, message, before: messages };
}
