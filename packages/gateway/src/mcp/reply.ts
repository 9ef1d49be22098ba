import { JsonError, type JsonObject, member, stringifyJson } from '@cmcp/evidence';
import { ERRORS, type ErrorCode, GatewayError } from '../errors.ts';
import { errorMessage, type RequestId, resultMessage } from './jsonrpc.ts';
import type { CallOutcome, GovernedGateway, RefusalKind } from './types.ts';

/** One answer. `status` and `headers` mean something on HTTP only. */
export interface Reply {
  status: number;
  headers: Record<string, string>;
  /** Null: nothing to say (202, 204). */
  body: JsonObject | null;
}

/** How a revision family writes our error codes on the wire. */
export interface ErrorStyle {
  rpc(code: ErrorCode): number;
  status(code: ErrorCode): number;
}

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

/** The 2026-07-28 family uses the registry as it stands. Also right before a family is known. */
export const registryStyle: ErrorStyle = {
  rpc: (code) => ERRORS[code].rpc,
  status: (code) => ERRORS[code].status,
};

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
    return this.#error(id, code, ERRORS[code].message, { error_code: code, ...details.data }, details);
  }

  outcome(id: RequestId, outcome: CallOutcome): Reply {
    if (outcome.kind === 'result') return this.result(id, outcome.result);
    return this.#error(id, outcome.code, outcome.message, outcome.data, {});
  }

  /** A GatewayError that callers may learn of becomes its code; everything else is a fault of ours and says nothing. */
  thrown(id: RequestId | null, error: unknown, details: RefusalDetails = {}): Reply {
    const code = error instanceof GatewayError && ERRORS[error.code].status !== 0 ? error.code : 'INTERNAL_ERROR';
    if (code === 'INTERNAL_ERROR') this.#onFault(error);
    return this.refuse(id, code, details);
  }

  #error(id: RequestId | null, code: ErrorCode, message: string, data: JsonObject, details: RefusalDetails): Reply {
    const status = details.status ?? this.#style.status(code);
    return {
      // Without an id nobody could tell which request a successful response is about.
      status: id === null && status === 200 ? 503 : status,
      headers: details.headers ?? {},
      body: errorMessage(id, this.#style.rpc(code), message, data),
    };
  }
}

/** The bytes of an answer. One that JSON cannot carry is a fault of ours, and is answered as such. */
export function encodeReply(body: JsonObject, onFault: (error: unknown) => void): string {
  try {
    return stringifyJson(body);
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    onFault(error);
    const id = member(body, 'id');
    const { rpc, message } = ERRORS.INTERNAL_ERROR;
    const readable = typeof id === 'string' || typeof id === 'number' ? id : null;
    return stringifyJson(errorMessage(readable, rpc, message, { error_code: 'INTERNAL_ERROR' }));
  }
}
