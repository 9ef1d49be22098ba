import assert from 'node:assert/strict';
import { test } from 'node:test';
import { kdfa, kdfe } from './kdf.ts';

const KEY = Uint8Array.from({ length: 32 }, (_, i) => i);
const U = Uint8Array.of(0xa0, 0xa1, 0xa2, 0xa3);
const V = Uint8Array.of(0xb0, 0xb1, 0xb2, 0xb3);

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');

// Expected values are OpenSSL's, by its KBKDF and SSKDF, of which KDFa and KDFe are uses.
test('KDFa is the counter-mode derivation of SP 800-108, also over several blocks', () => {
  assert.equal(
    hex(kdfa('sha256', KEY, 'ATH', U, V, 256)),
    '1a6fe4c53640d311abdca0cc6fc9f85905c72bccfccf8a64b788f09593aca691',
  );
  assert.equal(
    hex(kdfa('sha384', KEY, 'STORAGE', U, V, 800)),
    '310be3c83b134db360b5f8e048838bb5489ebbdcd1c2df328bfd4d7e4dffd12d23576a4d5cd43b3b33ef30d33a789dd5443edfb95778d6b3' +
      'b653c9691eb5096726ffa412b6cc1bbc6bca140203cd8bde1d97fa4cbda2a23289ac5f2abd823f5a16c45a38',
  );
});

test('KDFe is the one-step derivation of SP 800-56C over the shared secret', () => {
  assert.equal(
    hex(kdfe('sha256', KEY, 'SECRET', U, V, 384)),
    'cf67b610786c15c4b7fa1b7a0b733990aa1dc49ba3dd516d8418fa5ff1ccb1022bf7f0e8b4244d51418d5bd07b448821',
  );
});

test('no key is derived that has parts of bytes, or nothing', () => {
  for (const bits of [0, -8, 127, 1.5]) {
    assert.throws(() => kdfa('sha256', KEY, 'ATH', U, V, bits), RangeError);
    assert.throws(() => kdfe('sha256', KEY, 'ATH', U, V, bits), RangeError);
  }
});
