import {
  LIVE_MAX_AGE_SECONDS,
  type LiveExpectations,
  type LiveReport,
  type LiveStatement,
  printable,
  verifyLiveAttestation,
} from '@cmcp/evidence';
import type { Clock } from '@cmcp/gateway/client';
import { ConnectFailure } from './failure.ts';
import { type AttestationSource, fetchAttestation } from './fetch-attestation.ts';

const NONCE_BYTES = 32;
const MICROS = 1_000_000;

/** A check that passed. */
export interface Checked {
  statement: LiveStatement;
  /** The key that every connection must end at, as `peerKey` writes it. */
  tlsSpki: string;
  /** What the verifier says, in one sentence. */
  summary: string;
  /** Microseconds since the epoch, by the clock of this machine. */
  checkedAt: number;
  validUntil: number;
}

export interface CheckDeps extends AttestationSource {
  expectations: LiveExpectations;
  clock: Clock;
  randomBytes: (length: number) => Uint8Array;
}

/**
 * Checks, under a fresh nonce, that the gateway is the one that is expected and that its connections end at the key that it attests.
 * @throws ConnectFailure `not_attested` with the reasons, `not_reached` when no answer could be had
 */
export async function checkGateway(deps: CheckDeps): Promise<Checked> {
  const { expectations, clock } = deps;
  const nonce = deps.randomBytes(NONCE_BYTES);
  const { document, tlsSpki } = await fetchAttestation(deps, nonce);
  const checkedAt = clock.nowMicros();
  const now = Math.floor(checkedAt / MICROS);
  const report = await verifyLiveAttestation(document, { nonce, tlsSpki, now }, expectations);
  const { verdict, statement, summary } = report;
  if (verdict !== 'verified' || statement === null) throw new ConnectFailure('not_attested', reasons(report));
  // A clock of the gateway that is ahead prolongs nothing.
  const madeAt = Math.min(now, statement.iat);
  const validUntil = (madeAt + (expectations.maxAgeSeconds ?? LIVE_MAX_AGE_SECONDS)) * MICROS;
  return { statement, tlsSpki, summary, checkedAt, validUntil };
}

/** Every required check that is not proven, failures first, in words for a person. */
function reasons({ summary, checks }: LiveReport): string {
  const open = checks.filter((check) => check.outcome === 'failed' || (check.required && check.outcome !== 'proven'));
  const failed = open.filter(({ outcome }) => outcome === 'failed');
  const lines = (failed.length > 0 ? failed : open).map(({ title, detail, against, remedy }) => {
    const pin = against === null ? '' : ` [against: ${against}]`;
    const cure = remedy === undefined ? '' : ` (the file of expectations lacks: ${remedy})`;
    return `${title} ${detail}${pin}${cure}`;
  });
  return [summary, ...lines].map(printable).join('\n');
}
