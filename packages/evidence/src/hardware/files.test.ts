import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeUtf8 } from '../bytes/utf8.ts';
import { FormatError } from '../format-error.ts';
import { fileOf, hexText, reading, surplus } from './files.ts';

test('a role is data: what an object inherits is no file', () => {
  const file = Uint8Array.of(1);
  assert.equal(fileOf({ report: file }, 'report'), file);
  for (const role of ['vcek', 'toString', '__proto__', 'constructor']) {
    assert.equal(fileOf({ report: file }, role), undefined);
  }
});

test('only a FormatError becomes an answer', () => {
  assert.deepEqual(
    reading(() => 7),
    { value: 7, problem: null },
  );
  const refused = reading(() => {
    throw new FormatError('no such form');
  });
  assert.deepEqual(refused, { value: null, problem: 'no such form' });
  const defect = () =>
    reading(() => {
      throw new TypeError('a defect');
    });
  assert.throws(defect, TypeError);
});

test('hex text is read in either case, with 0x in front or not, with white space around it', () => {
  assert.deepEqual(hexText(encodeUtf8(' 0aFF\n')), Uint8Array.of(10, 255));
  assert.deepEqual(hexText(encodeUtf8('')), new Uint8Array());
  assert.deepEqual(hexText(encodeUtf8('0x0aFF\r\n')), Uint8Array.of(10, 255));
  for (const text of ['0', '0x0', '0x0x00', '00x0', 'x00', 'zz', '00 00', '0x 00'])
    assert.throws(() => hexText(encodeUtf8(text)), FormatError);
  assert.throws(() => hexText(Uint8Array.of(0xff)), FormatError);
});

test('files of unknown roles are named as not read', () => {
  const file = Uint8Array.of(1);
  assert.deepEqual(surplus('tdx', { quote: file }, ['quote']), []);
  const [check] = surplus('tdx', { quote: file, other: file }, ['quote']);
  assert.equal(check?.id, 'tdx.roles');
  assert.equal(check?.outcome, 'not checked');
  assert.equal(check?.required, false);
  assert.match(check?.detail ?? '', /other/);
});
