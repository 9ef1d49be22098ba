import { JsonError, type JsonObject, type JsonValue, parseJson, stringifyJson } from '@cmcp/evidence';
import { AnswerPlace, Fields } from '../../catalog/fields.ts';
import { GatewayError } from '../../errors.ts';
import type { ApprovalRequest } from '../types.ts';

export const MAX_ANSWER_BYTES = 65_536;
const REASON = { pattern: /^[ -~]{1,500}$/, expected: 'printable ASCII, 1 to 500 characters' };
const ID = { pattern: /^[0-9a-f-]{36}$/, expected: 'the id of an approval' };

/** What a callback answers to a request for approval. */
export interface CallbackAnswer {
  approvalId: string;
  approved: boolean;
  reason: string;
}

/** The body of a request. Arguments go along only where the configuration says so: their digest always does (architecture rule 7). */
export function approvalRequested({ binding, arguments: given }: ApprovalRequest, sendArguments: boolean): string {
  const data: JsonObject = { binding, ...(sendArguments && { arguments: given }) };
  return stringifyJson({ type: 'approval.requested', data });
}

/**
 * Reads what a callback sends: `{"type": "approval.answered", "data": {"approval_id", "verdict", "reason"}}`. Not the gateway's own
 * request sent back to it: the types differ.
 * @throws GatewayError INVALID_PARAMS
 */
export function readAnswer(body: Uint8Array): CallbackAnswer {
  const place = new AnswerPlace(
    (problem, at) => new GatewayError('INVALID_PARAMS', `the answer of the callback: ${at} ${problem}`.trim()),
  );
  const fields = new Fields(parsed(body), place, ['type', 'data']);
  fields.oneOf('type', ['approval.answered']);
  const data = new Fields(fields.get('data') ?? null, place.at('data'), ['approval_id', 'verdict', 'reason']);
  return {
    approvalId: data.text('approval_id', ID),
    approved: data.oneOf('verdict', ['granted', 'refused']) === 'granted',
    reason: data.text('reason', REASON),
  };
}

function parsed(body: Uint8Array): JsonValue {
  try {
    return parseJson(body, { bytes: MAX_ANSWER_BYTES, depth: 4 });
  } catch (error) {
    if (error instanceof JsonError) throw new GatewayError('INVALID_PARAMS', 'the answer of the callback is not JSON');
    throw error;
  }
}
