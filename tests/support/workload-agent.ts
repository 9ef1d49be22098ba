import { rm } from 'node:fs/promises';
import { Server, ServerCredentials, type ServerWritableStream } from '@grpc/grpc-js';

type Stream = ServerWritableStream<Buffer, Buffer>;

/** A field of a length, as protocol buffers write it. */
export function field(number: number, content: Uint8Array | string): Buffer {
  const bytes = Buffer.from(content);
  return Buffer.concat([varint(number * 8 + 2), varint(bytes.length), bytes]);
}

function varint(value: number): Buffer {
  const octets: number[] = [];
  let rest = value;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) octets.push((rest % 0x80) | 0x80);
  return Buffer.from([...octets, rest]);
}

/** An entry of `map<string, bytes>`. */
export function entry(number: number, key: string, value: Uint8Array | string): Buffer {
  return field(number, Buffer.concat([field(1, key), field(2, value)]));
}

export const METHODS = ['FetchX509Bundles', 'FetchJWTBundles'] as const;
type Method = (typeof METHODS)[number];

/** A SPIFFE agent at a Unix socket: it says what a test says, to everybody who asks and is asking. */
export class WorkloadAgent {
  readonly socket: string;
  /** Calls that came without the header that the specification asks for. */
  forged = 0;
  readonly #said: Record<Method, Buffer | null> = { FetchX509Bundles: null, FetchJWTBundles: null };
  readonly #streams: Record<Method, Set<Stream>> = { FetchX509Bundles: new Set(), FetchJWTBundles: new Set() };
  #server: Server | null = null;

  constructor(socket: string) {
    this.socket = socket;
  }

  async start(): Promise<void> {
    await rm(this.socket, { force: true });
    const server = new Server();
    const bytes = (given: Buffer): Buffer => given;
    const codec = {
      requestSerialize: bytes,
      requestDeserialize: bytes,
      responseSerialize: bytes,
      responseDeserialize: bytes,
    };
    const definition = Object.fromEntries(
      METHODS.map((name) => [
        name,
        { path: `/SpiffeWorkloadAPI/${name}`, requestStream: false, responseStream: true, ...codec },
      ]),
    );
    const answers = METHODS.map((name) => [name, (stream: Stream) => this.#serve(name, stream)]);
    server.addService(definition, Object.fromEntries(answers));
    await new Promise<void>((resolve, reject) => {
      server.bindAsync(`unix:${this.socket}`, ServerCredentials.createInsecure(), (error) =>
        error === null ? resolve() : reject(error),
      );
    });
    this.#server = server;
  }

  /** What it says from now on. */
  say(method: Method, message: Buffer): void {
    this.#said[method] = message;
    for (const stream of this.#streams[method]) stream.write(message);
  }

  /** Gone, with every stream, at once. */
  async stop(): Promise<void> {
    this.#server?.forceShutdown();
    this.#server = null;
    await rm(this.socket, { force: true });
  }

  #serve(method: Method, stream: Stream): void {
    if (stream.metadata.get('workload.spiffe.io')[0] !== 'true') {
      this.forged += 1;
      stream.destroy();
      return;
    }
    this.#streams[method].add(stream);
    stream.on('close', () => this.#streams[method].delete(stream));
    const said = this.#said[method];
    if (said !== null) stream.write(said);
  }
}
