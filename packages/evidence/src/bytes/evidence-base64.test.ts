import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decodeEvidenceBase64 } from './evidence-base64.ts';
import { EncodingError } from './utf8.ts';

test('either alphabet reads back, with padding or without', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
      const standard = Buffer.from(bytes).toString('base64');
      const url = Buffer.from(bytes).toString('base64url');
      for (const text of [standard, standard.replace(/=+$/, ''), url]) {
        assert.deepEqual(decodeEvidenceBase64(text), new Uint8Array(bytes), text);
      }
    }),
  );
});

test('mixed alphabets, stray padding, white space and stray bits are refused', () => {
  for (const text of ['+_8=', '-/8', 'AA=', 'A===', '====', 'AA==AA==', 'A A=', 'AAAA\n', 'AB', '==', 'AAAAA=']) {
    assert.throws(() => decodeEvidenceBase64(text), EncodingError, text);
  }
});
