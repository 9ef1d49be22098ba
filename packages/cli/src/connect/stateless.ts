import { isObject, type JsonObject, type JsonValue, member } from '@cmcp/evidence';
import {
  carriesEnvelope,
  MODERN_REVISION,
  type RpcNotification,
  type RpcRequest,
  readEnvelope,
  standardHeaders,
} from '@cmcp/gateway/client';
import { type Answer, type ExchangeDeps, exchange } from './exchange.ts';
import { ConnectFailure } from './failure.ts';
import { ParameterHeaders } from './parameter-headers.ts';
import { missesHeaders } from './replies.ts';

/** What a header field carries unchanged. */
const PRINTABLE = /^[\x21-\x7e]{1,256}$/;
/** Pages of a list of tools that are read to learn one tool's headers. */
const MAX_PAGES = 100;
const ENVELOPE = 'io.modelcontextprotocol/';

/** The requests and notifications of a client that speaks MCP 2026-07-28: each complete in itself. */
export class StatelessClient {
  readonly #deps: ExchangeDeps;
  readonly #parameters: ParameterHeaders;
  #lists = 0;

  /** @param onInvalid as in {@link ParameterHeaders} */
  constructor(deps: ExchangeDeps, onInvalid: (tool: string, why: string) => void) {
    this.#deps = deps;
    this.#parameters = new ParameterHeaders(onInvalid);
  }

  /** Sends a request and waits for its answer. @throws ConnectFailure */
  async request(request: RpcRequest, message: JsonObject, signal: AbortSignal): Promise<Answer> {
    const first = this.#fields(request);
    const answer = await this.#post(request, message, first, signal);
    if (request.method === 'tools/list') this.#learn(answer);
    if (request.method !== 'tools/call' || !missesHeaders(answer.response)) return answer;
    // "Client Behavior": without the current schema, ask for the list and try once more.
    await this.#refresh(request.params, signal);
    const second = this.#fields(request);
    return JSON.stringify(first) === JSON.stringify(second) ? answer : this.#post(request, message, second, signal);
  }

  /** @throws ConnectFailure */
  notify(notification: RpcNotification, message: JsonObject, signal: AbortSignal): Promise<Answer> {
    const fields = standardFields(notification);
    return exchange({ message, id: null, fields, inSession: false, signal }, this.#deps);
  }

  #post(request: RpcRequest, message: JsonObject, fields: [string, string][], signal: AbortSignal): Promise<Answer> {
    return exchange({ message, id: request.id, fields, inSession: false, signal }, this.#deps);
  }

  #fields(request: RpcRequest): [string, string][] {
    const standard = standardFields(request);
    return request.method === 'tools/call' ? [...standard, ...this.#parameters.fields(request.params)] : standard;
  }

  #learn({ response }: Answer): string | null {
    const result = response === null ? undefined : member(response, 'result');
    if (!isObject(result)) return null;
    this.#parameters.learn(result);
    const cursor = member(result, 'nextCursor');
    return typeof cursor === 'string' ? cursor : null;
  }

  /** Reads the list of tools as the client would have, page by page. */
  async #refresh(params: JsonObject, signal: AbortSignal): Promise<void> {
    const _meta = envelopeOf(params);
    let cursor: string | null = null;
    for (let page = 0; page < MAX_PAGES; page += 1) {
      this.#lists += 1;
      const id = `cmcp-connect-${this.#lists}`;
      const listParams: JsonObject = cursor === null ? { _meta } : { _meta, cursor };
      const request: RpcRequest = { kind: 'request', id, method: 'tools/list', params: listParams };
      const message: JsonObject = { jsonrpc: '2.0', id, method: request.method, params: listParams };
      cursor = this.#learn(await this.#post(request, message, standardFields(request), signal));
      if (cursor === null) return;
    }
  }
}

/** True when a message says of itself that it is of this family. */
export const isStateless = ({ params }: RpcRequest | RpcNotification): boolean => carriesEnvelope(params);

/**
 * "Standard Request Headers".
 * @throws ConnectFailure `unsendable` for a method or version that no header can carry
 */
function standardFields({ method, params }: RpcRequest | RpcNotification): [string, string][] {
  const envelope = readEnvelope(params);
  const version = 'version' in envelope ? envelope.version : MODERN_REVISION;
  if (!PRINTABLE.test(method)) throw new ConnectFailure('unsendable', 'the method is not visible ASCII');
  if (!PRINTABLE.test(version)) throw new ConnectFailure('unsendable', 'the protocol version is not visible ASCII');
  return standardHeaders(method, params, version);
}

/** Who asks and in which revision, without what belongs to one request alone. */
function envelopeOf(params: JsonObject): JsonObject {
  const meta: JsonValue | undefined = member(params, '_meta');
  const names = ['protocolVersion', 'clientInfo', 'clientCapabilities'].map((name) => `${ENVELOPE}${name}`);
  const kept = isObject(meta) ? Object.entries(meta).filter(([key]) => names.includes(key)) : [];
  return Object.fromEntries(kept);
}
