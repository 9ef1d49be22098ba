/** What `_meta` of a request says to the gateway, in every revision. */
import { isObject, type JsonObject, type JsonValue, member } from '@cmcp/evidence';
import { GatewayError } from '../errors.ts';
import { readTrace } from './trace-context.ts';

/** Given by the client, echoed to it with exact type and value. */
export type ProgressToken = string | number;

export interface RequestMeta {
  workflow: string | null;
  dataClass: string | null;
  /** The approval that the call is to use: `_meta["io.cmcp/approval"]`. */
  approval: string | null;
  trace: JsonObject;
  /** Null: the client does not want to hear of progress. */
  progressToken: ProgressToken | null;
}

const CALL_META = 'io.cmcp/call';
const SESSION_META = 'io.cmcp/session';
const APPROVAL_META = 'io.cmcp/approval';
const OWN_META: readonly string[] = [CALL_META, SESSION_META, APPROVAL_META];
/** What `_meta["io.cmcp/call"]` of a request may hold. */
const DECLARED = ['workflow_id', 'data_class'];

/** @throws GatewayError INVALID_PARAMS */
export function readRequestMeta(params: JsonObject): RequestMeta {
  const meta = readMeta(params);
  refuseUnknown(meta);
  const declared = [declaration(member(meta, CALL_META)), declaration(member(params, '_cmcp'))];
  return {
    workflow: oneOf(declared, 'workflow_id'),
    dataClass: oneOf(declared, 'data_class'),
    approval: text(meta, APPROVAL_META),
    trace: readTrace(meta),
    progressToken: readProgressToken(meta),
  };
}

/** The gateway-minted session handle that a caller of the stateless family holds, or null (contracts section 1). */
export function readHandle(params: JsonObject): string | null {
  return text(readMeta(params), SESSION_META);
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
  const unknown = own.find((key) => !OWN_META.includes(key));
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

/** A string or an integer: a plain `number` from the strict parser is always a safe one. */
function readProgressToken(meta: JsonObject): ProgressToken | null {
  const token = member(meta, 'progressToken');
  if (token === undefined) return null;
  if (typeof token !== 'string' && typeof token !== 'number')
    throw invalid('progressToken must be a string or an integer');
  return token;
}

function text(object: JsonObject, key: string): string | null {
  const value = member(object, key) ?? null;
  if (value !== null && typeof value !== 'string') throw invalid(`${key} must be a string`);
  return value;
}

function invalid(detail: string): GatewayError {
  return new GatewayError('INVALID_PARAMS', detail);
}
