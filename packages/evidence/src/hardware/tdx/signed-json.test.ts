import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { sharedPath } from '../../../../../tests/shared.ts';
import { decodeUtf8, encodeUtf8 } from '../../bytes/utf8.ts';
import { FormatError } from '../../format-error.ts';
import { readSignedJson } from './signed-json.ts';

const SIGNATURE = 'ab'.repeat(64);
const read = (text: string) => readSignedJson(encodeUtf8(text), 'tcbInfo');
const bodyOf = (text: string) => decodeUtf8(read(text).body);

test('the signed text is taken as it was received: spaces, order, escapes and number forms are kept', () => {
  const body = '{ "b" : 1.0e2 ,\n\t"a":"}{\\"\\\\" , "tcbInfo":{"signature":"x"}, "ü":[{}] }';
  for (const text of [
    `{"tcbInfo":${body},"signature":"${SIGNATURE}"}`,
    ` { "signature" : "${SIGNATURE}" , "tcbInfo" :\n ${body} } \n`,
  ]) {
    assert.equal(bodyOf(text), body);
    assert.deepEqual(read(text).signature, new Uint8Array(64).fill(0xab));
  }
  assert.equal(bodyOf(`{"tcbInfo":{},"signature":"${SIGNATURE.toUpperCase()}"}`), '{}');
});

test('what is not exactly one signed object is refused', () => {
  for (const text of [
    '',
    '[]',
    'null',
    '{}',
    `{"tcbInfo":{}}`,
    `{"signature":"${SIGNATURE}"}`,
    `{"tcbInfo":"{}","signature":"${SIGNATURE}"}`,
    `{"tcbInfo":[],"signature":"${SIGNATURE}"}`,
    `{"tcbInfo":{},"signature":"${SIGNATURE}","more":1}`,
    `{"tcbInfo":{},"tcbInfo":{},"signature":"${SIGNATURE}"}`,
    `{"tcbInfo":{},"tcb\\u0049nfo":{},"signature":"${SIGNATURE}"}`,
    `{"tcb\\u0049nfo":{},"signature":"${SIGNATURE}"}`,
    `{"tcbInfo":{"a":1,"a":2},"signature":"${SIGNATURE}"}`,
    `{"tcbInfo":{},"signature":"${SIGNATURE.slice(2)}"}`,
    `{"tcbInfo":{},"signature":"${'zz'.repeat(64)}"}`,
    `{"tcbInfo":{},"signature":"${SIGNATURE}"} `.repeat(2),
    `{"tcbInfo":${'{"a":'.repeat(40)}1${'}'.repeat(40)},"signature":"${SIGNATURE}"}`,
    `{"enclaveIdentity":{},"signature":"${SIGNATURE}"}`,
  ]) {
    assert.throws(() => read(text), FormatError, text.slice(0, 80));
  }
  assert.throws(() => readSignedJson(Uint8Array.of(0xff, 0xfe), 'tcbInfo'), FormatError);
  assert.throws(() => readSignedJson(new Uint8Array(2_000_000).fill(0x20), 'tcbInfo'), FormatError);
});

test('the object that is taken is the one that a JSON parser sees, whatever it holds', () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 4 }), fc.boolean(), fc.nat(3), (value, first, spaces) => {
      const body = JSON.stringify({ tcbInfo: { value }, signature: '}"' }, null, spaces);
      const members = [`"tcbInfo" : ${body}`, `"signature":"${SIGNATURE}"`];
      assert.equal(bodyOf(`{${(first ? members : members.toReversed()).join(' , ')}}`), body);
    }),
  );
});

test('genuine collateral is the text between its braces', (t) => {
  const path = sharedPath('vectors', 'tdx', 'phala-v4', 'tcb_info.json');
  if (path === null) return t.skip('no shared vectors');
  const text = readFileSync(path, 'utf8');
  const body = bodyOf(text);
  assert.ok(body.startsWith('{"id":"TDX"') && text.startsWith(`{"tcbInfo":${body},"signature":"`));
});

test('any bytes give a signed object or a FormatError', () => {
  const text = encodeUtf8(`{"tcbInfo":{"a":[1,"x"]},"signature":"${SIGNATURE}"}`);
  const total = (bytes: Uint8Array<ArrayBuffer>) => {
    try {
      readSignedJson(bytes, 'tcbInfo');
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
    }
  };
  const edits = fc.array(fc.tuple(fc.nat(text.length - 1), fc.integer({ min: 0, max: 255 })), { maxLength: 3 });
  fc.assert(
    fc.property(edits, (changes) => {
      const changed = text.slice();
      for (const [at, value] of changes) changed[at] = value;
      total(changed);
    }),
  );
  fc.assert(fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => total(new Uint8Array(bytes))));
});
