/** Builds Trust Records for tests. Not part of the package. */
import type { JsonObject } from '../json/value.ts';
import { newKey, type TestKey } from './session.ts';
import { signJcs } from './signed.ts';

export const RECORD_TIME = 1_790_000_000;
export const RECORD_POLICY = `sha256:${'0a'.repeat(32)}`;

/** An unsigned record of level 0: software, and says so. */
export function softwareRecord(key: TestKey): JsonObject {
  return {
    eat_profile: 'tag:agentrust-io.com,2026:trace-v0.2',
    iat: RECORD_TIME,
    subject: 'spiffe://example.org/agent/one',
    model: { provider: 'example', model_id: 'example-1' },
    runtime: { platform: 'software-only', measurement: `sha256:${'0'.repeat(64)}`, nonce: 'bm9uY2U' },
    policy: { bundle_hash: RECORD_POLICY, enforcement_mode: 'enforce' },
    data_class: 'internal',
    build_provenance: { slsa_level: 0, digest: `sha256:${'b'.repeat(64)}` },
    appraisal: { status: 'none', verifier: 'https://verifier.example/v1' },
    cnf: { jwk: { kty: 'OKP', crv: 'Ed25519', x: key.x } },
  };
}

/** An unsigned record that has what level 1 asks for, and names a log as level 2 asks. */
export function hardwareRecord(key: TestKey): JsonObject {
  return {
    ...softwareRecord(key),
    runtime: { platform: 'amd-sev-snp', measurement: `sha384:${'5a'.repeat(48)}` },
    build_provenance: { slsa_level: 3, digest: `sha256:${'b'.repeat(64)}` },
    appraisal: { status: 'affirming', verifier: 'https://verifier.example/v1' },
    transparency: 'https://log.example/entries/7',
  };
}

/** A key, the record that `make` gives for it, and the same signed. */
export async function signedRecord(make: (key: TestKey) => JsonObject = softwareRecord) {
  const key = await newKey();
  const record = make(key);
  return { key, record, signed: await signJcs(record, key) };
}
