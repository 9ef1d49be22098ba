import { isObject, type JsonObject, type JsonValue, member } from '@cmcp/evidence';

/** The names of members that a JSON Schema declares, at whatever depth. */
export function declaredNames(schema: JsonObject): ReadonlySet<string> {
  const names = new Set<string>();
  const waiting: JsonValue[] = [schema];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    if (Array.isArray(next)) waiting.push(...next);
    if (!isObject(next)) continue;
    const properties = member(next, 'properties');
    if (isObject(properties)) for (const name of Object.keys(properties)) names.add(name);
    waiting.push(...Object.values(next));
  }
  return names;
}
