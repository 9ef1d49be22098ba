import { readBase64Url } from '../bytes/base64url.ts';
import { equalBytes } from '../bytes/equal.ts';
import { encodeHex } from '../bytes/hex.ts';
import { keyId } from '../claim/key.ts';
import { signatureFinding } from '../claim/self.ts';
import { verifyEd25519 } from '../crypto/ed25519.ts';
import { asserted, type Finding, failed, informative, notChecked, proven, provenUnless, required } from '../finding.ts';
import { FormatError } from '../format-error.ts';
import type { Check } from '../report.ts';
import { approvals, gatewayFinding, trustedKey } from '../trust.ts';
import { type LiveDocument, readLiveDocument } from './document.ts';
import type { LiveExpectations } from './expectations.ts';
import { type LiveReport, liveReport } from './report.ts';
import { type LiveStanding, liveStanding } from './standing.ts';
import { attestationStatement, type LiveStatement, statementPreimage } from './statement.ts';

/** How far the gateway's clock may be ahead (wire-formats section 22), and how old an answer may be, in seconds. */
const FUTURE_SKEW_SECONDS = 300;
export const LIVE_MAX_AGE_SECONDS = 300;

const GATEWAY = ['gateway.measurement', 'Is it the gateway that was expected?'] as const;

const RESIDUAL = [
  'It holds for the connection that was looked at, and for the moment of the answer.',
  'What the tools answer is not attested, only the gateway in front of them.',
];

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
    const checks = [form(proven('it has')), ...(await checksOf(read, given, expectations))];
    const subject = { statement: read.statement, software: read.evidence === null, residual: RESIDUAL };
    return liveReport(checks, expectations, subject);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    const subject = { statement: null, software: false, residual: RESIDUAL };
    return liveReport([form(failed(error.message))], expectations, subject);
  }
}

async function checksOf(document: LiveDocument, given: LiveGiven, expectations: LiveExpectations): Promise<Check[]> {
  const { statement, key: x, evidence, signature } = document;
  const bytes = attestationStatement(statement);
  const signed = await verifyEd25519(x, signature, statementPreimage(bytes));
  const standing = await liveStanding(evidence, bytes, expectations, given.now, statement.launch_level);
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
  const same = said !== null && equalBytes(said, given.nonce);
  return provenUnless(same ? null : 'it answers another challenge', 'it does', encodeHex(given.nonce));
}

/** The challenge shows that it was made after that; the time is the gateway's word, and must not contradict it. */
function freshness(
  { iat }: LiveStatement,
  { now }: LiveGiven,
  { maxAgeSeconds = LIVE_MAX_AGE_SECONDS }: LiveExpectations,
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
