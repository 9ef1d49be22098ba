import { isObject, type JsonObject, type JsonValue } from '@cmcp/evidence';

const MAX_TRIES = 2000;

/**
 * The smallest scenario that `still` holds for, found by dropping members and items, and by emptying texts, for as long as it holds. It
 * is asked for scenarios that make no sense too.
 */
export function smallest(scenario: JsonObject, still: (candidate: JsonObject) => boolean): JsonObject {
  let found = scenario;
  for (let tries = 0; tries < MAX_TRIES; ) {
    const before = found;
    for (const candidate of smaller(before)) {
      tries += 1;
      if (!isObject(candidate) || !still(candidate)) continue;
      found = candidate;
      break;
    }
    if (found === before) return found;
  }
  return found;
}

/** Everything that is `value` with one thing less, whole members before parts of them. */
function* smaller(value: JsonValue): Generator<JsonValue> {
  if (typeof value === 'string' && value !== '') yield '';
  if (Array.isArray(value)) {
    for (const index of value.keys()) yield value.toSpliced(index, 1);
    for (const [index, item] of value.entries()) for (const less of smaller(item)) yield value.with(index, less);
  }
  if (!isObject(value)) return;
  const members = Object.entries(value);
  for (const [dropped] of members) yield Object.fromEntries(members.filter(([key]) => key !== dropped));
  for (const [key, item] of members) {
    for (const less of smaller(item))
      yield Object.fromEntries(members.map((each) => (each[0] === key ? [key, less] : each)));
  }
}
