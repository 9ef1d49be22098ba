import { randomBytes, randomUUID } from 'node:crypto';
import type { JsonObject } from '@cmcp/evidence';
import type { CallSalt } from '../audit/types.ts';
import { asciiName } from '../claim.ts';
import type { SessionRequest } from '../session/sessions.ts';
import type { PathDeps } from './deps.ts';
import { type CallRecord, requestDigest } from './record.ts';

/** Finds the caller's session, enters it, and begins the record. `payload`: what the request digest covers. */
export async function admit(
  deps: PathDeps,
  request: SessionRequest,
  name: string,
  payload: JsonObject,
  workflow: string | null,
): Promise<CallRecord> {
  deps.log.ensureRecording();
  const session = await deps.sessions.enter(request);
  const callId = randomUUID();
  const salt: CallSalt | null = deps.config.audit.digests === 'salted' ? { callId, salt: randomBytes(16) } : null;
  const startedMicros = deps.clock.nowMicros();
  deps.exposures.touch(session.caller.subject, startedMicros);
  const { seen, generation } = deps.exposures.current(session.caller.subject);
  return {
    callId,
    session,
    name: asciiName(name),
    workflow: workflow === null ? null : asciiName(workflow),
    startedMicros,
    requestHash: requestDigest(salt, payload),
    salt,
    before: seen,
    generation,
    tool: null,
    effective: null,
    decision: null,
    wouldHaveDenied: false,
    responseHash: null,
  };
}
