import { isObject, type JsonObject, type JsonValue, stringifyJson } from '@cmcp/evidence';

/** Words that YAML, ours or another, would read as something else than text. */
const NOT_TEXT = /^(?:true|false|null|yes|no|on|off|y|n)$/i;
const PLAIN = /^[A-Za-z][A-Za-z0-9_.-]*$/;

/** An item of a list of tests, as a person would write it: a line for each member. */
export function yamlItem(members: JsonObject): string {
  const lines = Object.entries(members).map(([key, value]) => `${yamlFlow(key)}: ${yamlFlow(value)}`);
  return `- ${lines.join('\n  ')}\n`;
}

/** JSON is YAML; what needs no quotes has none. */
function yamlFlow(value: JsonValue): string {
  if (typeof value === 'string' && PLAIN.test(value) && !NOT_TEXT.test(value)) return value;
  if (Array.isArray(value)) return `[${value.map(yamlFlow).join(', ')}]`;
  if (!isObject(value)) return stringifyJson(value);
  const members = Object.entries(value).map(([key, item]) => `${yamlFlow(key)}: ${yamlFlow(item)}`);
  return members.length === 0 ? '{}' : `{ ${members.join(', ')} }`;
}
