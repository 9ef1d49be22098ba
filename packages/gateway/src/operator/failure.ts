import type { JsonObject } from '@cmcp/evidence';
import { ERRORS, type ErrorCode } from '../errors.ts';
import { RETRY_AFTER_SECONDS } from '../ingress/attempts.ts';

export interface Answer {
  status: number;
  body: JsonObject;
  headers?: Readonly<Record<string, string>>;
}

/** Of codes that agents are told with HTTP 200. What is not here and has no status of its own is a fault of ours. */
const STATUS: Partial<Record<ErrorCode, number>> = {
  SESSION_UNKNOWN: 404,
  INVALID_PARAMS: 400,
  // What lies on the disk is not what may be put in force.
  POLICY_INVALID: 409,
  POLICY_HASH_MISMATCH: 409,
  POLICY_SIGNATURE_INVALID: 409,
  POLICY_VERSION_OLD: 409,
  POLICY_KEY_REVOKED: 409,
  POLICY_UNAPPROVED: 409,
  CATALOG_INVALID: 409,
  CATALOG_HASH_MISMATCH: 409,
  CATALOG_UNAPPROVED: 409,
  INSPECTION_INVALID: 409,
  UPSTREAM_UNAVAILABLE: 502,
};

const HEADERS: Partial<Record<number, Readonly<Record<string, string>>>> = {
  401: { 'www-authenticate': 'Bearer realm="cmcp-operator"' },
  413: { connection: 'close' },
  429: { 'retry-after': String(RETRY_AFTER_SECONDS) },
};

/** Those of the answer, and those that its status asks for. */
export function headersOf({ status, headers }: Answer): Readonly<Record<string, string>> {
  return { ...HEADERS[status], ...headers };
}

/** Operators, unlike agents, are told the detail. */
export function failure(code: ErrorCode, detail: string): Answer {
  return { status: statusOf(code), body: { error_code: code, message: ERRORS[code].message, detail } };
}

export function statusOf(code: ErrorCode): number {
  const { status } = ERRORS[code];
  return STATUS[code] ?? (status < 400 ? 500 : status);
}
