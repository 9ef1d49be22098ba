import { createHash, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, connect as connectTcp, type Socket } from 'node:net';
import { PassThrough } from 'node:stream';
import {
  connect as connectTls,
  createServer as createTlsServer,
  type SecureVersion,
  type Server as TlsServer,
} from 'node:tls';
import {
  decodeBase64Url,
  isObject,
  type JsonObject,
  type LiveExpectations,
  type LiveStatement,
  member,
  parseJson,
  writeLiveDocument,
} from '@cmcp/evidence';
import { runConnect } from '../../packages/cli/src/connect/run.ts';
import { answer, expected, statementOf } from '../../packages/evidence/src/testing/live.ts';
import { newKey, type TestKey } from '../../packages/evidence/src/testing/session.ts';
import { readLines } from '../../packages/gateway/src/ingress/lines.ts';
import type { Timers } from '../../packages/gateway/src/timers.ts';
import { selfSigned, type TestCertificate } from './certificate.ts';

/** The credential that must not leave before a check. */
export const TOKEN = 'the-credential-of-the-agent';

/** `sha256:…` over the SubjectPublicKeyInfo of a certificate's key. */
export function keyOf({ cert }: TestCertificate): string {
  const spki = new X509Certificate(cert).publicKey.export({ type: 'spki', format: 'der' });
  return `sha256:${createHash('sha256').update(spki).digest('hex')}`;
}

/** A TLS listener in front of something, that keeps every application byte that clients sent, a connection at a time. */
export class Front {
  /** What was received on each connection whose handshake was completed, in order. */
  readonly received: string[] = [];
  /** All that was received, in the order of time. */
  bytes = '';
  /** Connections that were begun, whatever became of them. */
  accepted = 0;
  readonly #server: TlsServer;
  readonly #sockets = new Set<Socket>();
  readonly #clients: Socket[] = [];

  constructor(certificate: TestCertificate, behind: () => Socket, maxVersion: SecureVersion = 'TLSv1.3') {
    this.#server = createTlsServer({ key: certificate.key, cert: certificate.cert, maxVersion }, (socket) => {
      this.#clients.push(socket);
      socket.on('close', () => this.#clients.splice(this.#clients.indexOf(socket), 1));
      const at = this.received.push('') - 1;
      const inner = behind();
      for (const each of [socket, inner]) {
        this.#sockets.add(each);
        each.on('error', () => {});
        each.on('close', () => this.#sockets.delete(each));
      }
      socket.on('data', (chunk: Buffer) => {
        this.received[at] += chunk.toString('latin1');
        this.bytes += chunk.toString('latin1');
      });
      socket.pipe(inner).pipe(socket);
    });
    this.#server.on('connection', (socket: Socket) => {
      this.accepted += 1;
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
    });
    this.#server.on('tlsClientError', () => {});
  }

  async listen(port = 0): Promise<this> {
    this.#server.listen(port, '127.0.0.1');
    await once(this.#server, 'listening');
    return this;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): URL {
    return new URL(`https://127.0.0.1:${this.port}/mcp`);
  }

  /** From now on new connections end at another key. */
  present({ cert, key }: TestCertificate): void {
    this.#server.setSecureContext({ cert, key });
  }

  /** Connections of clients that are open. */
  get open(): number {
    return this.#clients.length;
  }

  /** Ends the connection that is open the longest. */
  dropFirst(): void {
    this.#clients[0]?.destroy();
  }

  /** Ends every connection, as a gateway that restarts does. */
  drop(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async close(): Promise<void> {
    this.drop();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }
}

export interface Received {
  method: string;
  headers: IncomingMessage['headers'];
  message: JsonObject;
  response: ServerResponse;
}

/** A gateway that a test scripts: it attests itself properly unless told otherwise, and answers as the test says. */
export class AttestedGateway {
  readonly key: TestKey;
  readonly certificate: TestCertificate;
  readonly front: Front;
  /** Changes what is stated; by default the truth. */
  state: (statement: LiveStatement) => LiveStatement = (statement) => statement;
  /** Answers the question for the attestation in another way; true when it did. */
  attest: (request: IncomingMessage, response: ServerResponse) => boolean = () => false;
  onMcp: (received: Received) => void = ({ response }) => response.writeHead(500).end();
  attested = 0;
  /** Seconds since the epoch. */
  now: () => number = () => Math.floor(Date.now() / 1000);
  readonly #server: Server;

  private constructor(key: TestKey, certificate: TestCertificate) {
    this.key = key;
    this.certificate = certificate;
    this.#server = createServer((request, response) => void this.#serve(request, response));
    this.front = new Front(certificate, () => connectTcp((this.#server.address() as AddressInfo).port, '127.0.0.1'));
  }

  static async start(): Promise<AttestedGateway> {
    const gateway = new AttestedGateway(await newKey(), selfSigned('gateway'));
    gateway.#server.listen(0, '127.0.0.1');
    await once(gateway.#server, 'listening');
    await gateway.front.listen();
    return gateway;
  }

  /** Where it serves without TLS. */
  get plainUrl(): URL {
    return new URL(`http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/mcp`);
  }

  /** What a careful client expects of it; the key is a software key, and that is accepted. */
  get expectations(): LiveExpectations {
    return { ...expected(this.key), acceptSoftware: true };
  }

  /** A TLS-terminating relay in front of it, with a key of its own. */
  relay(): Promise<Front> {
    const behind = (): Socket => connectTls({ port: this.front.port, host: '127.0.0.1', rejectUnauthorized: false });
    return new Front(selfSigned('relay'), behind).listen();
  }

  async close(): Promise<void> {
    await this.front.close();
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '', 'http://gateway');
    if (url.pathname !== '/mcp') return this.#attest(url, request, response);
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks);
    const message = body.length === 0 ? {} : parseJson(body);
    if (!isObject(message)) throw new Error('no object was sent');
    this.onMcp({ method: request.method ?? '', headers: request.headers, message, response });
  }

  async #attest(url: URL, request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.attested += 1;
    if (this.attest(request, response)) return;
    response.writeHead(200, { 'content-type': 'application/eat-ucs+json' }).end(await this.document(url));
  }

  /** The document that answers the challenge in `url`. */
  async document(url: URL): Promise<string> {
    const nonce = url.searchParams.get('nonce') ?? '';
    decodeBase64Url(nonce);
    const truth = statementOf(this.key, { nonce, iat: this.now(), tls_spki: keyOf(this.certificate) });
    return writeLiveDocument(await answer(this.key, this.state(truth)));
  }
}

/** A bridge in this process, and its client's end. */
export class Bridged {
  readonly input = new PassThrough();
  readonly output = new PassThrough();
  readonly said: string[] = [];
  readonly done: Promise<number>;
  readonly #stop = new AbortController();
  readonly #lines = readLines(this.output, 100_000_000);

  constructor(
    url: URL,
    expectations: LiveExpectations,
    more: { time?: Timers & { nowMicros(): number }; reverifyMs?: number; authorities?: string[] } = {},
  ) {
    const { time, reverifyMs = null, authorities = 'none' } = more;
    this.done = runConnect(
      { url, expectations, token: TOKEN, authorities, reverifyMs },
      {
        input: this.input,
        output: this.output,
        clock: time ?? { nowMicros: () => Date.now() * 1000 },
        timers: time ?? REAL,
        randomBytes: (length) => crypto.getRandomValues(new Uint8Array(length)),
        signal: this.#stop.signal,
        say: (event, detail) => this.said.push(`${event}: ${detail}`),
      },
    );
  }

  send(message: JsonObject | string): void {
    this.input.write(`${typeof message === 'string' ? message : JSON.stringify(message)}\n`);
  }

  /** The next message to the client. */
  async next(): Promise<JsonObject> {
    const { value } = await this.#lines.next();
    if (value === undefined || 'tooLong' in value) throw new Error('the bridge said nothing more');
    const message = parseJson(value.bytes);
    if (!isObject(message)) throw new Error('a message is an object');
    return message;
  }

  async ask(message: JsonObject): Promise<JsonObject> {
    this.send(message);
    return this.next();
  }

  /** The client closes its end. */
  async end(): Promise<number> {
    this.input.end();
    this.output.resume();
    return this.done;
  }

  /** As a signal does. */
  stop(): Promise<number> {
    this.#stop.abort();
    this.output.resume();
    return this.done;
  }
}

const REAL: Timers = {
  after(ms, run) {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
  every(ms, run) {
    const timer = setInterval(run, ms);
    return () => clearInterval(timer);
  },
};

/** The text of an error answer. */
export function errorText(message: JsonObject): string {
  const error = member(message, 'error');
  const text = isObject(error) ? member(error, 'message') : undefined;
  return typeof text === 'string' ? text : '';
}
