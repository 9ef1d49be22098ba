/** Answers of generated gateways to a challenge, for tests. Not part of the package. */
import type { TrustAnchor } from '../hardware/given.ts';
import {
  attestationStatement,
  encodeBase64Url,
  jwkThumbprint,
  type LiveDocument,
  type LiveEvidenceFiles,
  type LiveExpectations,
  type LiveStatement,
  sha256,
  statementPreimage,
} from '../index.ts';
import { CATALOG_HASH, POLICY_HASH, START_SECONDS, type TestKey } from './session.ts';

export const NONCE = new Uint8Array(32).fill(7);
export const TLS_SPKI = `sha256:${'5b'.repeat(32)}`;
export const GATEWAY_MEASUREMENT = `sha256:${'e1'.repeat(32)}`;
export const NOW = START_SECONDS;

/** What a sound gateway states. */
export function statementOf(key: TestKey, changed: Partial<LiveStatement> = {}): LiveStatement {
  return {
    nonce: encodeBase64Url(NONCE),
    iat: NOW,
    tls_spki: TLS_SPKI,
    jwk_thumbprint: encodeBase64Url(jwkThumbprint(key.x)),
    measurement: GATEWAY_MEASUREMENT,
    launch_level: 'ML0',
    policy_hash: POLICY_HASH,
    catalog_hash: CATALOG_HASH,
    mode: 'enforcing',
    config_hash: `sha256:${'c0'.repeat(32)}`,
    audit_root: 'a4'.repeat(32),
    ...changed,
  };
}

/** An answer, signed, with the evidence that `collect` makes for the 64 bytes. */
export async function answer(
  key: TestKey,
  statement: LiveStatement = statementOf(key),
  collect: (bytes: Uint8Array<ArrayBuffer>) => Promise<LiveEvidenceFiles | null> = async () => null,
): Promise<LiveDocument> {
  const bytes = attestationStatement(statement);
  return {
    statement,
    key: key.x,
    evidence: await collect(bytes),
    signature: await key.sign(statementPreimage(bytes)),
  };
}

/** What a careful client expects of {@link answer}. */
export function expected(key: TestKey | null, anchors: readonly TrustAnchor[] = []): LiveExpectations {
  return {
    keys: key === null ? [] : [{ x: key.x, source: 'given' }],
    policyHash: POLICY_HASH,
    catalogHash: CATALOG_HASH,
    gatewayMeasurement: GATEWAY_MEASUREMENT,
    anchors,
  };
}

/** SHA-256, as the extraData of a TPM carries a statement. */
export function extraDataOf(statement: Uint8Array): Uint8Array<ArrayBuffer> {
  return sha256(statement);
}
