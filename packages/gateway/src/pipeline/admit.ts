import { randomBytes, randomUUID } from 'node:crypto';
import type { JsonObject } from '@cmcp/evidence';
import type { CallSalt } from '../audit/types.ts';
import { exposedAs } from '../caller.ts';
import { asciiName } from '../claim.ts';
import { type ErrorCode, GatewayError } from '../errors.ts';
import { enforces } from '../policy/mode.ts';
import type { Session, SessionRequest } from '../session/sessions.ts';
import { type Lap, laps } from '../telemetry/stages.ts';
import type { PathDeps } from './deps.ts';
import { InspectedCall } from './inspected.ts';
import { type CallRecord, requestDigest } from './record.ts';

/** What a record begins with. */
export interface Admission {
  entryType: CallRecord['entryType'];
  name: string;
  /** What the request digest covers. */
  payload: JsonObject;
  /** Where nothing measures a request, left out. */
  lap?: Lap;
}

/** Finds the caller's session, enters it, and begins the record. */
export async function admit(
  deps: PathDeps,
  request: SessionRequest,
  { entryType, name, payload, lap = laps() }: Admission,
): Promise<CallRecord> {
  // Architecture rule 3: a tool marked read-only would otherwise ask nothing of the log until its answer is there.
  if (deps.log.failure !== null) throw deps.log.failure;
  const callId = randomUUID();
  const asked = asciiName(name);
  const salt: CallSalt | null = deps.config.audit.digests === 'salted' ? { callId, salt: randomBytes(16) } : null;
  const requestHash = requestDigest(salt, payload);
  // Last, and nothing after it fails: whoever enters a session leaves it.
  const session = await enter(deps, request, { call_id: callId, name: asked });
  const startedMicros = deps.clock.nowMicros();
  const exposed = exposedAs(request.caller);
  deps.exposures.touch(exposed, startedMicros);
  const seen = deps.exposures.row(exposed);
  return {
    callId,
    session,
    caller: request.caller,
    exposed,
    entryType,
    name: asked,
    workflow: request.workflow === null ? null : asciiName(request.workflow),
    startedMicros,
    requestHash,
    salt,
    before: seen,
    generation: seen.generation,
    plan: null,
    drift: null,
    carried: {},
    flow: null,
    effective: null,
    decision: null,
    wouldHaveDenied: false,
    responseHash: null,
    redactions: [],
    redacted: null,
    notices: { relayed: 0, withheld: 0 },
    heldBack: null,
    endedMidStream: false,
    withheldLinks: 0,
    inspected: new InspectedCall(enforces(deps.config.mode)),
    receipt: null,
    released: null,
    approval: null,
    pending: null,
    block: null,
    spent: null,
    retryAfterSeconds: null,
    lap,
  };
}

const NO_SESSION: readonly ErrorCode[] = [
  'SESSION_UNKNOWN',
  'BLOCKED',
  'TOO_MANY_SESSIONS',
  'ATTESTATION_FAILED',
  'ATTESTATION_STALE',
  'MANIFEST_REFUSED',
];

/** A request that is given no session is an event of the gateway chain: no session's chain could hold it. */
async function enter(deps: PathDeps, request: SessionRequest, detail: JsonObject): Promise<Session> {
  try {
    return await deps.sessions.enter(request);
  } catch (error) {
    if (error instanceof GatewayError && NO_SESSION.includes(error.code)) {
      await deps.event('call.refused', request.caller, { ...detail, error_code: error.code });
    }
    throw error;
  }
}
