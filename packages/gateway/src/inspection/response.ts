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
 * Removes the gateway's own `_meta` members, and a `_meta` left empty, from an upstream's result. Everything else is kept
 * as it came. The content is not inspected here, and entries say so.
 */
export function releasable(upstream: JsonObject): ReleasableResult {
  const meta = member(upstream, '_meta');
  let result = upstream;
  if (isObject(meta)) {
    const { _meta: _, ...others } = upstream;
    const kept = Object.fromEntries(Object.entries(meta).filter(([key]) => !key.startsWith(OWN_META)));
    result = Object.keys(kept).length === 0 ? others : { ...others, _meta: kept };
  }
  const text = stringifyJson(result);
  return { result, text, sizeBytes: Buffer.byteLength(text) };
}

/** The result with a member added to its `_meta`. */
export function withMeta(result: JsonObject, key: string, value: JsonObject): JsonObject {
  const meta = member(result, '_meta');
  return { ...result, _meta: { ...(isObject(meta) ? meta : {}), [key]: value } };
}
