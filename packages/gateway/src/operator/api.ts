import { encodeBase64Url, type JsonObject } from '@cmcp/evidence';
import type { AuditLog, ClosedSession, Exposure, SessionRow } from '../audit/types.ts';
import { exposedAs } from '../caller.ts';
import { GatewayError } from '../errors.ts';
import type { Sessions } from '../session/sessions.ts';
import type { Operator } from './route.ts';

/** What operators may ask of the gateway (contracts section 9), free of HTTP. */
export interface OperatorDeps {
  log: AuditLog;
  sessions: Sessions;
  /** Id of the gateway's own chain, which is the operators' too. */
  gatewaySession: string;
  /** Lowers the exposure of whoever has this key (`exposedAs`), with an entry in the session's chain. */
  reset: (sessionId: string, exposed: string, by: Operator, reason: string) => Promise<Exposure>;
  /** Enters an operator's action in the gateway chain before it takes effect. */
  enter: (action: string, by: Operator, detail: JsonObject) => Promise<void>;
}

/** The operator's view of the sessions: names, states and counts, never payloads. */
export async function listSessions(deps: OperatorDeps): Promise<JsonObject> {
  return { sessions: (await deps.log.sessions()).map(describe) };
}

export async function showSession(deps: OperatorDeps, sessionId: string): Promise<JsonObject> {
  return describe(await find(deps, sessionId));
}

/** Closes an open session; its claim is stored. SESSION_UNKNOWN when it is not open here. */
export async function closeSession(
  deps: OperatorDeps,
  sessionId: string,
  by: Operator,
  reason: string | null,
): Promise<JsonObject> {
  await deps.enter('operator.close', by, { session_id: sessionId, ...(reason !== null && { reason }) });
  const closing: Promise<ClosedSession> | null = deps.sessions.close(sessionId, 'operator');
  if (closing === null) throw new GatewayError('SESSION_UNKNOWN', `session ${sessionId} is not open`);
  const closed = await closing;
  return {
    session_id: sessionId,
    state: 'closed',
    claim_number: closed.claim.gateway.sequence_number,
    file: closed.file,
  };
}

/** Resets the exposure of the session's subject. The reason is recorded (defect D-51). */
export async function resetSession(
  deps: OperatorDeps,
  sessionId: string,
  by: Operator,
  reason: string,
): Promise<JsonObject> {
  // Held open until the entry is in its chain: a reset that cannot be entered must not happen.
  const session = deps.sessions.hold(sessionId);
  if (session === null) throw new GatewayError('SESSION_UNKNOWN', `session ${sessionId} is not open`);
  try {
    const { subject } = session.caller;
    await deps.enter('operator.reset', by, { session_id: sessionId, subject, reason });
    const exposure = await deps.reset(sessionId, exposedAs(session.caller), by, reason);
    return { session_id: sessionId, subject, exposure: exposure.class, generation: exposure.generation };
  } finally {
    deps.sessions.leave(session);
  }
}

/** The portable session file, as stored at close. */
export async function exportSession(deps: OperatorDeps, sessionId: string, by: Operator): Promise<JsonObject> {
  await find(deps, sessionId);
  await deps.enter('operator.export', by, { session_id: sessionId });
  return deps.log.exportSession(sessionId);
}

/**
 * The salt of one call's payload digests, so that an operator can show to somebody which payload a digest was made from,
 * and of no other call (contracts section 3).
 */
export async function discloseSalt(
  deps: OperatorDeps,
  sessionId: string,
  by: Operator,
  callId: string,
): Promise<JsonObject> {
  const salt = (await deps.log.salts(sessionId)).find((candidate) => candidate.callId === callId);
  if (salt === undefined)
    throw new GatewayError('SESSION_UNKNOWN', `session ${sessionId} holds no salt of call ${callId}`);
  await deps.enter('operator.disclose', by, { session_id: sessionId, call_id: callId });
  return { session_id: sessionId, call_id: callId, salt: encodeBase64Url(salt.salt) };
}

async function find(deps: OperatorDeps, sessionId: string): Promise<SessionRow> {
  const row = (await deps.log.sessions()).find((candidate) => candidate.sessionId === sessionId);
  if (row === undefined) throw new GatewayError('SESSION_UNKNOWN', `no session ${sessionId}`);
  return row;
}

function describe(row: SessionRow): JsonObject {
  return {
    session_id: row.sessionId,
    kind: row.kind,
    subject: row.subject,
    opened_micros: row.openedMicros,
    state: row.state,
    close_reason: row.closeReason,
    entries: row.entries,
    claim_number: row.claimNumber,
  };
}
