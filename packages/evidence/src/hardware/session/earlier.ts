import { isAcceptableKeyText } from '../../crypto/ed25519.ts';
import type { Expectations } from '../../expectations.ts';
import { type Finding, failed, informative, notChecked, proven } from '../../finding.ts';
import { FormatError } from '../../format-error.ts';
import { readJsonObject } from '../../json/document.ts';
import type { JsonObject } from '../../json/value.ts';
import type { Check } from '../../report.ts';
import type { EvidenceItem } from '../../session-document.ts';
import { list, object, openObject, text } from '../../shape.ts';
import { boundBytes } from './bound.ts';
import { type CollectedFiles, verifyCollected } from './collected.ts';
import { rootFinding } from './root.ts';

/** The evidence of a process that is gone, beside the claim of the one that recovered its session (contracts section 2). */
export const EARLIER_ROLE = 'earlier/evidence';

const SHAPE = object({
  platform: text(),
  measurement: text(),
  evidence: openObject(),
  files: list(object({ role: text(), media_type: text(), data: text() })),
});

interface WireEarlier extends JsonObject {
  platform: string;
  measurement: string;
  evidence: JsonObject;
  files: { role: string; media_type: string; data: string }[];
}

/** Whether hardware named the key of the process that a session was recovered from. */
export interface EarlierStanding {
  checks: Check[];
  namesKey: boolean;
}

/**
 * Verifies what vouched for an earlier key: the same 64 bytes of the same root, under that key. The relying party's expectations
 * apply to it as to the claim's own evidence.
 *
 * @param key raw Ed25519 key, base64url, as the `recovered` entry names it
 * @param root hash of the first entry, lower-case hex
 * @param at seconds since the epoch
 */
export async function earlierStanding(
  items: readonly EvidenceItem[],
  key: string,
  root: string,
  at: number,
  expectations: Expectations,
): Promise<EarlierStanding> {
  const item = items.find(({ role }) => role === EARLIER_ROLE);
  if (item === undefined) return { checks: [], namesKey: false };
  const finding = await judged(item.data, key, root, at, expectations);
  return {
    checks: [informative('hardware.earlier', 'Does hardware name the key of the earlier process?', finding)],
    namesKey: finding.outcome === 'proven',
  };
}

async function judged(
  bytes: Uint8Array,
  key: string,
  root: string,
  at: number,
  expectations: Expectations,
): Promise<Finding> {
  if (!isAcceptableKeyText(key)) return notChecked('the session names no earlier key');
  const earlier = read(bytes);
  if (typeof earlier === 'string') return failed(earlier);
  const { anchors = [], evidencePolicy, measurement } = expectations;
  const given = { at, anchors, measurement: measurement ?? earlier.measurement };
  const verdict = await verifyCollected(earlier, boundBytes(key, root), {
    ...given,
    ...(evidencePolicy !== undefined && { policy: evidencePolicy }),
  });
  if (verdict === null) return notChecked(`this version does not read evidence of ${earlier.platform}`);
  const { finding, accepted } = rootFinding(verdict.root, expectations);
  if (verdict.checks.some(({ outcome }) => outcome === 'failed')) return failed(verdict.summary);
  if (verdict.acceptable !== true) return notChecked(verdict.summary);
  return accepted ? proven(`it does: ${finding.detail}`, finding.against) : finding;
}

function read(bytes: Uint8Array): (CollectedFiles & { measurement: string }) | string {
  try {
    const value = readJsonObject(bytes, EARLIER_ROLE, { depth: 5, items: 1000 });
    const problem = SHAPE(value, EARLIER_ROLE);
    if (problem !== null) return problem;
    const { platform, measurement, evidence, files } = value as WireEarlier;
    return { platform, measurement, evidence, beside: files };
  } catch (error) {
    if (error instanceof FormatError) return error.message;
    throw error;
  }
}
