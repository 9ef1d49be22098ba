import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  decodeBase64Url,
  decodeHex,
  decodeUtf8,
  EncodingError,
  encodeBase64Url,
  encodeHex,
  encodeUtf8,
  equalBytes,
} from '../index.ts';

function refused(decode: (text: string) => unknown, text: string): boolean {
  try {
    decode(text);
    return false;
  } catch (error) {
    if (error instanceof EncodingError) return true;
    throw error;
  }
}

test('base64url and hex agree with Node for any bytes, and read back', () => {
  fc.assert(
    fc.property(fc.uint8Array(), (bytes) => {
      assert.equal(encodeBase64Url(bytes), Buffer.from(bytes).toString('base64url'));
      assert.equal(encodeHex(bytes), Buffer.from(bytes).toString('hex'));
      assert.deepEqual(decodeBase64Url(encodeBase64Url(bytes)), bytes);
      assert.deepEqual(decodeHex(encodeHex(bytes)), bytes);
    }),
  );
});

test('base64url has one text per byte string: padding, other alphabets, spaces and stray bits are refused [ATK-36]', () => {
  for (const text of ['AA==', 'AA=', 'A', 'AAAAA', '+/+/', 'AA A', 'AA\n', 'AB', 'AAB', 'é', '\u0000AAA']) {
    assert.ok(refused(decodeBase64Url, text), text);
  }
  fc.assert(
    fc.property(
      fc.string({ maxLength: 12 }),
      (text) => refused(decodeBase64Url, text) || encodeBase64Url(decodeBase64Url(text)) === text,
    ),
  );
});

test('hex is lower case and whole', () => {
  for (const text of ['A0', 'a', '0x', 'g0', ' 0']) assert.ok(refused(decodeHex, text), text);
  fc.assert(
    fc.property(fc.string({ maxLength: 8 }), (text) => refused(decodeHex, text) || encodeHex(decodeHex(text)) === text),
  );
});

test('UTF-8 is strict both ways, and a byte order mark is kept', () => {
  assert.throws(() => encodeUtf8('\ud800'), EncodingError);
  assert.throws(() => decodeUtf8(Uint8Array.of(0xc3)), EncodingError);
  assert.equal(decodeUtf8(Uint8Array.of(0xef, 0xbb, 0xbf, 0x61)), '\ufeffa');
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => !text.isWellFormed() || decodeUtf8(encodeUtf8(text)) === text),
  );
});

test('equality of byte strings looks at every byte and at the length', () => {
  assert.ok(equalBytes(Uint8Array.of(1, 2), Uint8Array.of(1, 2)));
  assert.ok(!equalBytes(Uint8Array.of(1, 2), Uint8Array.of(1, 3)));
  assert.ok(!equalBytes(Uint8Array.of(0, 2), Uint8Array.of(1, 2)));
  assert.ok(!equalBytes(Uint8Array.of(1), Uint8Array.of(1, 0)));
  assert.ok(equalBytes(new Uint8Array(), new Uint8Array()));
});
