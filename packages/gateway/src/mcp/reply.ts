import { isObject, JsonError, type JsonObject, member, stringifyJson } from '@cmcp/evidence';
import { ERRORS, type ErrorCode, GatewayError } from '../errors.ts';
import type { Asked } from './governed-params.ts';
import { errorMessage, type RequestId, resultMessage } from './jsonrpc.ts';
import type { GovernedGateway, Outcome, RefusalKind } from './types.ts';

/** One answer. `status` and `headers` mean something on HTTP only. */
export interface Reply {
  status: number;
  headers: Record<string, string>;
  /** An array answers a batch. Null: nothing to say (202, 204). */
  body: JsonObject | JsonObject[] | null;
}

/** How a revision family writes error codes on the wire. */
export interface ErrorStyle {
  rpc(code: ErrorCode): number;
  status(code: ErrorCode): number;
  /** A server's own code as this family may say it; null: it may not. */
  passOn(rpc: number): number | null;
}

/** Codes that JSON-RPC itself defines: every revision has them. */
export const STANDARD_CODES: ReadonlySet<number> = new Set([-32700, -32600, -32601, -32602, -32603]);

export interface RefusalDetails {
  /** Added to `data` beside `error_code`. */
  data?: JsonObject;
  status?: number;
  headers?: Record<string, string>;
}

/** Which counter a refusal by the transport adds to; null for answers that the gateway records itself. */
const COUNTED: Partial<Record<ErrorCode, RefusalKind>> = {
  HOST_REFUSED: 'host_refused',
  ORIGIN_REFUSED: 'origin_refused',
  UNAUTHENTICATED: 'unauthenticated',
  RATE_LIMITED: 'unauthenticated',
  INSUFFICIENT_SCOPE: 'unauthenticated',
  IDENTITY_UNAVAILABLE: 'unauthenticated',
  PARSE_ERROR: 'parse_error',
  BODY_TOO_LARGE: 'too_large',
  HEADER_MISMATCH: 'header_mismatch',
  INVALID_REQUEST: 'invalid_request',
  INVALID_PARAMS: 'invalid_request',
  UNSUPPORTED_VERSION: 'invalid_request',
  SESSION_REQUIRED: 'invalid_request',
  SESSION_NOT_FOUND: 'invalid_request',
  NOT_INITIALIZED: 'invalid_request',
  NOT_ACCEPTABLE: 'invalid_request',
  UNSUPPORTED_MEDIA_TYPE: 'invalid_request',
  METHOD_NOT_ALLOWED: 'invalid_request',
  ROUTE_NOT_FOUND: 'invalid_request',
};

/** The registry as it stands: right before a family is known, when no server has answered yet. */
export const registryStyle: ErrorStyle = {
  rpc: (code) => ERRORS[code].rpc,
  status: (code) => ERRORS[code].status,
  passOn: () => null,
};

/** MCP26-15: whoever says it, it comes with the status of the same refusal by the gateway. */
const MISSING_CAPABILITY = ERRORS.CAPABILITY_REQUIRED.rpc;

/** Builds replies, counts refusals, and turns whatever was thrown into an answer without internals. */
export class Replies {
  readonly #gateway: GovernedGateway;
  readonly #style: ErrorStyle;
  readonly #onFault: (error: unknown) => void;

  constructor(gateway: GovernedGateway, style: ErrorStyle, onFault: (error: unknown) => void) {
    this.#gateway = gateway;
    this.#style = style;
    this.#onFault = onFault;
  }

  result(id: RequestId, result: JsonObject, headers: Record<string, string> = {}): Reply {
    return { status: 200, headers, body: resultMessage(id, result) };
  }

  accepted(): Reply {
    return { status: 202, headers: {}, body: null };
  }

  refuse(id: RequestId | null, code: ErrorCode, details: RefusalDetails = {}): Reply {
    const kind = COUNTED[code];
    if (kind !== undefined) this.#gateway.count(kind);
    return this.#error(
      id,
      this.#style.rpc(code),
      code,
      ERRORS[code].message,
      { error_code: code, ...details.data },
      details,
    );
  }

  /** A governed request that failed. `about` goes into `data` beside what the gateway says. */
  failed(id: RequestId, { code, message, data, rpc }: Extract<Outcome, { kind: 'error' }>, about?: JsonObject): Reply {
    const passed = rpc === undefined || !isComplete(rpc, data) ? null : this.#style.passOn(rpc);
    const details = passed === MISSING_CAPABILITY ? { status: ERRORS.CAPABILITY_REQUIRED.status } : {};
    return this.#error(id, passed ?? this.#style.rpc(code), code, message, { ...data, ...about }, details);
  }

  /** A method that was refused by the gateway, which has recorded it. */
  refused(id: RequestId, outcome: Outcome): Reply {
    if (outcome.kind === 'error') return this.failed(id, outcome);
    throw new GatewayError('INTERNAL_ERROR', 'a refused method has a result');
  }

  /** A GatewayError that callers may learn of becomes its code; everything else is a fault of ours and says nothing. */
  thrown(id: RequestId | null, error: unknown, details: RefusalDetails = {}): Reply {
    const code = error instanceof GatewayError && ERRORS[error.code].status !== 0 ? error.code : 'INTERNAL_ERROR';
    if (code === 'INTERNAL_ERROR') this.#onFault(error);
    return this.refuse(id, code, details);
  }

  #error(
    id: RequestId | null,
    rpc: number,
    code: ErrorCode,
    message: string,
    data: JsonObject,
    details: RefusalDetails,
  ): Reply {
    const status = details.status ?? this.#style.status(code);
    return {
      // Without an id nobody could tell which request a successful response is about.
      status: id === null && status === 200 ? 503 : status,
      headers: details.headers ?? {},
      body: errorMessage(id, rpc, message, data),
    };
  }
}

/** A server may leave out what a code promises; without that, its error is not one of that kind. */
function isComplete(rpc: number, data: JsonObject): boolean {
  return rpc !== MISSING_CAPABILITY || isObject(member(data, 'requiredCapabilities'));
}

/** What the error about a resource that nobody knows repeats, so that its reader knows which it was. */
export function notFoundDetails(code: ErrorCode, uri: string | null): JsonObject {
  return code === 'RESOURCE_NOT_IN_CATALOG' && uri !== null ? { uri } : {};
}

/** The resource that a request names; null: none. */
export function namedUri(asked: Asked): string | null {
  if (asked.method === 'resources/read') return asked.uri;
  return asked.method === 'completion/complete' && asked.ref.kind === 'resource' ? asked.ref.uri : null;
}

/** The text of an answer, or of each answer to a batch. */
export function encodeBody(body: JsonObject | JsonObject[], onFault: (error: unknown) => void): string {
  return Array.isArray(body)
    ? `[${body.map((each) => encodeReply(each, onFault)).join()}]`
    : encodeReply(body, onFault);
}

/** The text of one answer. One that JSON cannot carry is a fault of ours, and is answered as such. */
export function encodeReply(body: JsonObject, onFault: (error: unknown) => void): string {
  const text = encodeMessage(body, onFault);
  if (text !== null) return text;
  const id = member(body, 'id');
  const { rpc, message } = ERRORS.INTERNAL_ERROR;
  const readable = typeof id === 'string' || typeof id === 'number' ? id : null;
  return stringifyJson(errorMessage(readable, rpc, message, { error_code: 'INTERNAL_ERROR' }));
}

/** The text of a message; null, and a fault, when JSON cannot carry it. */
export function encodeMessage(message: JsonObject, onFault: (error: unknown) => void): string | null {
  try {
    return stringifyJson(message);
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    onFault(error);
    return null;
  }
}
