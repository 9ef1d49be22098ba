/** Answers of generated gateways to a challenge, for tests. Not part of the package. */
import type { TrustAnchor } from '../hardware/given.ts';
import {
  attestationStatement,
  encodeBase64Url,
  encodeHex,
  jwkThumbprint,
  type LiveDocument,
  type LiveEvidenceFiles,
  type LiveExpectations,
  type LiveStatement,
  sha256,
  statementPreimage,
} from '../index.ts';
import { CATALOG_HASH, POLICY_HASH, START_SECONDS, type TestKey } from './session.ts';
import type { TestTpm, TpmPcrs } from './tpm.ts';

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
    launch_level: 'ML1',
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

/** A quote as a live answer needs it: all registers from 0 to 15, over the SHA-256 of what it has to carry. */
export function quoteFor(
  tpm: TestTpm,
  statement: Uint8Array,
  {
    selection = 'sha256:0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15',
    pcrs = PCRS,
  }: { selection?: string; pcrs?: TpmPcrs } = {},
): LiveEvidenceFiles {
  const { ak_chain, ek_chain } = tpm.files;
  const chains = { ...(ak_chain && { ak_chain }), ...(ek_chain && { ek_chain }) };
  return { kind: 'tpm', files: { ...tpm.quote(sha256(statement), selection, pcrs), ...chains } };
}

/** What the boot chain is measured as, in PCR 11. */
export const BOOT_PCR = 'b0'.repeat(32);

/** PCR 4 of the firmware, PCR 11 of the boot chain, and PCR 13 after a loader recorded {@link GATEWAY_MEASUREMENT}. */
export const PCRS: TpmPcrs = {
  sha256: {
    '4': 'ab'.repeat(32),
    '11': BOOT_PCR,
    '13': encodeHex(sha256(Uint8Array.of(...new Uint8Array(32), ...new Uint8Array(32).fill(0xe1)))),
  },
};

/** The measurement of a TPM with {@link PCRS}, as claims write it. */
export const TPM_MEASUREMENT = `sha256:${encodeHex(
  sha256(Uint8Array.from({ length: 256 }, (_, i) => (i >= 128 && i < 160 ? 0xab : 0))),
)}`;

/** A root that the tests made, as an operator names one. */
export function asOperatorRoot(root: TrustAnchor): TrustAnchor {
  return { ...root, source: 'operator', assurance: 'unknown' };
}
