import assert from 'node:assert/strict';
import { generateKeyPairSync, sign } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  bundleSignaturePreimage,
  FormatError,
  type JsonObject,
  type JsonValue,
  policyKeyId,
  readSuccession,
  successionPreimage,
  successionStatement,
  verifyBundleSignature,
  verifySuccession,
} from '../index.ts';

const HASH = `sha256:${'ab'.repeat(32)}`;

function keyPair() {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const signed = (bytes: Uint8Array): string => sign(null, bytes, privateKey).toString('base64url');
  return { x: publicKey.export({ format: 'jwk' }).x ?? '', signed };
}

const [ONE, OTHER] = [keyPair(), keyPair()];

test('a bundle is signed by the text of its hash under a label of its own, as the reference signs it', async () => {
  assert.equal(new TextDecoder().decode(bundleSignaturePreimage(HASH)), `cmcp-policy-bundle-v1|${HASH}`);
  const signature = ONE.signed(new TextEncoder().encode(`cmcp-policy-bundle-v1|${HASH}`));
  assert.equal(await verifyBundleSignature(HASH, signature, ONE.x), 'valid');
  const refused: [string, string, string][] = [
    [HASH.replace('ab', 'ac'), signature, ONE.x],
    [HASH, signature, OTHER.x],
    [HASH, OTHER.signed(bundleSignaturePreimage(HASH)), ONE.x],
    // Neither the hash alone nor its digest is what is signed.
    [HASH, ONE.signed(new TextEncoder().encode(HASH)), ONE.x],
    [HASH, ONE.signed(Buffer.from('ab'.repeat(32), 'hex')), ONE.x],
    [HASH, `${signature}=`, ONE.x],
    [HASH, Buffer.from(signature, 'base64url').toString('base64'), ONE.x],
    [HASH, '', ONE.x],
  ];
  for (const [hash, given, x] of refused) assert.equal(await verifyBundleSignature(hash, given, x), 'invalid', given);
});

const SAID = {
  currentKeyId: policyKeyId(ONE.x),
  successor: OTHER.x,
  issuedAt: '2026-06-04T00:00:00.000Z',
  reason: 'yearly change',
};
const STATEMENT = successionStatement(SAID);

test('a statement of succession is signed over its canonical form; what it says is read as it was written', async () => {
  const text = `{"current_key_id":"${SAID.currentKeyId}","issued_at":"${SAID.issuedAt}","reason":"yearly change","successor":{"crv":"Ed25519","kty":"OKP","x":"${OTHER.x}"},"type":"cmcp-policy-key-succession-v1"}`;
  const signed = { ...STATEMENT, signature: ONE.signed(new TextEncoder().encode(text)) };
  assert.deepEqual(readSuccession(signed), SAID);
  assert.equal(await verifySuccession(signed, ONE.x), 'valid');
  assert.equal(await verifySuccession(signed, OTHER.x), 'invalid');
  assert.equal(await verifySuccession(STATEMENT, ONE.x), 'invalid');
  for (const key of Object.keys(STATEMENT))
    assert.equal(await verifySuccession({ ...signed, [key]: 'another' }, ONE.x), 'invalid', key);
  assert.deepEqual(successionPreimage(signed), successionPreimage(STATEMENT), 'a signature does not sign itself');
});

test('a key id is the RFC 7638 thumbprint of the key', () => {
  // RFC 8037 appendix A.3.
  assert.equal(
    policyKeyId('11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo'),
    'kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k',
  );
});

test('what is no statement is a FormatError, whatever it is', () => {
  const changed: JsonValue[] = [
    ...Object.keys(STATEMENT).map((key) => ({ ...STATEMENT, [key]: undefined as unknown as JsonValue })),
    { ...STATEMENT, current_key_id: policyKeyId(OTHER.x) },
    { ...STATEMENT, successor: { ...(STATEMENT.successor as JsonObject), d: 'secret' } },
    { ...STATEMENT, issued_at: '2026-06-31T00:00:00Z' },
    { ...STATEMENT, reason: 'line\nbreak' },
    { ...STATEMENT, more: null },
  ];
  for (const statement of changed)
    assert.throws(() => readSuccession(statement), FormatError, JSON.stringify(statement));
  const value = fc.jsonValue() as fc.Arbitrary<JsonValue>;
  const members = fc.record(
    Object.fromEntries(Object.entries(STATEMENT).map(([key, good]) => [key, fc.oneof(fc.constant(good), value)])),
    { requiredKeys: [] },
  ) as fc.Arbitrary<JsonValue>;
  fc.assert(
    fc.property(fc.oneof(value, members), (given) => {
      try {
        assert.deepEqual(Object.keys(readSuccession(given)), Object.keys(SAID));
      } catch (error) {
        assert.ok(error instanceof FormatError, String(error));
      }
    }),
  );
});
