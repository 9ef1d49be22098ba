import { isObject, type JsonObject, type JsonValue, member } from '@cmcp/evidence';
import { GatewayError } from '../errors.ts';

/** The parameters of `tools/call` that mean something to the gateway, in every revision. */
export interface ToolParams {
  name: string;
  arguments: JsonObject;
  workflow: string | null;
  dataClass: string | null;
}

const CALL_META = 'io.cmcp/call';
const SESSION_META = 'io.cmcp/session';
/** What `_meta["io.cmcp/call"]` of a request may hold. */
const DECLARED = ['workflow_id', 'data_class'];

/** @throws GatewayError INVALID_PARAMS */
export function readToolParams(params: JsonObject): ToolParams {
  const name = member(params, 'name');
  const args = Object.hasOwn(params, 'arguments') ? member(params, 'arguments') : {};
  if (typeof name !== 'string') throw invalid('name must be a string');
  if (!isObject(args)) throw invalid('arguments must be an object');
  const meta = readMeta(params);
  refuseUnknown(meta);
  const declared = [declaration(member(meta, CALL_META)), declaration(member(params, '_cmcp'))];
  return {
    name,
    arguments: args,
    workflow: oneOf(declared, 'workflow_id'),
    dataClass: oneOf(declared, 'data_class'),
  };
}

/** The gateway-minted session handle that a caller of the stateless family holds, or null (contracts section 1). */
export function readHandle(params: JsonObject): string | null {
  return text(readMeta(params), SESSION_META);
}

/** `""` is a cursor like any other (MCP26-24). */
export function readCursor(params: JsonObject): string | null {
  return text(params, 'cursor');
}

/** The `_meta` object; empty when absent. */
export function readMeta(params: JsonObject): JsonObject {
  return declaration(member(params, '_meta'));
}

/**
 * Null counts as absent. Anything else that is not an object is refused, not ignored as the reference does: a caller that
 * mistypes its declaration must not be served under a lower class than it meant.
 */
function declaration(value: JsonValue | undefined): JsonObject {
  if (value === undefined || value === null) return {};
  if (!isObject(value)) throw invalid('_meta, its io.cmcp members and _cmcp must be objects');
  return value;
}

/** A misspelt declaration is an error too: ignored, it would not raise the class that its author meant to raise. */
function refuseUnknown(meta: JsonObject): void {
  const own = Object.keys(meta).filter((key) => key.startsWith('io.cmcp/'));
  const unknown = own.find((key) => key !== CALL_META && key !== SESSION_META);
  if (unknown !== undefined) throw invalid('_meta has an unknown io.cmcp member');
  const declared = Object.keys(declaration(member(meta, CALL_META)));
  if (!declared.every((key) => DECLARED.includes(key))) throw invalid(`${CALL_META} has an unknown member`);
}

/** The one value that the declarations agree on. */
function oneOf(declarations: JsonObject[], key: string): string | null {
  const values = new Set(declarations.map((each) => text(each, key)).filter((value) => value !== null));
  if (values.size > 1) throw invalid(`${key} is declared twice, differently`);
  return values.values().next().value ?? null;
}

function text(object: JsonObject, key: string): string | null {
  const value = member(object, key) ?? null;
  if (value !== null && typeof value !== 'string') throw invalid(`${key} must be a string`);
  return value;
}

function invalid(detail: string): GatewayError {
  return new GatewayError('INVALID_PARAMS', detail);
}
