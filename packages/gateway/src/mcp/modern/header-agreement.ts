/**
 * Header and body agreement of MCP 2026-07-28 (Streamable HTTP, "Server Validation"). The body is what is decided on;
 * headers are only held against it (MCP26-10), so that a router in front of us cannot have seen another request.
 */
import { JsonNumber, type JsonObject, type JsonValue, member } from '@cmcp/evidence';
import { type HeaderValues, singleHeader } from '../exchange.ts';
import { decodeHeaderValue, namedBy, type ParameterType, parameterHeaders, valueAt } from '../headers.ts';

/** The name of the first standard header that is missing, repeated or different, or null when all agree. */
export function disagreeingHeader(
  headers: HeaderValues,
  method: string,
  params: JsonObject,
  version: string,
): string | null {
  if (singleHeader(headers, 'mcp-protocol-version') !== version) return 'MCP-Protocol-Version';
  if (singleHeader(headers, 'mcp-method') !== method) return 'Mcp-Method';
  const field = namedBy(method);
  if (field === null) return null;
  const target = member(params, field);
  const header = singleHeader(headers, 'mcp-name');
  // Without a target there is nothing to repeat; the parameters are refused for it afterwards.
  if (typeof target !== 'string') return header === null ? null : 'Mcp-Name';
  return typeof header === 'string' && decodeHeaderValue(header) === target ? null : 'Mcp-Name';
}

/** The name of the first `Mcp-Param-*` header that disagrees with the arguments, or null (MCP26-12). */
export function disagreeingParameter(headers: HeaderValues, inputSchema: JsonObject, args: JsonObject): string | null {
  for (const { header, path, type } of parameterHeaders(inputSchema)) {
    const received = singleHeader(headers, header.toLowerCase());
    const text = mirrored(valueAt(args, path));
    if (text === null && received === null) continue;
    const decoded = typeof received === 'string' ? decodeHeaderValue(received) : null;
    if (text === null || decoded === null || !sameValue(decoded, text, type)) return header;
  }
  return null;
}

/** The text that a header must carry for an argument; null where none is expected. */
function mirrored(value: JsonValue | undefined): string | null {
  if (typeof value === 'string') return value;
  if (typeof value === 'boolean' || typeof value === 'number') return String(value);
  return value instanceof JsonNumber ? value.lexeme : null;
}

/** `42.0` and `42` are one integer. Beyond 2^53 a number would round, so only equal text is equal. */
function sameValue(decoded: string, expected: string, type: ParameterType): boolean {
  if (decoded === expected) return true;
  if (type !== 'integer') return false;
  const [a, b] = [decoded, expected].map((text) => (/^-?[0-9]+(?:\.[0-9]+)?$/.test(text) ? Number(text) : Number.NaN));
  return a === b && Number.isSafeInteger(a);
}
