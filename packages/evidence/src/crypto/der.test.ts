import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decodeHex } from '../bytes/hex.ts';
import { FormatError } from '../format-error.ts';
import { type DerNode, readDer, readDerSeries, TAG, writeDer } from './der.ts';

const node = (hex: string): DerNode => readDer(decodeHex(hex), 'test');
const refused = (read: () => unknown, why: RegExp): void => {
  assert.throws(read, (error: Error) => error instanceof FormatError && why.test(error.message));
};
const ascii = (tag: number, text: string): DerNode => readDer(writeDer(tag, new TextEncoder().encode(text)), 'test');

test('a value has one encoding: what is not DER, cut short or followed by something is refused [ATK-36]', () => {
  for (const hex of ['', '30', '3001', '308180', '3082ff', '3082ffff00', '3084ffffffff00']) {
    refused(() => node(hex), /cut short/);
  }
  for (const hex of ['3080', '30800000', '3085000000000100']) refused(() => node(hex), /not in the form of DER/);
  for (const hex of ['308100', '3081017f', `30820080${'00'.repeat(128)}`]) refused(() => node(hex), /padded/);
  refused(() => node('1f0100'), /more than one byte/);
  refused(() => node('050000'), /1 bytes follow its end/);
  refused(() => node('300105').children(), /cut short/);
  assert.equal(readDerSeries(decodeHex('05000101ff'), 'test').length, 2);
});

test('whatever is read as one value is written as the same bytes', () => {
  fc.assert(
    fc.property(
      fc.nat(255),
      fc.oneof(fc.uint8Array(), fc.uint8Array({ minLength: 120, maxLength: 300 })),
      (tag, body) => {
        fc.pre((tag & 0x1f) !== 0x1f);
        assert.deepEqual(readDer(writeDer(tag, body), 'test').content, Uint8Array.from(body));
      },
    ),
  );
  for (const length of [0, 127, 128, 255, 256, 65_535, 65_536]) {
    const read = readDer(writeDer(TAG.octetString, new Uint8Array(length)), 'test');
    assert.equal(read.octetString().length, length);
    assert.equal(
      read.bytes.length,
      read.content.length + (length < 128 ? 2 : length < 256 ? 3 : length < 65_536 ? 4 : 5),
    );
  }
});

test('an accessor refuses a value of another type', () => {
  const accessors: ((value: DerNode) => unknown)[] = [
    (value) => value.children(),
    (value) => value.children(TAG.sequence),
    (value) => value.only(TAG.sequence),
    (value) => value.oid(),
    (value) => value.integer(),
    (value) => value.unsigned(),
    (value) => value.bitString(),
    (value) => value.namedBits(),
    (value) => value.octetString(),
    (value) => value.bool(),
    (value) => value.text(),
    (value) => value.time(),
  ];
  for (const read of accessors) refused(() => read(node('0500')), /expected|nothing inside|not known|another type/);
  refused(() => node('3003020101').child(1), /no part 1/);
  assert.equal(node('3003020101').child(0).integer(), 1n);
  refused(() => node('3000').only(TAG.sequence), /exactly one/);
  refused(() => node('300405000500').only(TAG.sequence), /exactly one/);
});

test('integers are minimal; an unsigned one has no sign octet', () => {
  assert.equal(node('020100').integer(), 0n);
  assert.equal(node('0201ff').integer(), -1n);
  assert.equal(node('02020080').integer(), 128n);
  assert.equal(node('020180').integer(), -128n);
  assert.deepEqual(node('020100').unsigned(), Uint8Array.of(0));
  assert.deepEqual(node('02020080').unsigned(), Uint8Array.of(0x80));
  refused(() => node('020180').unsigned(), /negative/);
  refused(() => node('0200').integer(), /empty/);
  for (const hex of ['02020000', '0202007f', '0202ff80', '0202ffff']) refused(() => node(hex).integer(), /padded/);
});

test('object identifiers of every root are read; padded, cut and endless ones are refused', () => {
  assert.equal(node('06032a0304').oid(), '1.2.3.4');
  assert.equal(node('0603550403').oid(), '2.5.4.3');
  assert.equal(node('06028837').oid(), '2.999');
  assert.equal(node('06010a').oid(), '0.10');
  assert.equal(node('06092b06010401ab4f0104').oid(), '1.3.6.1.4.1.5583.1.4');
  refused(() => node('0600').oid(), /cut short/);
  refused(() => node('06022a80').oid(), /padded|cut short/);
  refused(() => node('06032a8001').oid(), /padded/);
  refused(() => node('06022a81').oid(), /cut short/);
  refused(() => readDer(writeDer(TAG.oid, new Uint8Array(65).fill(1)), 'test').oid(), /too long/);
});

test('truth values, bit strings and flags have one form', () => {
  assert.equal(node('0101ff').bool(), true);
  assert.equal(node('010100').bool(), false);
  for (const hex of ['010101', '0100', '0102ffff']) refused(() => node(hex).bool(), /neither/);
  assert.deepEqual(node('030200aa').bitString(), Uint8Array.of(0xaa));
  for (const hex of ['0300', '030201aa']) refused(() => node(hex).bitString(), /whole octet/);
  assert.deepEqual(node('03020106').namedBits(), [5, 6]);
  assert.deepEqual(node('0303078080').namedBits(), [0, 8]);
  assert.deepEqual(node('030100').namedBits(), []);
  for (const hex of ['0300', '030101', '030208aa', '03020107']) refused(() => node(hex).namedBits(), /stray bits/);
  refused(() => readDer(writeDer(TAG.bitString, new Uint8Array(10)), 'test').namedBits(), /too long/);
});

test('the string types of names are read strictly', () => {
  assert.equal(ascii(TAG.utf8, 'Zoë').text(), 'Zoë');
  for (const tag of [0x12, 0x13, 0x16, 0x1a, 0x14]) assert.equal(ascii(tag, 'A1').text(), 'A1');
  assert.equal(node('1401e9').text(), 'é');
  assert.equal(node('1e0400410042').text(), 'AB');
  refused(() => node('1301e9').text(), /outside of its type/);
  refused(() => node('0c01e9').text(), /UTF-8/);
  refused(() => node('1e0100').text(), /not known/);
  refused(() => node('1e02d800').text(), /half a character/);
});

test('times are to the second, in UTC, and exist', () => {
  const seconds = (iso: string): number => Date.parse(iso) / 1000;
  assert.equal(ascii(0x17, '491231235959Z').time(), seconds('2049-12-31T23:59:59Z'));
  assert.equal(ascii(0x17, '500101000000Z').time(), seconds('1950-01-01T00:00:00Z'));
  assert.equal(ascii(0x18, '99991231235959Z').time(), seconds('9999-12-31T23:59:59Z'));
  assert.equal(ascii(0x18, '20240229120000Z').time(), seconds('2024-02-29T12:00:00Z'));
  for (const text of ['4912312359Z', '491231235959', '491231235959+0000', '20491231235959Z', '49123123595aZ', '']) {
    refused(() => ascii(0x17, text).time(), /form/);
  }
  for (const text of ['20240229120000.5Z', '2024022912Z', '491231235959Z']) {
    refused(() => ascii(0x18, text).time(), /form/);
  }
  for (const text of ['20230229120000Z', '20231301000000Z', '20230100000000Z', '20230101240000Z', '20230101000060Z']) {
    refused(() => ascii(0x18, text).time(), /does not exist/);
  }
});
