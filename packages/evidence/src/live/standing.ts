import { encodeHex } from '../bytes/hex.ts';
import { sha256 } from '../crypto/sha256.ts';
import { asserted, informative, proven, required } from '../finding.ts';
import { verifyEvidence } from '../hardware/evidence.ts';
import { fileOf, reading } from '../hardware/files.ts';
import { idleExpectations } from '../hardware/session/applied.ts';
import { codeFinding } from '../hardware/session/code.ts';
import {
  asDetail,
  BINDING,
  carried,
  EVIDENCE,
  evidenceFinding,
  MEASUREMENT,
  stateFinding,
} from '../hardware/session/findings.ts';
import { launchFinding } from '../hardware/session/launch.ts';
import { rootFinding } from '../hardware/session/root.ts';
import type { HardwareStanding } from '../hardware/session/standing.ts';
import { parsePcrValues, selectedValues } from '../hardware/tpm/pcr-values.ts';
import type { EvidenceVerdict } from '../hardware/verdict.ts';
import type { LiveEvidenceFiles } from './evidence-member.ts';
import type { LiveExpectations } from './expectations.ts';

/** The registers that a live quote covers (attestation.md section 9.3), and those of them that are the measurement of a TPM. */
const QUOTED = 'sha256:0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15';
const MEASURED = [{ bank: 'sha256', indexes: [0, 1, 2, 3, 4, 5, 6, 7] }] as const;

/** What hardware says for a gateway that answered a challenge; `unread` is for files. */
export type LiveStanding = Omit<HardwareStanding, 'unread'>;

/**
 * Whether hardware vouches for what a gateway states (contracts section 4). `statement`: the 64 bytes that evidence must carry,
 * recomputed by the caller from what was said.
 *
 * @param now seconds since the epoch
 * @param level the launch level that the gateway states; null where no gateway speaks
 */
export async function liveStanding(
  evidence: LiveEvidenceFiles | null,
  statement: Uint8Array<ArrayBuffer>,
  expectations: LiveExpectations,
  now: number,
  level: string | null,
): Promise<LiveStanding> {
  if (evidence === null) return software(expectations);
  const { kind, files } = evidence;
  const verdict = await verifyEvidence(kind, files, givenFor(evidence, statement, expectations, now));
  const root = rootFinding(verdict.root, expectations);
  const bound =
    carried(verdict, BINDING[kind]) ?? proven('the evidence carries what this answer has to carry', 'recomputed');
  const measured = measuredState(evidence, verdict);
  const state = stateFinding(measured, 'the evidence says', verdict.authentic, expectations);
  const { gatewayMeasurement } = expectations;
  const launch = gatewayMeasurement === undefined ? null : launchFinding(kind, verdict, gatewayMeasurement);
  const code = codeFinding(kind, verdict, state, expectations, { register: launch, level }, 'tpm');
  // What a software TPM recorded at the start of a machine is the word of whoever started the TPM: it is not asked for.
  const askCode = root.software && root.accepted ? informative : required;
  const vouched = verdict.acceptable === true && root.accepted;
  const checks = [
    required(...EVIDENCE, evidenceFinding(verdict)),
    required('hardware.root', 'On whose word is it hardware?', root.finding),
    required('hardware.statement', 'Was the evidence made for this answer?', bound),
    required(...MEASUREMENT, state),
    askCode('gateway.code', 'Is the program that answers the one that was measured?', code),
    ...verdict.checks.map(asDetail),
    ...idleExpectations([kind], expectations),
  ];
  return {
    checks,
    namesKey: vouched && bound.outcome === 'proven',
    provesCode: vouched && code.outcome === 'proven',
    withoutHardware: vouched && root.software,
    launch,
  };
}

/** No evidence: nothing to look at, and nothing that could be proven of the machine. */
function software(expectations: LiveExpectations): LiveStanding {
  const ask = expectations.acceptSoftware === true ? informative : required;
  const evidence = asserted(
    'no: a software key answers, which whoever controls the machine can read',
    '--accept-software',
  );
  const state =
    expectations.measurement === undefined
      ? asserted('a gateway without hardware has no measured platform', '--accept-software')
      : stateFinding(null, 'the gateway says', false, expectations);
  return {
    checks: [ask(...EVIDENCE, evidence), ask(...MEASUREMENT, state), ...idleExpectations([], expectations)],
    namesKey: false,
    provesCode: false,
    withoutHardware: true,
    launch: null,
  };
}

function givenFor(
  { kind }: LiveEvidenceFiles,
  statement: Uint8Array<ArrayBuffer>,
  { anchors = [], evidencePolicy, measurement }: LiveExpectations,
  now: number,
): Parameters<typeof verifyEvidence>[2] {
  const given = { at: now, anchors, userData: statement };
  if (kind !== 'tpm') {
    return {
      ...given,
      ...(measurement !== undefined && { measurement }),
      ...(evidencePolicy !== undefined && { policy: evidencePolicy }),
    };
  }
  // A live quote covers more registers than the measurement, which is computed from their values.
  return { ...given, policy: { ...evidencePolicy, tpm: { ...evidencePolicy?.tpm, selection: QUOTED } } };
}

/** The measurement that the evidence shows, as claims write it (wire-formats section 11.1); null when it shows none. */
function measuredState({ kind, files }: LiveEvidenceFiles, { facts }: EvidenceVerdict): string | null {
  if (kind !== 'tpm') return typeof facts.measurement === 'string' ? facts.measurement : null;
  // Values that do not hash to what was quoted make the quote none that is authentic.
  const bytes = fileOf(files, 'pcrs');
  const values = bytes === undefined ? null : reading(() => parsePcrValues(bytes)).value;
  const selected = values === null ? { missing: 'pcrs' } : selectedValues(MEASURED, values);
  return 'missing' in selected ? null : `sha256:${encodeHex(sha256(selected))}`;
}
