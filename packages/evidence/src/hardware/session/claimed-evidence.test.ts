import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readClaim } from '../../claim/wire.ts';
import { FormatError } from '../../format-error.ts';
import { type GatewayClaim, parseJson, stringifyJson } from '../../index.ts';
import { makeSession, newKey } from '../../testing/session.ts';
import { claimedEvidence } from './claimed-evidence.ts';

const key = await newKey();
const { claim } = await makeSession(key);

/** A claim of this platform with these members of `attestation_evidence`, all of them base64. */
function claimOf(platform: string, members: Record<string, string> = {}) {
  const copy: GatewayClaim = structuredClone(claim);
  copy.trace.runtime = { platform, measurement: `sha384:${'0'.repeat(96)}`, nonce: 'AA' };
  copy.gateway.attestation_evidence = members as NonNullable<GatewayClaim['gateway']['attestation_evidence']>;
  return readClaim(parseJson(stringifyJson(copy)));
}

const items = (...roles: string[]) => roles.map((role, i) => ({ role, data: Uint8Array.of(i) }));

/** What a relying party says and no file: roots, keys that are trusted, what is expected. */
const NEVER = ['test_root', 'ak', 'nonce', 'report_data', 'user_data', 'jwks', 'root'];

const BESIDE: [platform: string, kind: string, roles: string[]][] = [
  ['amd-sev-snp', 'sev-snp', ['crl']],
  [
    'intel-tdx',
    'tdx',
    ['pck_chain', 'tcb_info', 'tcb_chain', 'qe_identity', 'qe_chain', 'pck_crl', 'pck_crl_chain', 'root_crl'],
  ],
  ['intel-tdx', 'tdx', ['collateral', 'event_log']],
  ['tpm2', 'tpm', ['ak_public', 'ak_transcript', 'pcrs', 'event_log', 'second_attest', 'second_signature']],
  ['tpm2', 'tpm', ['second_pcrs', 'second_event_log', 'second_path']],
  ['azure-cvm-sev-snp', 'azure-cvm', ['pcrs', 'crl']],
];

test('a file may bring what is signed by others or only explains, each role of its own platform', () => {
  for (const [platform, kind, roles] of BESIDE) {
    const found = claimedEvidence(claimOf(platform), items(...roles.map((role) => `${kind}/${role}`)));
    assert.equal(found.kind, kind);
    assert.deepEqual(Object.keys(found.files).sort(), roles.toSorted());
    assert.deepEqual(found.unread, []);
  }
});

test('roots, pins, challenges and the evidence itself are not taken from beside a claim', () => {
  const own = ['report', 'quote', 'attest', 'signature', 'evidence', 'vcek', 'chain', 'ak_chain'];
  for (const [platform, kind] of BESIDE) {
    const roles = [...NEVER, ...own].map((role) => `${kind}/${role}`);
    const found = claimedEvidence(claimOf(platform), items(...roles));
    assert.deepEqual([found.files, found.unread], [{}, roles], platform);
  }
});

test('evidence of another platform is not read, and that of a GPU is kept apart', () => {
  const gpu = items('nvidia/report', 'nvidia/chain', 'nvidia/eat');
  const found = claimedEvidence(claimOf('amd-sev-snp'), [...items('tdx/tcb_info', 'crl', 'sev-snp/crl/x'), ...gpu]);
  assert.deepEqual(found.unread, ['tdx/tcb_info', 'crl', 'sev-snp/crl/x']);
  assert.deepEqual([found.files, Object.keys(found.gpu)], [{}, ['report', 'chain', 'eat']]);
});

test('of a platform that is not read here no evidence is', () => {
  const found = claimedEvidence(claimOf('aws-nitro', { raw_evidence: 'AA==' }), items('aws-nitro/document'));
  assert.deepEqual([found.kind, found.files, found.unread], [null, {}, ['aws-nitro/document']]);
});

test('the members of the claim come under the roles of their platform', () => {
  const members = { raw_evidence: 'AQ==', quote_signature: 'Ag==', cert_chain: 'Aw==', ek_cert_chain: 'BA==' };
  const tpm = claimedEvidence(claimOf('tpm2', members), []).files;
  assert.deepEqual(
    Object.entries(tpm).map(([role, data]) => [role, data?.[0]]),
    [
      ['attest', 1],
      ['signature', 2],
      ['ak_chain', 3],
      ['ek_chain', 4],
    ],
  );
  assert.deepEqual(Object.keys(claimedEvidence(claimOf('intel-tdx', members), []).files), ['quote']);
  assert.deepEqual(Object.keys(claimedEvidence(claimOf('azure-cvm-sev-snp', members), []).files), ['evidence']);
  assert.deepEqual(claimedEvidence(claimOf('tpm2'), []).files, {});
});

test('what cannot be decoded is refused by the name of its member', () => {
  for (const name of ['raw_evidence', 'quote_signature', 'cert_chain', 'ek_cert_chain']) {
    const of = claimOf('tpm2', { [name]: '*' });
    assert.throws(() => claimedEvidence(of, []), new FormatError(`attestation_evidence.${name} is not base64`));
  }
  for (const cert_chain of ['', 'AA==']) {
    assert.throws(() => claimedEvidence(claimOf('amd-sev-snp', { cert_chain }), []), FormatError);
  }
});
