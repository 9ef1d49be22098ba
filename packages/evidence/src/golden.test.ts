import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { sharedPath } from '../../../tests/shared.ts';
import { isAcceptableKeyText, verifyEd25519 } from './crypto/ed25519.ts';
import {
  bundleDigest,
  claimDigest,
  claimPreimage,
  combine,
  decodeBase64Url,
  decodeHex,
  digest,
  encodeBase64Url,
  encodeHex,
  entryHash,
  type JsonObject,
  jwkThumbprint,
  keyId,
  keySubject,
  parseJson,
  sha256,
  sha256Hex,
  verify,
} from './index.ts';

/** Key of RFC 8032 test 1. */
const X = '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo';

const ROOT = '981069c465be3005ed0de3cbc51869037a80a2e2d7296e0edbd65cbc460bfba3';

const START = parseJson(
  '{"call_id":null,"detail":null,"effective_data_class":null,"entry_id":"00000000-0000-4000-8000-000000000000","entry_type":"session_start","evidence_class":"hash-only","external_execution_evidence":null,"latency_us":null,"policy_decision":"n/a","policy_rule_matched":null,"prev_entry_hash":"genesis","request_payload_hash":null,"response_inspection_result":"n/a","response_payload_hash":null,"sequence_number":0,"server_identity":null,"session_id":"11111111-1111-4111-8111-111111111111","session_sensitivity_after":"public","session_sensitivity_before":null,"timestamp_utc":"2026-08-21T18:23:00.123456+00:00","tool_name":null,"workflow_id":null}',
) as JsonObject;

const CLAIM_TEXT =
  '{"cmcp_version":"1.0","trace":{"eat_profile":"tag:agentrust-io.com,2026:trace-v0.2","iat":1787336580,"subject":"spiffe://cmcp.gateway/tee/d75a980182b10ab7","runtime":{"platform":"software-only","measurement":"sha256:0000000000000000000000000000000000000000000000000000000000000000","firmware_version":"software-only-dev-mode"},"policy":{"bundle_hash":"sha256:0f30eae7f46868c8250b1b78be3bfd0cd25b247c0c110271ebd599e7aa5a0e74","enforcement_mode":"enforce","version":"0.1.0"},"data_class":"public","tool_transcript":{"hash":"sha256:981069c465be3005ed0de3cbc51869037a80a2e2d7296e0edbd65cbc460bfba3","call_count":0,"entries":[]},"cnf":{"jwk":{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","kid":"cmcp-d75a9801"}}},"gateway":{"session_id":"11111111-1111-4111-8111-111111111111","gateway_version":"0.0.0","sequence_number":1,"audit_chain":{"root":"981069c465be3005ed0de3cbc51869037a80a2e2d7296e0edbd65cbc460bfba3","tip":"981069c465be3005ed0de3cbc51869037a80a2e2d7296e0edbd65cbc460bfba3","length":1},"call_summary":{"tool_calls_total":0,"tool_calls_allowed":0,"tool_calls_denied":0,"tool_calls_faulted":0,"tools_invoked":[],"session_max_sensitivity":"public","call_graph_summary":{"compliance_domains_touched":[],"cross_boundary_events":[]}},"catalog":{"hash":"sha256:d7fc3e42744ea15a93f6c7309c08722bec66939c55338bafec0774ee63ac8b00","drift_detected":false},"attestation_generated_at":"2026-08-21T18:23:00.123456+00:00","attestation_validity_seconds":86400,"attestation_stale":false,"catalog_exceptions":[],"kill_switch_triggered":false},"signature":"-MZrb0sqKxnfE2uv5yNhke7nDyaVXqCXXA75tO5drHZhCxwKF62HguDlVvLKONmPL1Nu_7dvAOyp6Iw9BxWCCQ"}';

const BUNDLE_SIGNATURE = 'ib3dmKXXOrrz_Oj6Cc35J9UQBvbrtwDw-yRWXmnA_ikZSDqElcWuSDOtWPCXfuUw_irT1QoTAkZy3ouGb4jPDg';

test('thumbprint, kid, subject and nonce of the golden key are those of the reference [C-12]', () => {
  const thumbprint = jwkThumbprint(X);
  assert.equal(encodeHex(thumbprint), '90facafea9b1556698540f70c0117a22ea37bd5cf3ed3c47093c1707282b4b89');
  assert.equal(keyId(X), 'cmcp-d75a9801');
  assert.equal(keySubject(X), 'spiffe://cmcp.gateway/tee/d75a980182b10ab7');
  assert.equal(sha256Hex(decodeBase64Url(X)), '21fe31dfa154a261626bf854046fd2271b7bed4b6abe45aa58877ef47f9721b9');
  const nonce = Uint8Array.of(...thumbprint, ...sha256(decodeHex(ROOT)));
  assert.equal(
    encodeBase64Url(nonce),
    'kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4nrJsH2Gz1EzfHTGZmyex7VEkgDhVbQDPNPwdmG5f2Ypw',
  );
});

test('a text that is no key has no thumbprint, kid or subject', () => {
  for (const x of ['', 'AAAA', `${X}=`, `${X}AA`]) {
    for (const name of [jwkThumbprint, keyId, keySubject]) assert.throws(() => name(x), { name: 'EncodingError' });
  }
});

test('entry hash and bundle digest of the golden session_start are those of the reference [C-12]', async () => {
  assert.equal(entryHash(START), ROOT);
  assert.equal(entryHash({ ...START, entry_hash: 'anything' }), ROOT);
  const message = bundleDigest([{ ...START, entry_hash: ROOT }]);
  assert.equal(encodeHex(message), '30075b3513e64a4dc88f7fc7e785cc46e6683c2ff899e19371941d22090ef9de');
  assert.equal(await verifyEd25519(X, BUNDLE_SIGNATURE, message), 'valid');
});

test('the golden claim signs its canonical form directly and is named by a successor as in the reference [C-12] [C-03]', async () => {
  const claim = parseJson(CLAIM_TEXT) as JsonObject;
  const preimage = claimPreimage(claim);
  assert.equal(sha256Hex(preimage), '36de8bd600326b64998e0cc9b71e43f3d536e065c82e68cb97c0922a1ef0ad70');
  assert.equal(claimDigest(claim), 'sha256:0ee358851f0307aef38b623513bd5e0d29c388ae19096dbbc23511be1fd9ec3b');
  assert.equal(await verifyEd25519(X, String(claim.signature), preimage), 'valid');
});

test('payload digests of the reference', () => {
  assert.equal(digest('{"message":"hi"}'), 'sha256:adbd982b8fe0bbd8477f09262028d3ac264001dc36e3c7579905e72c0b718755');
  assert.equal(digest('{}'), 'sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a');
});

test('the golden claim and bundle are consistent, and as a bare software session not verified [C-17]', async () => {
  const bundle = {
    session_id: START.session_id,
    entries: [{ ...START, entry_hash: ROOT }],
    bundle_signature: BUNDLE_SIGNATURE,
  };
  const report = await verify(combine(CLAIM_TEXT, JSON.stringify(bundle)), {});
  assert.equal(report.verdict, 'unverified', report.summary);
  assert.equal(report.checks.filter((check) => check.outcome === 'failed').length, 0);
});

test('a session of the reference gateway is consistent, and what its entries do not say is not checked', async (t) => {
  const folder = sharedPath('vectors', 'reference-session');
  if (folder === null) return t.skip('the vectors are not there');
  const input = combine(readFileSync(join(folder, 'claim.json')), readFileSync(join(folder, 'bundle.json')));
  const report = await verify(input, {});
  assert.equal(report.verdict, 'unverified', report.summary);
  assert.deepEqual(report.lacking, [
    '--accept-software',
    '--key FILE',
    '--policy-hash sha256:…',
    '--catalog-hash sha256:…',
    '--allow-mode advisory',
  ]);
  assert.equal(report.checks.find((check) => check.id === 'claim.number')?.outcome, 'not checked');
  const unchecked = report.checks.filter((check) => check.required && check.outcome === 'not checked');
  assert.deepEqual(
    unchecked.map((check) => check.id),
    ['session.commitments', 'transcript.calls', 'summary.domains'],
  );
});

test('a sample whose commitments and recovery contradict its claim is refused although every signature holds', async (t) => {
  const folder = sharedPath('vectors', 'compat-sample');
  if (folder === null) return t.skip('the vectors are not there');
  const input = combine(readFileSync(join(folder, 'claim.json')), readFileSync(join(folder, 'bundle.json')));
  const report = await verify(input, {});
  assert.equal(report.verdict, 'refused');
  const outcome = (id: string): string | undefined => report.checks.find((check) => check.id === id)?.outcome;
  assert.equal(outcome('claim.signature'), 'proven');
  assert.equal(outcome('bundle.signature'), 'proven');
  assert.equal(outcome('session.commitments'), 'failed');
  assert.equal(outcome('chain.recovery'), 'failed');
});

interface WycheproofGroup {
  publicKey: { pk: string };
  tests: { tcId: number; msg: string; sig: string; result: string }[];
}

test('Wycheproof: every valid Ed25519 signature is accepted and every invalid one refused [ATK-36]', async (t) => {
  const path = sharedPath('datasets', 'wycheproof', 'ed25519_test.json');
  if (path === null) return t.skip('the vectors are not there');
  const { testGroups } = JSON.parse(readFileSync(path, 'utf8')) as { testGroups: WycheproofGroup[] };
  const wrong: number[] = [];
  for (const group of testGroups) {
    const key = encodeBase64Url(decodeHex(group.publicKey.pk));
    for (const one of group.tests) {
      const result = await verifyEd25519(key, encodeBase64Url(decodeHex(one.sig)), decodeHex(one.msg));
      if ((result === 'valid') !== (one.result === 'valid')) wrong.push(one.tcId);
    }
  }
  assert.deepEqual(wrong, []);
});

test('keys of small order and keys with more than one encoding are refused before any signature [ATK-38] [ATK-36]', () => {
  const refused = [
    '0100000000000000000000000000000000000000000000000000000000000000',
    '0100000000000000000000000000000000000000000000000000000000000080',
    '0000000000000000000000000000000000000000000000000000000000000000',
    '0000000000000000000000000000000000000000000000000000000000000080',
    'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
    '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
    '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85',
    'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
    'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa',
    // y = p and y = p + 2: canonical forms of 0 and 2.
    'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
    'efffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
    '02'.repeat(31),
    '02'.repeat(33),
  ];
  for (const hex of refused) assert.ok(!isAcceptableKeyText(encodeBase64Url(decodeHex(hex))), hex);
  assert.ok(isAcceptableKeyText(X));
  assert.ok(!isAcceptableKeyText(`${X}=`));
});

test('a signature has one text: S plus the group order, padding and stray bits are refused [ATK-36]', async () => {
  const claim = parseJson(CLAIM_TEXT) as JsonObject;
  const signature = String(claim.signature);
  const bytes = decodeBase64Url(signature);
  const order = 2n ** 252n + 27742317777372353535851937790883648493n;
  let s = BigInt(`0x${encodeHex(bytes.slice(32).reverse())}`) + order;
  for (let i = 32; i < 64; i++, s >>= 8n) bytes[i] = Number(s & 0xffn);
  const message = claimPreimage(claim);
  assert.equal(await verifyEd25519(X, encodeBase64Url(bytes), message), 'invalid');
  for (const text of [`${signature}==`, `${signature.slice(0, -1)}R`, signature.slice(0, -1), `${signature}A`, '']) {
    assert.equal(await verifyEd25519(X, text, message), 'invalid');
  }
});
