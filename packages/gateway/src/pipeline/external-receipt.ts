import {
  controllerKeys,
  type ExternalReceipt,
  externalReceiptStanding,
  isObject,
  JsonError,
  type JsonObject,
  type JsonValue,
  member,
  parseJson,
} from '@cmcp/evidence';
import type { Config } from '../config/types.ts';
import { GatewayError } from '../errors.ts';
import type { Answer } from '../inspection/response.ts';
import type { PathDeps } from './deps.ts';
import type { Plan } from './plan.ts';
import type { CallRecord } from './record.ts';

const MEMBER = 'external_execution_evidence';
const NO_SETTINGS: Config['upstreams'][string]['receipts'] = { keys: [], required: false };

/** What an answer held of the receipt of an outside controller. */
export interface TakenReceipt {
  /** Entered with the call; null: there is none that could be of it. */
  value: ExternalReceipt | null;
  standing: Awaited<ReturnType<typeof externalReceiptStanding>>['is'] | 'absent';
}

/**
 * Takes the receipt that a tool's result may carry (wire-formats section 14.1) and holds it against the call and the configured keys. One of
 * another call, or forged, is not entered: it would speak against the call that carries it (defect D-37).
 *
 * @throws GatewayError UPSTREAM_PROTOCOL_ERROR when the server has to bring a genuine one and did not
 */
export async function takeReceipt(deps: PathDeps, record: CallRecord, plan: Plan, answer: Answer): Promise<void> {
  if (plan.method !== 'tools/call' || answer.kind !== 'result' || answer.type !== 'complete') return;
  const { keys, required } = deps.config.upstreams[plan.item.server.id]?.receipts ?? NO_SETTINGS;
  const receipt = receiptIn(answer.result);
  if (receipt === undefined && !required) return;
  const trusted = controllerKeys(keys.map((x) => ({ x, source: 'config' })));
  const standing =
    receipt === undefined ? 'absent' : (await externalReceiptStanding({ callId: record.callId, receipt }, trusted)).is;
  // What nobody could check here, a relying party may.
  const kept = standing === 'genuine' || standing === 'unknown-issuer' || standing === 'unsupported';
  record.receipt = { standing, value: kept ? (receipt as ExternalReceipt) : null };
  if (required && standing !== 'genuine') {
    throw new GatewayError('UPSTREAM_PROTOCOL_ERROR', `the receipt of the call is ${standing}`);
  }
}

/** Where the reference looks: in the first text that is a JSON object; ours looks into structured content first. */
function receiptIn(result: JsonObject): JsonValue | undefined {
  const structured = member(result, 'structuredContent');
  if (isObject(structured) && Object.hasOwn(structured, MEMBER)) return structured[MEMBER];
  const content = member(result, 'content');
  for (const block of Array.isArray(content) ? content : []) {
    const text = isObject(block) ? member(block, 'text') : undefined;
    const value = typeof text === 'string' && text.includes(MEMBER) ? objectIn(text) : null;
    if (value !== null && Object.hasOwn(value, MEMBER)) return value[MEMBER];
  }
  return undefined;
}

function objectIn(text: string): JsonObject | null {
  try {
    const value = parseJson(text);
    return isObject(value) ? value : null;
  } catch (error) {
    if (error instanceof JsonError) return null;
    throw error;
  }
}
