import { readBase64Url } from '../bytes/base64url.ts';
import { equalBytes } from '../bytes/equal.ts';
import { encodeHex } from '../bytes/hex.ts';
import { keyId } from '../claim/key.ts';
import { signatureFinding } from '../claim/self.ts';
import { verdictOf } from '../conclude.ts';
import { verifyEd25519 } from '../crypto/ed25519.ts';
import { asserted, type Finding, failed, informative, notChecked, proven, provenUnless, required } from '../finding.ts';
import { FormatError } from '../format-error.ts';
import type { Check, Verdict } from '../report.ts';
import { approvals, gatewayFinding, trustedKey } from '../trust.ts';
import { type LiveDocument, readLiveDocument } from './document.ts';
import { type LiveExpectations, liveRelaxationsOf, memberOf } from './expectations.ts';
import { type LiveStanding, liveStanding } from './standing.ts';
import { attestationStatement, type LiveStatement, statementPreimage } from './statement.ts';

/** How far the gateway's clock may be ahead (wire-formats section 22), and how old an answer may be, in seconds. */
const FUTURE_SKEW_SECONDS = 300;
const DEFAULT_MAX_AGE_SECONDS = 300;

const GATEWAY = ['gateway.measurement', 'Is it the gateway that was expected?'] as const;

/** What the relying party saw for itself. */
export interface LiveGiven {
  /** The challenge that it sent. */
  nonce: Uint8Array;
  /**
   * SHA-256 of the SubjectPublicKeyInfo of the key that the live peer authenticated with, `sha256:…`; `none`: the connection has no
   * TLS; null: there is no connection, as for a stored document.
   */
  tlsSpki: string | null;
  /** The verifier's clock, seconds since the epoch. */
  now: number;
}

/** The answer to {@link verifyLiveAttestation}. */
export interface LiveReport {
  verdict: Verdict;
  /** One sentence for a person. */
  summary: string;
  /** What the gateway stated; null when the document could not be read. Only as good as the verdict. */
  statement: LiveStatement | null;
  checks: Check[];
  /** Relaxations that were in force, by their names in a file of expectations. */
  relaxations: string[];
  /** Members of a file of expectations that would make the unproven required checks provable. */
  lacking: string[];
  /** What no check in this report speaks about, in plain words. */
  residual: string[];
}

/**
 * Verifies a gateway's answer to a challenge (attestation.md section 9.3): that it is fresh, that the key of the live connection is
 * the one that was attested, and that what runs is what the relying party expects. Total: any input gives a report. Reads no
 * clock, no network and no root but those that are given.
 *
 * @param document the JSON document, or the CMW record that holds it
 */
export async function verifyLiveAttestation(
  document: Uint8Array | string,
  given: LiveGiven,
  expectations: LiveExpectations,
): Promise<LiveReport> {
  const form = (finding: Finding): Check => required('live.form', 'Has it the form of an attestation?', finding);
  try {
    const read = readLiveDocument(document);
    return report(read, [form(proven('it has')), ...(await checksOf(read, given, expectations))], expectations);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return report(null, [form(failed(error.message))], expectations);
  }
}

async function checksOf(document: LiveDocument, given: LiveGiven, expectations: LiveExpectations): Promise<Check[]> {
  const { statement, key: x, evidence, signature } = document;
  const bytes = attestationStatement(statement);
  const signed = await verifyEd25519(x, signature, statementPreimage(bytes));
  const standing = await liveStanding(evidence, bytes, expectations, given.now);
  const signer = { x, kid: keyId(x), software: evidence === null };
  return [
    required('live.nonce', 'Does it answer the challenge?', nonce(statement, given)),
    required('live.time', 'Was it made just now?', freshness(statement, given, expectations)),
    ...tlsChecks(statement, given, expectations),
    required(
      'live.signature',
      'Does the gateway hold the key that it names?',
      signatureFinding(signed, 'the statement', 'the key in the document'),
    ),
    ...standing.checks,
    required(
      'key.pinned',
      'Is the key that signed one that you trust?',
      trustedKey(signer, expectations.keys ?? [], standing, false),
    ),
    ...governance(statement, expectations, standing),
  ];
}

function nonce(statement: LiveStatement, given: LiveGiven): Finding {
  const said = readBase64Url(statement.nonce);
  // An empty challenge is answered by anything, and is nobody's intention.
  const same = said !== null && given.nonce.length > 0 && equalBytes(said, given.nonce);
  return provenUnless(same ? null : 'it answers another challenge', 'it does', encodeHex(given.nonce));
}

/** The challenge shows that it was made after that; the time is the gateway's word, and must not contradict it. */
function freshness(
  { iat }: LiveStatement,
  { now }: LiveGiven,
  { maxAgeSeconds = DEFAULT_MAX_AGE_SECONDS }: LiveExpectations,
): Finding {
  const against = `at most ${maxAgeSeconds} s before ${now} s`;
  // Written so that a clock that is not a number does not pass.
  if (!(iat <= now + FUTURE_SKEW_SECONDS)) return failed('it is dated in the future', against);
  return now - iat <= maxAgeSeconds
    ? proven(`it is ${Math.max(0, now - iat)} s old`, against)
    : failed(`it is ${now - iat} s old`, against);
}

function tlsChecks(
  { tls_spki: said }: LiveStatement,
  { tlsSpki: seen }: LiveGiven,
  { acceptNoTls }: LiveExpectations,
): Check[] {
  const [id, title] = ['live.tls', 'Is the TLS key of the connection the one that was attested?'];
  if (seen === null) {
    return [
      required(id, title, notChecked(`the gateway says ${said}; no connection was looked at`, '--tls-spki sha256:…')),
    ];
  }
  if (said !== seen) {
    const other = seen === 'none' ? 'the connection has no TLS' : `the connection ends at ${seen}`;
    return [required(id, title, failed(`${other}: somebody stands between you and the gateway`, said))];
  }
  if (seen !== 'none') return [required(id, title, proven('it is', seen))];
  const finding = asserted(
    'there is no TLS: whoever is between you and the gateway reads and changes everything',
    'accept: no-tls',
  );
  return [acceptNoTls === true ? informative(id, title, finding) : required(id, title, finding)];
}

/** Policy, catalog, mode and code, as the gateway states them. */
function governance(statement: LiveStatement, expectations: LiveExpectations, standing: LiveStanding): Check[] {
  const { policy_hash, catalog_hash, mode, measurement } = statement;
  const { gatewayMeasurement } = expectations;
  const said = {
    speaker: 'the gateway',
    running: 'the gateway runs',
    policyHash: policy_hash,
    catalogHash: catalog_hash,
    mode,
  };
  return [
    ...approvals(said, expectations, standing),
    gatewayMeasurement === undefined
      ? informative(...GATEWAY, asserted(`the gateway says ${measurement}; no expected value was given`))
      : required(...GATEWAY, gatewayFinding('the gateway', measurement, gatewayMeasurement, standing)),
  ];
}

function report(document: LiveDocument | null, checks: Check[], expectations: LiveExpectations): LiveReport {
  const worded = checks.map((check) =>
    check.remedy === undefined ? check : { ...check, remedy: memberOf(check.remedy) },
  );
  const relaxations = liveRelaxationsOf(expectations);
  const { verdict, summary, open } = verdictOf(worded, relaxations);
  const software = document?.evidence === null;
  return {
    verdict,
    summary: verdict === 'verified' && software ? `${summary} No hardware vouches for it.` : summary,
    statement: document?.statement ?? null,
    checks: worded,
    relaxations,
    lacking: [...new Set(open.flatMap(({ remedy }) => remedy ?? []))],
    residual: residualOf(software),
  };
}

function residualOf(software: boolean): string[] {
  return [
    'It holds for the connection that was looked at, and for the moment of the answer.',
    'What the tools answer is not attested, only the gateway in front of them.',
    software
      ? 'The key is a software key: whoever controls the machine can sign anything with it.'
      : 'Hardware makers, their firmware, and physical attacks on the machine are trusted or left out of account.',
  ];
}
