import { type JsonObject, parseJson, type SessionFile, stringifyJson } from '@cmcp/evidence';
import { type ErrorCode, GatewayError } from '../errors.ts';
import type { SessionEvidence } from './evidence.ts';
import type { AuditLogOptions } from './in-process.ts';
import type { AuditLog, RecoveredSession } from './types.ts';

/** The operations that cross to the log worker. */
type Method = {
  [K in keyof AuditLog]: AuditLog[K] extends (...args: never) => Promise<unknown> ? K : never;
}[keyof AuditLog];

/** One call of an operation. `id` is answered exactly once. */
export type Request = { [M in Method]: { id: number; method: M; args: Parameters<AuditLog[M]> } }[Method];

export interface Failure {
  code: ErrorCode;
  detail: string;
}

/** `ended`: with this failure the log stopped to record, so nothing else may be asked of it. */
export type Reply = { id: number; value: unknown } | { id: number; failure: Failure; ended: boolean };

/** What the worker is started with. */
export interface WorkerStart extends AuditLogOptions {
  /** Whether evidence about the machine has to be asked for. */
  attested: boolean;
}

/** The worker asks for evidence that carries these bytes; only the thread that holds the platform can collect it. */
export interface AttestRequest {
  attest: number;
  bound: Uint8Array;
}

/** What came of one {@link AttestRequest}. */
export type AttestReply = { attest: number; evidence: SessionEvidence } | { attest: number; failure: Failure };

/** What the worker says first: that it serves, or why it does not. */
export type Hello = Serving | { failure: Failure };

export interface Serving {
  publicKey: string;
  recovered: readonly RecoveredSession[];
}

/** Runs one request. Anything but a GatewayError is a defect of the log, and its text stays with operators. */
export async function answer(log: AuditLog, request: Request): Promise<Reply> {
  try {
    return { id: request.id, value: await dispatch(log, request) };
  } catch (error) {
    return { id: request.id, failure: failureOf(error), ended: log.failure !== null };
  }
}

function dispatch(log: AuditLog, request: Request): Promise<unknown> {
  switch (request.method) {
    case 'exposures':
      return log.exposures();
    case 'lastClaimHash':
      return log.lastClaimHash();
    case 'openSession':
      return log.openSession(...request.args);
    case 'refreshEvidence':
      return log.refreshEvidence(...request.args);
    case 'intent':
      return log.intent(...request.args);
    case 'append':
      return log.append(...request.args);
    case 'standing':
      return log.standing(...request.args);
    case 'closeSession':
      return log.closeSession(...request.args);
    case 'sessions':
      return log.sessions();
    case 'exportSession':
      return log.exportSession(...request.args).then(stringifyJson);
    case 'salts':
      return log.salts(...request.args);
    case 'signStatement':
      return log.signStatement(...request.args);
    case 'recordAnchor':
      return log.recordAnchor(...request.args);
    case 'close':
      return log.close();
  }
}

/** A session file crosses as text: cloning would lose number lexemes that an edited store may hold. */
export function readSessionFile(text: string): SessionFile {
  return parseJson(text, { bytes: 2 ** 30, items: 2 ** 30 }) as JsonObject as SessionFile;
}

export function failureOf(error: unknown): Failure {
  if (error instanceof GatewayError) return { code: error.code, detail: error.detail };
  const detail = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return { code: 'INTERNAL_ERROR', detail };
}
