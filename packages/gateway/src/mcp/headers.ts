/**
 * Header values of MCP 2026-07-28 (Streamable HTTP, "Value Encoding" and "Custom Headers from Tool Parameters").
 * Used in both directions: ingress decodes and compares, upstream rebuilds from what was decided.
 */
import { isUtf8 } from 'node:buffer';
import { isObject, JsonNumber, type JsonObject, type JsonValue, member } from '@cmcp/evidence';
import { GatewayError } from '../errors.ts';

const PREFIX = '=?base64?';
const SUFFIX = '?=';
const ANNOTATION = 'x-mcp-header';
/** RFC 9110 field-name token. */
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
/** Visible ASCII, with spaces and tabs inside only: what survives a header field unchanged. */
const PLAIN = /^[!-~](?:[\t -~]*[!-~])?$/;
const FIELD_VALUE = /^[\t -~]*$/;
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** Keywords whose value maps names to subschemas: a member called `x-mcp-header` in there is a name, not an annotation. */
const SCHEMA_MAPS = new Set(['properties', 'patternProperties', '$defs', 'definitions', 'dependentSchemas']);
/** Keywords that hold instance data, never schemas. */
const DATA = new Set(['enum', 'const', 'default', 'examples', 'example']);

/** Methods whose target `Mcp-Name` repeats, and the parameter that holds it. */
const NAMED_BY = new Map([
  ['tools/call', 'name'],
  ['resources/read', 'uri'],
  ['prompts/get', 'name'],
  // The tasks extension, "Streamable HTTP: Routing Headers".
  ['tasks/get', 'taskId'],
  ['tasks/update', 'taskId'],
  ['tasks/cancel', 'taskId'],
]);

export type ParameterType = 'string' | 'integer' | 'boolean';

/** One argument that is mirrored into a header. */
export interface ParameterHeader {
  /** Whole field name, `Mcp-Param-…`, in the schema's spelling; compare without case. */
  header: string;
  /** Property names from the root of the arguments. */
  path: string[];
  type: ParameterType;
}

const looksEncoded = (value: string): boolean => value.startsWith(PREFIX) && value.endsWith(SUFFIX);

/** The field value for `value`: itself where it is plain ASCII, else the base64 sentinel form. Never holds CR, LF or NUL. */
export function encodeHeaderValue(value: string): string {
  if (PLAIN.test(value) && !looksEncoded(value)) return value;
  return `${PREFIX}${Buffer.from(value, 'utf8').toString('base64')}${SUFFIX}`;
}

/** The text that a field value stands for, or null when it holds illegal characters or a broken sentinel (MCP26-11). */
export function decodeHeaderValue(value: string): string | null {
  if (!FIELD_VALUE.test(value)) return null;
  if (!looksEncoded(value)) return value;
  const payload = value.slice(PREFIX.length, -SUFFIX.length);
  const bytes = Buffer.from(payload, 'base64');
  // Re-encoding catches stray trailing bits; the length test catches `=?base64?=`, where prefix and suffix share a character.
  const exact = value.length >= PREFIX.length + SUFFIX.length && BASE64.test(payload);
  if (!exact || bytes.toString('base64') !== payload || !isUtf8(bytes)) return null;
  return bytes.toString('utf8');
}

/** The parameter that `Mcp-Name` repeats for a method; null where the header does not belong. */
export const namedBy = (method: string): string | null => NAMED_BY.get(method) ?? null;

/** The header fields that repeat a request or notification for whoever routes it ("Standard Request Headers"). */
export function standardHeaders(method: string, params: JsonObject, version: string): [string, string][] {
  const fields: [string, string][] = [
    ['mcp-protocol-version', version],
    ['mcp-method', method],
  ];
  const parameter = namedBy(method);
  const name = parameter === null ? undefined : member(params, parameter);
  if (typeof name === 'string') fields.push(['mcp-name', encodeHeaderValue(name)]);
  return fields;
}

/**
 * The parameters that a tool's input schema mirrors into headers, in schema order.
 * @throws GatewayError CATALOG_INVALID when an annotation breaks a rule of MCP26-33; such a tool is not offered.
 */
export function parameterHeaders(inputSchema: JsonObject): ParameterHeader[] {
  const found: ParameterHeader[] = [];
  visitSchema(inputSchema, [], true, found);
  const names = new Set(found.map((parameter) => parameter.header.toLowerCase()));
  if (names.size !== found.length) throw invalid([], 'two parameters share a header name');
  return found;
}

/** Field name and encoded value for each annotated argument that is present and not null. */
export function parameterHeaderValues(inputSchema: JsonObject, args: JsonObject): [string, string][] {
  const headers: [string, string][] = [];
  for (const { header, path } of parameterHeaders(inputSchema)) {
    const value = valueAt(args, path);
    if (value === undefined || value === null) continue;
    headers.push([header, encodeHeaderValue(primitiveText(value, path))]);
  }
  return headers;
}

/** Reads `path` member by member, own members only. Undefined when a step is missing or not an object. */
export function valueAt(root: JsonObject, path: string[]): JsonValue | undefined {
  let value: JsonValue | undefined = root;
  for (const name of path) {
    if (!isObject(value)) return undefined;
    value = member(value, name);
  }
  return value;
}

function visitSchema(node: JsonValue, path: string[], reachable: boolean, found: ParameterHeader[]): void {
  if (Array.isArray(node)) {
    for (const item of node) visitSchema(item, path, false, found);
    return;
  }
  if (!isObject(node)) return;
  const annotation = member(node, ANNOTATION);
  if (annotation !== undefined) found.push(readAnnotation(node, annotation, path, reachable));
  for (const [keyword, value] of Object.entries(node)) {
    if (keyword === ANNOTATION || DATA.has(keyword)) continue;
    if (SCHEMA_MAPS.has(keyword) && isObject(value)) {
      const through = reachable && keyword === 'properties';
      for (const [name, child] of Object.entries(value)) visitSchema(child, [...path, name], through, found);
    } else {
      visitSchema(value, path, false, found);
    }
  }
}

function readAnnotation(node: JsonObject, name: JsonValue, path: string[], reachable: boolean): ParameterHeader {
  if (!reachable || path.length === 0) throw invalid(path, 'is not on a chain of properties from the root');
  if (typeof name !== 'string' || !TOKEN.test(name)) throw invalid(path, 'is not a header name');
  const type = member(node, 'type');
  if (type !== 'string' && type !== 'integer' && type !== 'boolean') {
    throw invalid(path, 'is only allowed on a string, integer or boolean');
  }
  return { header: `Mcp-Param-${name}`, path, type };
}

/** A present argument must be mirrored; one that a header cannot carry exactly is refused, not sent without it. */
function primitiveText(value: JsonValue, path: string[]): string {
  if (typeof value === 'string') return value;
  if (typeof value === 'boolean' || typeof value === 'number') return String(value);
  const lexeme = value instanceof JsonNumber ? value.lexeme : '';
  const integer = /^-?[0-9]+(?=(?:\.0+)?$)/.exec(lexeme)?.[0];
  if (integer !== undefined && Number.isSafeInteger(Number(integer))) return String(Number(integer));
  throw new GatewayError(
    'ARGUMENTS_REFUSED',
    `argument ${path.join('.')} is no string, safe integer or boolean: no header can carry it`,
  );
}

function invalid(path: string[], what: string): GatewayError {
  return new GatewayError('CATALOG_INVALID', `${ANNOTATION}${path.length > 0 ? ` at ${path.join('.')}` : ''} ${what}`);
}
