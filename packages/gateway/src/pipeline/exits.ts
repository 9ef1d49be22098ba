import type { EntryDraft, PolicyDecision } from '@cmcp/evidence';
import { type ErrorCode, GatewayError } from '../errors.ts';
import { speaks } from '../policy/mode.ts';
import type { PathDeps } from './deps.ts';
import type { Ending } from './record.ts';

/** How each refusal or failure of a call is entered. One row per code that the pipeline can end with. */
interface Exit {
  entryType: Ending['entryType'];
  decision: PolicyDecision;
  inspection: EntryDraft['response_inspection_result'];
}

const DENIED: Exit = { entryType: 'tool_call', decision: 'deny', inspection: 'n/a' };
/** There was an answer; the record says what came of looking through it. */
const WITHHELD: Exit = { entryType: 'egress_denied', decision: 'deny', inspection: 'not_inspected' };
const FAULT: Exit = { entryType: 'fault', decision: 'fault', inspection: 'n/a' };

const EXITS: Partial<Record<ErrorCode, Exit>> = {
  METHOD_NOT_GOVERNED: { ...DENIED, entryType: 'mcp_request' },
  TOOL_NOT_IN_CATALOG: DENIED,
  RESOURCE_NOT_IN_CATALOG: DENIED,
  PROMPT_NOT_IN_CATALOG: DENIED,
  INVALID_PARAMS: DENIED,
  INSUFFICIENT_SCOPE: DENIED,
  ASK_REFUSED: DENIED,
  ARGUMENTS_REFUSED: DENIED,
  UNKNOWN_DATA_CLASS: DENIED,
  CATALOG_DRIFT: DENIED,
  INTENT_SCOPE: DENIED,
  MANIFEST_REFUSED: DENIED,
  POLICY_DENY: DENIED,
  BLOCKED: DENIED,
  LIMIT_EXCEEDED: DENIED,
  POLICY_ERROR: DENIED,
  STEP_UP_REQUIRED: { ...DENIED, decision: 'step_up' },
  DEFERRED: { ...DENIED, decision: 'defer' },
  APPROVAL_REFUSED: DENIED,
  RESPONSE_SIZE_EXCEEDED: { ...DENIED, inspection: 'size_exceeded' },
  UPSTREAM_TOOL_ERROR: { ...FAULT, inspection: 'not_inspected' },
  RESPONSE_INJECTION_DETECTED: WITHHELD,
  RESPONSE_SCHEMA_VIOLATION: WITHHELD,
  RESPONSE_SCHEMA_VIOLATION_STRICT: WITHHELD,
  RESPONSE_CONTENT_REFUSED: WITHHELD,
  RESPONSE_QUARANTINED: WITHHELD,
  INSPECTION_FAILED: WITHHELD,
  EGRESS_DENIED: WITHHELD,
};

/** What may come before a call is sent, or once its answer is there. */
const AT_BOTH_ENDS: readonly ErrorCode[] = ['BLOCKED', 'LIMIT_EXCEEDED'];

/**
 * The entry members of an exit. Whatever is not a decision is a fault: the call's outcome is not what was asked for. `answered`: there
 * was an answer.
 */
export function exitOf(code: ErrorCode, answered = false): Exit {
  return answered && AT_BOTH_ENDS.includes(code) ? WITHHELD : (EXITS[code] ?? FAULT);
}

/**
 * The code that a thrown value ends a call with. What no room threw on purpose is an internal error: denied, entered, and
 * told to the caller as nothing more than that (architecture rule 3).
 */
export function failureOf(thrown: unknown): GatewayError {
  if (thrown instanceof GatewayError) return thrown;
  return new GatewayError('INTERNAL_ERROR', thrown instanceof Error ? thrown.message : 'unknown', { cause: thrown });
}

/** Operators learn why; in silent mode only of what failed, not of what was denied. */
export function reportEnd({ config, report }: PathDeps, callId: string, { code, detail }: GatewayError): void {
  if (speaks(config.mode) || exitOf(code).decision === 'fault') report(code, callId, detail);
}
