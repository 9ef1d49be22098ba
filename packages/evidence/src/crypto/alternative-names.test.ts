import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FormatError } from '../format-error.ts';
import { uriNames } from './alternative-names.ts';
import { TAG, writeDer } from './der.ts';

const bytes = (text: string): Uint8Array<ArrayBuffer> => Uint8Array.from(text, (each) => each.charCodeAt(0));
const certificate = (value: Uint8Array<ArrayBuffer>) => ({
  extensions: new Map([['2.5.29.17', { critical: false, value }]]),
});
const names = (...each: Uint8Array<ArrayBuffer>[]): Uint8Array<ArrayBuffer> => writeDer(TAG.sequence, ...each);
const uri = (text: string): Uint8Array<ArrayBuffer> => writeDer(0x86, bytes(text));
const dns = (text: string): Uint8Array<ArrayBuffer> => writeDer(0x82, bytes(text));

test('the URIs of a certificate are those it has, in order, repeated ones too, and no other names', () => {
  assert.deepEqual(uriNames({ extensions: new Map() }), []);
  assert.deepEqual(uriNames(certificate(names(dns('a.example')))), []);
  const mixed = names(uri('b:1'), dns('a.example, URI:c:2'), uri('a:1'), uri('b:1'), uri(''));
  assert.deepEqual(uriNames(certificate(mixed)), ['b:1', 'a:1', 'b:1', '']);
});

test('names that are not wholly read, and URIs that are not ASCII, are refused', () => {
  const refused: Uint8Array<ArrayBuffer>[] = [
    names(uri('a:\xe9')),
    bytes('\x30\x05\x86\x01a'),
    Uint8Array.of(...names(uri('a:1')), 0),
    uri('a:1'),
    names(...Array.from({ length: 257 }, () => uri('a'))),
  ];
  for (const value of refused) assert.throws(() => uriNames(certificate(value)), FormatError);
});
