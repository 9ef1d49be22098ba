import { isObject, type JsonValue, stringifyJson } from '@cmcp/evidence';

/** JSON on several lines, for people to review; numbers are written as they were, so that a hash does not change. */
export function prettyJson(value: JsonValue, indent = ''): string {
  const deeper = `${indent}  `;
  if (Array.isArray(value)) {
    return block(
      '[',
      ']',
      indent,
      value.map((item) => prettyJson(item, deeper)),
    );
  }
  if (isObject(value)) {
    const members = Object.entries(value).map(([key, item]) => `${stringifyJson(key)}: ${prettyJson(item, deeper)}`);
    return block('{', '}', indent, members);
  }
  return stringifyJson(value);
}

function block(open: string, close: string, indent: string, items: string[]): string {
  if (items.length === 0) return `${open}${close}`;
  return `${open}\n${items.map((item) => `${indent}  ${item}`).join(',\n')}\n${indent}${close}`;
}
