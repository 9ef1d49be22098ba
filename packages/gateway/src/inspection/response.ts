import { isObject, type JsonObject, member, stringifyJson } from '@cmcp/evidence';
import type { GatewayError } from '../errors.ts';
import { type Ask, inputRequests } from '../mcp/asks.ts';
import type { UpstreamRpcError } from '../upstream/types.ts';

/** Members under this prefix are the gateway's own; what an upstream puts there could forge a receipt. */
const OWN_META = 'io.cmcp/';

/**
 * What a server answered, as it may be released. An error is an answer too: its text is the server's and may hold what the
 * tool's results hold, so it is decided on, recorded and counted as seen like a result.
 */
export type Answer = ReleasableResult | ReleasableError | ReleasableAsks;

interface Released {
  /** The JSON that will be sent of the answer, without the gateway's own members; what its digest covers. */
  text: string;
  sizeBytes: number;
}

interface ReleasableResult extends Released {
  kind: 'result';
  type: 'complete' | 'task';
  result: JsonObject;
}

/** Not the answer yet: what the client is asked before the server goes on. */
interface ReleasableAsks extends Released {
  kind: 'asks';
  asks: ReadonlyMap<string, Ask>;
  /** What the server wants back; null: nothing. */
  state: string | null;
}

interface ReleasableError extends Released {
  kind: 'error';
  failure: GatewayError;
  /** The server's code, message and data; null where they are withheld. */
  upstream: JsonObject | null;
}

/**
 * Removes what only the gateway may say of a call from an upstream's result: its own `_meta` members, a `_meta` left empty,
 * and the reference's `_cmcp`. Everything else is kept as it came. The content is not inspected here, and entries say so.
 */
export function releasable(upstream: JsonObject, type: ReleasableResult['type'] = 'complete'): ReleasableResult {
  const { _meta: given, _cmcp: _, ...others } = upstream;
  const meta = isObject(given) ? ownMembersRemoved(given) : {};
  const result = Object.keys(meta).length === 0 ? others : { ...others, _meta: meta };
  return { kind: 'result', type, result, ...measured(result) };
}

/** A JSON-RPC error of the server, as it came. */
export function releasableError(failure: GatewayError, { rpcCode, message, data }: UpstreamRpcError): ReleasableError {
  const upstream: JsonObject = { code: rpcCode, message, ...(data === undefined ? {} : { data }) };
  return { kind: 'error', failure, upstream, ...measured(upstream) };
}

/** Questions to the client; what the server wants back is no part of them. */
export function asking(asks: ReadonlyMap<string, Ask>, state: string | null): ReleasableAsks {
  return { kind: 'asks', asks, state, ...measured(inputRequests(asks)) };
}

function measured(sent: JsonObject): Released {
  const text = stringifyJson(sent);
  return { text, sizeBytes: Buffer.byteLength(text) };
}

function ownMembersRemoved(meta: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(meta).filter(([key]) => !key.startsWith(OWN_META)));
}

/** The result with a member added to its `_meta`. */
export function withMeta(result: JsonObject, key: string, value: JsonObject): JsonObject {
  const meta = member(result, '_meta');
  return { ...result, _meta: { ...(isObject(meta) ? meta : {}), [key]: value } };
}
