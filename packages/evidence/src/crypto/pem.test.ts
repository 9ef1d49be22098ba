import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decodeBase64 } from '../bytes/base64.ts';
import { EncodingError, encodeUtf8 } from '../bytes/utf8.ts';
import { FormatError } from '../format-error.ts';
import { readPem } from './pem.ts';

test('base64 agrees with Node for any bytes, and has one text per byte string [ATK-36]', () => {
  fc.assert(
    fc.property(fc.uint8Array(), (bytes) => {
      assert.deepEqual(decodeBase64(Buffer.from(bytes).toString('base64')), bytes);
    }),
  );
  for (const text of ['AA', 'AA=', 'A===', 'AB==', 'AAB=', 'AA==AA==', '-_-_', 'AA A', 'AAA\n', 'é===', '====']) {
    assert.throws(() => decodeBase64(text), EncodingError, text);
  }
});

const block = (label: string, body: string): string => `-----BEGIN ${label}-----\n${body}\n-----END ${label}-----\n`;
const read = (text: string) => readPem(encodeUtf8(text));

test('blocks are read in order, with any line width and any text around them', () => {
  const text = `Bag Attributes\r\n${block('CERTIFICATE', 'AQ\r\nID\tB A==')}x${block('X509 CRL', '')}\0\0`;
  assert.deepEqual(read(text), [
    { label: 'CERTIFICATE', der: Uint8Array.of(1, 2, 3, 4).slice(0, 4) },
    { label: 'X509 CRL', der: new Uint8Array() },
  ]);
});

test('what is outside of blocks may be in any encoding', () => {
  const before = Uint8Array.of(0xe9, 0xff, 0x80, 0x0a);
  assert.deepEqual(readPem(Uint8Array.of(...before, ...encodeUtf8(block('A', 'AQ==')), ...before)), [
    { label: 'A', der: Uint8Array.of(1) },
  ]);
  assert.throws(() => readPem(Uint8Array.of(...encodeUtf8('-----BEGIN A-----\nAQ=='), 0xe9)), FormatError);
});

test('a file of more blocks than anything needs is refused', () => {
  assert.equal(read(block('A', 'AQ==').repeat(100)).length, 100);
  assert.throws(() => read(block('A', 'AQ==').repeat(101)), { name: 'FormatError', message: /more than 100 blocks/ });
});

test('a file without a block, and a block that is not closed, nested, headed or not base64, is refused', () => {
  for (const text of [
    '',
    'AQIDBA==',
    '-----BEGIN A-----\nAQIDBA==\n',
    '-----END A-----\n-----BEGIN A-----\nAQIDBA==\n',
    '-----BEGIN A-----\nAQIDBA==\n-----END A-----BEGIN A-----\nAQIDBA==\n-----END A-----\n',
    '-----BEGIN A-----\nAQIDBA==\n-----END B-----\n',
    '-----BEGIN A-----\n-----BEGIN A-----\nAQIDBA==\n-----END A-----\n',
    block('A', 'Proc-Type: 4,ENCRYPTED\n\nAQIDBA=='),
    block('A', 'AQIDBA'),
    block('A', 'AQ=='.repeat(2)),
    block('A', 'AQIDBA==\u00a0'),
  ]) {
    assert.throws(() => read(text), FormatError, text);
  }
  assert.throws(() => readPem(Uint8Array.of(0xff)), FormatError);
});
