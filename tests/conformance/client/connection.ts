import { Client, StreamableHTTPClientTransport, UnauthorizedError } from '@modelcontextprotocol/client';
import { Authorization, type KnownClient } from './authorization.ts';
import { sampleObject } from './sample.ts';
import type { Target } from './target.ts';

const MODERN = '2026-07-28';
/** How often a user is asked to agree before one request is given up. */
const MAX_AUTHORIZATIONS = 2;

/** A client that is connected, and authorized whenever a request needs it. */
export class Connection {
  readonly client: Client;
  readonly #authorization: Authorization;
  readonly #target: Target;
  #transport: StreamableHTTPClientTransport | null = null;

  static async open(target: Target, revision: string, known?: KnownClient): Promise<Connection> {
    const connection = new Connection(target, revision, known);
    await connection.do(() => connection.#connect());
    return connection;
  }

  private constructor(target: Target, revision: string, known?: KnownClient) {
    this.#target = target;
    this.#authorization = new Authorization(known);
    this.client = createClient(revision);
  }

  /** Runs a request; when it needs an authorization, gets one and runs it again. */
  async do<Result>(request: () => Promise<Result>): Promise<Result> {
    for (let authorizations = 0; ; authorizations += 1) {
      try {
        return await request();
      } catch (error) {
        if (!(error instanceof UnauthorizedError) || authorizations === MAX_AUTHORIZATIONS) throw error;
        await this.#transport?.finishAuth(await this.#authorization.callback());
      }
    }
  }

  async close(): Promise<void> {
    await this.#transport?.terminateSession();
    await this.client.close();
  }

  /** Each attempt has a transport of its own: one that failed to connect is of no further use. */
  #connect(): Promise<void> {
    const { url, headers } = this.#target;
    this.#transport = new StreamableHTTPClientTransport(new URL(url), {
      authProvider: this.#authorization,
      requestInit: { headers: { ...headers } },
    });
    return this.client.connect(this.#transport);
  }
}

/** A client that answers whatever it is asked. */
function createClient(revision: string): Client {
  const client = new Client(
    { name: 'everything-client', version: '1.0.0' },
    {
      capabilities: { elicitation: { form: { applyDefaults: true } }, sampling: {}, roots: { listChanged: true } },
      versionNegotiation: { mode: revision === MODERN ? { pin: MODERN } : 'legacy' },
    },
  );
  client.setRequestHandler('elicitation/create', ({ params }) => ({
    action: 'accept',
    content: 'requestedSchema' in params ? (sampleObject(params.requestedSchema) as Record<string, string>) : {},
  }));
  client.setRequestHandler('sampling/createMessage', () => ({
    role: 'assistant',
    content: { type: 'text', text: 'An answer of the model.' },
    model: 'no-model',
    stopReason: 'endTurn',
  }));
  client.setRequestHandler('roots/list', () => ({ roots: [{ uri: 'file:///work', name: 'work' }] }));
  return client;
}
