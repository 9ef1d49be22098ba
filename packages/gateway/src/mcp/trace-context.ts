/**
 * Trace context in `_meta` (MCP26-42): W3C Trace Context syntax, or dropped. `baggage` is never passed on: it carries whatever the
 * caller's software puts there, to whoever is called.
 */
import type { JsonObject, JsonValue } from '@cmcp/evidence';
import { member } from '@cmcp/evidence';

/** version, trace id, parent id, flags (section 3.2.2). A version after 00 may say more behind that; such a one is dropped. */
const TRACEPARENT = /^(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;
/** Section 3.3.1.3. A key names a vendor, or a tenant of one. */
const KEY = /^[a-z0-9][a-z0-9_*/@-]{0,255}$/;
const VALUE = /^[ -+\--<>-~]{0,255}[!-+\--<>-~]$/;
const MAX_MEMBERS = 32;
/** The standard asks for 512 at least. */
const MAX_TRACESTATE = 4096;

/** `traceparent` and `tracestate` of a request's `_meta`, as far as they are valid. */
export function readTrace(meta: JsonObject): JsonObject {
  const traceparent = member(meta, 'traceparent');
  // Without a parent that can be read, the state belongs to nothing (section 3.3).
  if (typeof traceparent !== 'string' || !TRACEPARENT.test(traceparent)) return {};
  const tracestate = member(meta, 'tracestate');
  return isTracestate(tracestate) ? { traceparent, tracestate } : { traceparent };
}

function isTracestate(value: JsonValue | undefined): value is string {
  if (typeof value !== 'string' || value === '' || value.length > MAX_TRACESTATE) return false;
  const members = value
    .split(',')
    .map((each) => each.replace(/^[ \t]+|[ \t]+$/g, ''))
    .filter((each) => each !== '');
  const keys = members.map((each) => each.slice(0, Math.max(each.indexOf('='), 0)));
  return (
    members.length > 0 &&
    members.length <= MAX_MEMBERS &&
    new Set(keys).size === keys.length &&
    keys.every((key, index) => KEY.test(key) && VALUE.test(members[index]?.slice(key.length + 1) ?? ''))
  );
}
