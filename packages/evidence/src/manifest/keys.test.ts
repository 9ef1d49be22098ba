import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeBase64Url } from '../bytes/base64url.ts';
import { decodeHex } from '../bytes/hex.ts';
import { ed25519Signer, hybridKey, mlDsaSigner } from '../testing/manifest.ts';
import { manifestKey, readManifestKeys } from './keys.ts';

const signer = await ed25519Signer();
const text = encodeBase64Url(signer.key.key);
const read = (value: unknown) => readManifestKeys(JSON.stringify(value), 'keys.json');

test('a trust anchor file holds one key or several, and a key id has to be that of its key', () => {
  const [key] = read({ public_key_base64url: text, key_id: signer.key.id });
  assert.deepEqual(key, { ...signer.key, source: 'keys.json' });
  const pq = mlDsaSigner();
  const both = hybridKey(signer, pq);
  const keys = read({
    keys: [
      { public_key_base64url: text, issuers: ['spiffe://a/b'] },
      { public_key_base64url: encodeBase64Url(pq.key.key) },
      { public_key_base64url: encodeBase64Url(both.key) },
    ],
  });
  assert.deepEqual(
    keys.map(({ algorithm }) => algorithm),
    ['Ed25519', 'ML-DSA-65', 'hybrid-Ed25519-ML-DSA-65'],
  );
  assert.deepEqual(keys[0]?.issuers, ['spiffe://a/b']);
});

test('a trust anchor file that is not exactly one is refused [ATK-36]', () => {
  for (const wrong of [
    {},
    [],
    null,
    { keys: [] },
    { keys: {} },
    { public_key_base64url: text, extra: 1 },
    { public_key_base64url: `${text}=` },
    { public_key_base64url: '!' },
    { public_key_base64url: encodeBase64Url(signer.key.key.subarray(1)) },
    { public_key_base64url: text, key_id: '0'.repeat(64) },
    { public_key_base64url: text, key_id: signer.key.id.toUpperCase() },
    { public_key_base64url: text, issuers: 'spiffe://a/b' },
    { keys: [{ public_key_base64url: text }, { public_key_base64url: text }] },
    { keys: [{ public_key_base64url: text }], public_key_base64url: text },
  ]) {
    assert.throws(() => read(wrong), { name: 'FormatError' }, JSON.stringify(wrong));
  }
  for (const file of ['', '{', `{"public_key_base64url":"${text}","public_key_base64url":"${text}"}`]) {
    assert.throws(() => readManifestKeys(file, 'keys.json'), { name: 'FormatError' });
  }
});

test('a key of small order, alone or in a hybrid key, is refused when it is given [ATK-38]', () => {
  const small = decodeHex(`${'00'.repeat(31)}80`);
  assert.throws(() => manifestKey(small, 'given'), /small order/);
  assert.throws(() => manifestKey(Uint8Array.of(...small, ...mlDsaSigner().key.key), 'given'), /small order/);
  assert.throws(() => manifestKey(new Uint8Array(), 'given'), /no known kind/);
});
