import { encodeUtf8 } from '../../bytes/utf8.ts';
import { sha256 } from '../../crypto/sha256.ts';
import type { Expectations } from '../../expectations.ts';
import { failed, informative, notChecked, proven, required } from '../../finding.ts';
import type { Check } from '../../report.ts';
import type { EvidenceFiles } from '../given.ts';
import { nvidiaEvidence } from '../nvidia/evidence.ts';
import type { EvidenceVerdict } from '../verdict.ts';

const BINDING = encodeUtf8('cmcp-gpu-bind-v1');

/**
 * Evidence of GPUs beside that of the platform. Its challenge is derived from the key and chain of the session: a GPU of another
 * machine answers another one. What NVIDIA's service said is checked under keys that the relying party brings.
 */
export async function gpuChecks(
  files: EvidenceFiles,
  bound: Uint8Array,
  at: number,
  { anchors = [], evidencePolicy, gpuServiceKeys }: Expectations,
): Promise<Check[]> {
  if (Object.keys(files).length === 0) return [];
  const verdict = await nvidiaEvidence(gpuServiceKeys === undefined ? files : { ...files, jwks: gpuServiceKeys }, {
    at,
    anchors,
    nonce: gpuChallenge(bound),
    ...(evidencePolicy !== undefined && { policy: evidencePolicy }),
  });
  const details = verdict.checks.map(({ id, title, outcome, against, detail }) =>
    informative(`hardware.${id}`, title, { outcome, against, detail, remedy: null }),
  );
  return [gpuCheck(verdict, gpuServiceKeys === undefined ? '--gpu-service-keys FILE' : null), ...details];
}

/** The challenge that GPU evidence of a session must answer: SHA-256 over a label and the 64 bytes that bind key and chain. */
export function gpuChallenge(bound: Uint8Array): Uint8Array<ArrayBuffer> {
  const message = new Uint8Array(BINDING.length + bound.length);
  message.set(BINDING, 0);
  message.set(bound, BINDING.length);
  return sha256(message);
}

/** What was signed and cannot be appraised holds nothing up; what is not shown to be authentic does. */
function gpuCheck(verdict: EvidenceVerdict, remedy: string | null): Check {
  const { authentic, acceptable, checks } = verdict;
  const [id, title] = ['hardware.gpu', 'Is there evidence of a GPU in this session?'];
  const detail = verdict.summary.replace(/\.$/, '');
  if (acceptable === true) return informative(id, title, proven('yes, authentic and acceptable'));
  if (checks.some(({ outcome }) => outcome === 'failed')) return informative(id, title, failed(detail));
  return authentic ? informative(id, title, notChecked(detail)) : required(id, title, notChecked(detail, remedy));
}
