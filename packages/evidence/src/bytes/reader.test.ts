import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { FormatError } from '../format-error.ts';
import { ByteReader } from './reader.ts';

const BYTES = Uint8Array.of(0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x88);
const reader = (bytes: Uint8Array<ArrayBuffer> = BYTES): ByteReader => new ByteReader(bytes, 'thing');

test('numbers are read in the byte order that is asked for, unsigned', () => {
  assert.equal(reader(Uint8Array.of(0xff)).u8('a'), 0xff);
  assert.deepEqual([reader().u16le('a'), reader().u16be('a')], [0x0201, 0x0102]);
  assert.deepEqual([reader().u32le('a'), reader().u32be('a')], [0x04030201, 0x01020304]);
  assert.deepEqual([reader().u64le('a'), reader().u64be('a')], [0x8807060504030201n, 0x0102030405060788n]);
  assert.equal(reader(new Uint8Array(4).fill(0xff)).u32le('a'), 0xffffffff);
});

test('each read starts where the one before ended, also in a view of a larger buffer', () => {
  const bytes = reader(BYTES.subarray(2));
  assert.deepEqual([bytes.u8('a'), bytes.at, bytes.left], [3, 1, 5]);
  assert.equal(bytes.hex(2, 'b'), '0405');
  assert.deepEqual([...bytes.take(3, 'c')], [6, 7, 0x88]);
  assert.deepEqual([bytes.at, bytes.left], [6, 0]);
  bytes.end();
});

test('nothing is read beyond the end, and the error names structure, field and place', () => {
  const reads: ((bytes: ByteReader) => unknown)[] = [
    (bytes) => bytes.take(8, 'field'),
    (bytes) => bytes.hex(8, 'field'),
    (bytes) => bytes.zeros(8, 'field'),
    (bytes) => bytes.u64le('field'),
    (bytes) => bytes.u64be('field'),
  ];
  for (const read of reads) {
    const bytes = reader();
    bytes.u8('first');
    assert.throws(() => read(bytes), new FormatError('thing: field needs 8 bytes at offset 1, 7 are left'));
  }
  const empty = reader(new Uint8Array());
  for (const read of [() => empty.u8('a'), () => empty.u16le('a'), () => empty.u16be('a')]) {
    assert.throws(read, FormatError);
  }
  for (const read of [() => empty.u32le('a'), () => empty.u32be('a')]) assert.throws(read, FormatError);
});

test('what is reserved must be zero, in every byte', () => {
  reader(new Uint8Array(4)).zeros(4, 'reserved');
  for (let at = 0; at < 4; at++) {
    const bytes = Uint8Array.from({ length: 4 }, (_, i) => (i === at ? 1 : 0));
    assert.throws(() => reader(bytes).zeros(4, 'gap'), new FormatError('thing: gap is reserved and not zero'));
  }
});

test('a structure has an end, after which nothing may follow', () => {
  const bytes = reader();
  bytes.take(7, 'a');
  assert.throws(() => bytes.end(), new FormatError('thing: 1 bytes follow its end'));
});

test('any row of reads of any bytes ends in values or a FormatError, and never passes the end', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), fc.array(fc.nat(60), { maxLength: 12 }), (content, lengths) => {
      const bytes = reader(new Uint8Array(content));
      let taken = 0;
      try {
        for (const length of lengths) taken += bytes.take(length, 'x').length;
      } catch (error) {
        assert.ok(error instanceof FormatError);
      }
      assert.equal(bytes.at, taken);
      assert.equal(bytes.left, content.length - taken);
    }),
  );
});
