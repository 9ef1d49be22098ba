import {
  attestationStatement,
  encodeBase64Url,
  jwkThumbprint,
  type LiveDocument,
  type LiveStatement,
} from '@cmcp/evidence';
import type { AuditLog } from '../audit/types.ts';
import type { Clock } from '../clock.ts';
import type { EvidenceProvider } from './types.ts';

/** What a gateway states of itself, whoever asks. */
export type OwnStatement = Omit<LiveStatement, 'nonce' | 'iat' | 'jwk_thumbprint'>;

export interface LiveAttestationDeps {
  /** null: no platform gives evidence; the claim key signs all the same. */
  provider: Pick<EvidenceProvider, 'collectLive'> | null;
  /** The claim key never leaves the log. */
  log: Pick<AuditLog, 'publicKey' | 'signStatement'>;
  clock: Clock;
  /** What the gateway is now, read anew for each challenge. */
  self: () => OwnStatement;
}

/** Answers a challenge of 16 to 64 bytes with fresh evidence. Rejects with GatewayError ATTESTATION_FAILED, AUDIT_UNAVAILABLE. */
export type AttestLive = (nonce: Uint8Array, signal?: AbortSignal) => Promise<LiveDocument>;

/** Live evidence about a running gateway (attestation.md section 9.3): a request of its own, never mixed with evidence of claims. */
export function liveAttestation({ provider, log, clock, self }: LiveAttestationDeps): AttestLive {
  return async (nonce, signal) => {
    const statement = {
      nonce: encodeBase64Url(nonce),
      iat: Math.floor(clock.nowMicros() / 1e6),
      jwk_thumbprint: encodeBase64Url(jwkThumbprint(log.publicKey)),
      ...self(),
    };
    const bytes = attestationStatement(statement);
    const [signature, evidence] = await Promise.all([
      log.signStatement(bytes),
      provider === null ? null : provider.collectLive(bytes, signal),
    ]);
    return { statement, key: log.publicKey, evidence, signature };
  };
}
