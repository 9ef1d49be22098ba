import { isObject, type JsonObject, type JsonValue, stringifyJson } from '@cmcp/evidence';

/** Words that YAML, ours or another, would read as something else than text. */
const NOT_TEXT = /^(?:true|false|null|yes|no|on|off|y|n)$/i;
const PLAIN = /^[A-Za-z][A-Za-z0-9_.-]*$/;
/** What needs no quotes on a line of its own: sentences and URIs. */
const PLAIN_LINE = /^[A-Za-z](?:[A-Za-z0-9 _.,()'/@-]|:(?=[^ ]))*(?<! )$/;

/** An item of a list of tests, as a person would write it: a line for each member. */
export function yamlItem(members: JsonObject): string {
  const lines = Object.entries(members).map(([key, value]) => `${yamlFlow(key)}: ${yamlLine(value)}`);
  return `- ${lines.join('\n  ')}\n`;
}

function yamlLine(value: JsonValue): string {
  return typeof value === 'string' && PLAIN_LINE.test(value) && !NOT_TEXT.test(value) ? value : yamlFlow(value);
}

/** JSON is YAML; what needs no quotes has none. */
function yamlFlow(value: JsonValue): string {
  if (typeof value === 'string' && PLAIN.test(value) && !NOT_TEXT.test(value)) return value;
  if (Array.isArray(value)) return `[${value.map(yamlFlow).join(', ')}]`;
  if (!isObject(value)) return stringifyJson(value);
  const members = Object.entries(value).map(([key, item]) => `${yamlFlow(key)}: ${yamlFlow(item)}`);
  return members.length === 0 ? '{}' : `{ ${members.join(', ')} }`;
}
