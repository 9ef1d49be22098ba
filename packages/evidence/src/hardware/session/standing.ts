import type { WireClaim } from '../../claim/wire.ts';
import { isAcceptableKeyText } from '../../crypto/ed25519.ts';
import type { Expectations } from '../../expectations.ts';
import { asserted, type Finding, failed, informative, notChecked, proven, required } from '../../finding.ts';
import { FormatError } from '../../format-error.ts';
import type { Check } from '../../report.ts';
import type { EvidenceItem } from '../../session-document.ts';
import type { EvidenceGiven } from '../given.ts';
import type { EvidenceVerdict } from '../verdict.ts';
import { idleExpectations } from './applied.ts';
import { boundBytes } from './bound.ts';
import { type ClaimedEvidence, claimedEvidence, type PlatformKind } from './claimed-evidence.ts';
import { codeFinding } from './code.ts';
import { platformVerdict } from './collected.ts';
import { asDetail, BINDING, carried, EVIDENCE, evidenceFinding, MEASUREMENT, stateFinding } from './findings.ts';
import { gpuChecks } from './gpu.ts';
import { launchFinding } from './launch.ts';
import { rootFinding } from './root.ts';

/** What hardware says for a session, as far as the relying party accepts it. */
export interface HardwareStanding {
  checks: Check[];
  /** The signing key is the one that accepted hardware names: no pin of the key is needed. */
  namesKey: boolean;
  /** What the program wrote follows from the measured state: policy, catalog and mode are more than its word. */
  provesCode: boolean;
  /** The session has no hardware behind it: a pinned key stands for the program, by the relying party's own word. */
  withoutHardware: boolean;
  /** Whether a measured loader recorded the expected gateway; null: none was named, or there is no hardware. */
  launch: Finding | null;
  /** Items of evidence that no check read. */
  unread: string[];
}

const SECOND_BINDING = 'tpm-second.extra_data';

/**
 * Whether hardware vouches for the key and the chain of a claim (contracts section 4). The 64 bytes that the evidence must carry
 * are computed from key and chain: a nonce that the signer wrote into the claim is never compared with itself.
 *
 * @param level the launch level that session_start names; null when it names none
 */
export async function hardwareStanding(
  claim: WireClaim,
  items: readonly EvidenceItem[],
  expectations: Expectations,
  level: string | null,
): Promise<HardwareStanding> {
  if (claim.trace.runtime.platform === 'software-only') return software(claim, items, expectations);
  const none = { namesKey: false, provesCode: false, withoutHardware: false, launch: null };
  const evidence = gathered(claim, items);
  if (typeof evidence === 'string') {
    return { ...none, checks: [required(...EVIDENCE, failed(evidence))], unread: [] };
  }
  const { kind, unread } = evidence;
  if (kind === null) {
    const finding = notChecked(
      `the claim names ${claim.trace.runtime.platform}; this version does not read its evidence`,
      'a version that reads this evidence',
    );
    return { ...none, checks: [required(...EVIDENCE, finding), ...idleExpectations([], expectations)], unread };
  }
  return { ...(await hardwareBacked(claim, kind, evidence, expectations, level)), unread };
}

function gathered(claim: WireClaim, items: readonly EvidenceItem[]): ClaimedEvidence | string {
  if (!isAcceptableKeyText(claim.trace.cnf.jwk.x)) return 'the key in the claim is not a valid Ed25519 public key';
  try {
    return claimedEvidence(claim, items);
  } catch (error) {
    if (error instanceof FormatError) return error.message;
    throw error;
  }
}

/** A software session: nothing to look at, and nothing that could be proven. */
function software(claim: WireClaim, items: readonly EvidenceItem[], expectations: Expectations): HardwareStanding {
  const accepted = expectations.acceptSoftware === true;
  const ask = accepted ? informative : required;
  const { measurement } = claim.trace.runtime;
  const { measurement: expected } = expectations;
  const state =
    expected !== undefined && expected !== measurement
      ? failed(`the claim says ${measurement}`, expected)
      : asserted('a software session has no measured platform', '--accept-software');
  const evidence = asserted(
    'no: a software key signed, in memory that whoever controlled the machine could read',
    '--accept-software',
  );
  return {
    checks: [ask(...EVIDENCE, evidence), ask(...MEASUREMENT, state), ...idleExpectations([], expectations)],
    namesKey: false,
    provesCode: false,
    withoutHardware: true,
    launch: null,
    unread: items.map(({ role }) => role),
  };
}

type Backed = Omit<HardwareStanding, 'unread'>;

async function hardwareBacked(
  claim: WireClaim,
  kind: PlatformKind,
  { files, gpu }: ClaimedEvidence,
  expectations: Expectations,
  level: string | null,
): Promise<Backed> {
  const bound = boundBytes(claim.trace.cnf.jwk.x, claim.gateway.audit_chain.root);
  const given = givenFor(claim, expectations);
  const verdict = await platformVerdict(kind, files, bound, given);
  const root = rootFinding(verdict.root, expectations);
  const key = boundFinding(verdict, kind, 'the hash of the signing key');
  const chain = chainFinding(verdict, kind);
  const state = stateFinding(claim.trace.runtime.measurement, 'the claim says', verdict.authentic, expectations);
  const { gatewayMeasurement } = expectations;
  const launch = gatewayMeasurement === undefined ? null : launchFinding(kind, verdict, gatewayMeasurement);
  const code = codeFinding(kind, verdict, state, expectations, { register: launch, level });
  // What a software TPM recorded at the start of a machine is the word of whoever started the TPM: it is not asked for.
  const askCode = root.software && root.accepted ? informative : required;
  // What is not authentic is not acceptable.
  const vouched = verdict.acceptable === true && root.accepted;
  const checks = [
    required(...EVIDENCE, evidenceFinding(verdict)),
    required('hardware.root', 'On whose word is it hardware?', root.finding),
    required('hardware.key', 'Does the evidence name the key that signed the claim?', key),
    required('hardware.chain', 'Does the evidence name the first entry of the chain?', chain),
    required(...MEASUREMENT, state),
    askCode('gateway.code', 'Is the program that wrote the record the one that was measured?', code),
    ...verdict.checks.map(asDetail),
    ...(await gpuChecks(gpu, bound, given.at, expectations)),
    ...idleExpectations(Object.keys(gpu).length > 0 ? [kind, 'nvidia'] : [kind], expectations),
  ];
  return {
    checks,
    namesKey: vouched && key.outcome === 'proven',
    provesCode: vouched && code.outcome === 'proven',
    withoutHardware: vouched && root.software,
    launch,
  };
}

function givenFor(claim: WireClaim, { anchors = [], evidencePolicy, now }: Expectations): EvidenceGiven {
  return {
    at: now ?? claim.trace.iat,
    anchors,
    measurement: claim.trace.runtime.measurement,
    ...(evidencePolicy !== undefined && { policy: evidencePolicy }),
  };
}

function boundFinding(verdict: EvidenceVerdict, kind: PlatformKind, what: string): Finding {
  return carried(verdict, BINDING[kind]) ?? proven(`the evidence carries ${what}`, 'computed from the claim');
}

/** The first quote of a TPM covers the key only; the chain needs the second one (contracts section 4, W-03). */
function chainFinding(verdict: EvidenceVerdict, kind: PlatformKind): Finding {
  const what = 'the hash of the first entry';
  if (kind !== 'tpm') return boundFinding(verdict, kind, what);
  if (!verdict.checks.some(({ id }) => id === SECOND_BINDING)) {
    return asserted('the quote names the key and not the chain', 'the second quote, from the operator');
  }
  return carried(verdict, SECOND_BINDING) ?? proven(`the second quote carries ${what}`, 'computed from the claim');
}
