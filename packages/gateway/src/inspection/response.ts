import { isObject, type JsonObject, member, stringifyJson } from '@cmcp/evidence';

/** Members under this prefix are the gateway's own; what an upstream puts there could forge a receipt. */
const OWN_META = 'io.cmcp/';

/** An upstream result as it may be released, and the text that its digest covers. */
export interface ReleasableResult {
  result: JsonObject;
  /** The result's JSON as it will be sent, without the gateway's `_meta` members. */
  text: string;
  sizeBytes: number;
}

/**
 * Removes what only the gateway may say of a call from an upstream's result: its own `_meta` members, a `_meta` left empty,
 * and the reference's `_cmcp`. Everything else is kept as it came. The content is not inspected here, and entries say so.
 */
export function releasable(upstream: JsonObject): ReleasableResult {
  const { _meta: given, _cmcp: _, ...others } = upstream;
  const meta = isObject(given) ? ownMembersRemoved(given) : {};
  const result = Object.keys(meta).length === 0 ? others : { ...others, _meta: meta };
  const text = stringifyJson(result);
  return { result, text, sizeBytes: Buffer.byteLength(text) };
}

function ownMembersRemoved(meta: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(meta).filter(([key]) => !key.startsWith(OWN_META)));
}

/** The result with a member added to its `_meta`. */
export function withMeta(result: JsonObject, key: string, value: JsonObject): JsonObject {
  const meta = member(result, '_meta');
  return { ...result, _meta: { ...(isObject(meta) ? meta : {}), [key]: value } };
}
