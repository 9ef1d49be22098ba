import { FormatError } from '../format-error.ts';
import { readJsonObject } from '../json/document.ts';
import type { JsonObject } from '../json/value.ts';
import { object, oneOf, text, utcTime } from '../shape.ts';

/** The profile of embodied action evidence (wire-formats section 14.2). */
const EMBODIED_PROFILE = 'cmcp.embodied_action_evidence.v0';

/** The detached payload whose hash a receipt carries: which action was handed to a controller, and what it answered. */
export interface EmbodiedPayload extends JsonObject {
  call_id: string;
  action_ref: string;
  agent_id: string;
  action_type: string;
  action_scope: string;
  action_timestamp: string;
  governance_decision: string;
  policy_bundle_hash: string;
  tool_catalog_hash: string;
  handoff_timestamp: string;
}

/** What the controller answered. Never says that something physical was completed: no signature can show that. */
export interface ControllerReceipt extends JsonObject {
  receipt_type: string;
  verdict: 'accepted' | 'rejected';
}

const ROS2 = object(
  {
    distribution: text(),
    action_name: text(),
    action_type: text(),
    goal_uuid: text(),
    goal_preimage_hash: text(),
    goal_preimage_method: text(),
  },
  {},
  'allowed',
);

const RECEIPT = object(
  { receipt_type: text(), verdict: oneOf('accepted', 'rejected') },
  { call_id: text(), action_ref: text(), goal_uuid: text(), goal_preimage_hash: text() },
  'allowed',
);

const PAYLOAD = object(
  {
    profile: oneOf(EMBODIED_PROFILE),
    call_id: text(),
    action_ref: text(),
    agent_id: text(),
    action_type: text(),
    action_scope: text(),
    action_timestamp: utcTime,
    governance_decision: text(),
    policy_bundle_hash: text(),
    tool_catalog_hash: text(),
    controller_target: text(),
    handoff_timestamp: utcTime,
  },
  { ros2: ROS2, receipt: RECEIPT },
  'allowed',
);

/** Reads a detached payload. @throws FormatError */
export function parseEmbodiedPayload(input: Uint8Array | string): EmbodiedPayload {
  const value = readJsonObject(input, 'the payload', { bytes: 4 * 1024 * 1024, depth: 64, items: 100_000 });
  const problem = PAYLOAD(value, 'payload');
  if (problem !== null) throw new FormatError(problem);
  return value as EmbodiedPayload;
}
