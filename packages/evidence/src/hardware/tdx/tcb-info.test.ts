import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { encodeUtf8 } from '../../bytes/utf8.ts';
import { FormatError } from '../../format-error.ts';
import { makeTdx } from '../../testing/tdx.ts';
import { parseQeIdentity } from './qe-identity.ts';
import { readSignedJson } from './signed-json.ts';
import { parseTcbInfo } from './tcb-info.ts';

type Bytes = Uint8Array<ArrayBuffer>;

const { files } = await makeTdx();
const INFO = readSignedJson(files.tcb_info ?? new Uint8Array(), 'tcbInfo').body;
const IDENTITY = readSignedJson(files.qe_identity ?? new Uint8Array(), 'enclaveIdentity').body;

function total(parse: (bytes: Bytes) => unknown, bytes: Bytes): void {
  try {
    parse(bytes);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
  }
}

test('the documents say to which platforms and enclave they apply, in one spelling', () => {
  const info = parseTcbInfo(INFO);
  assert.deepEqual([info.fmspc, info.pceId, info.levels.length], ['50806f000000', '0000', 2]);
  assert.deepEqual(
    info.moduleIdentities.map(({ id, levels }) => [id, levels.map(({ isvSvn }) => isvSvn)]),
    [['TDX_01', [5, 3]]],
  );
  assert.equal(parseQeIdentity(IDENTITY).mrSigner, 'dc'.repeat(32));
  assert.throws(() => parseTcbInfo(IDENTITY), FormatError);
  assert.throws(() => parseQeIdentity(INFO), FormatError);
});

test('any text gives a document or a FormatError', () => {
  for (const text of ['null', '[]', '"TDX"', '{}', '{"id":1,"version":3}', '{"id":"TDX","version":3}', '1e999']) {
    assert.throws(() => parseTcbInfo(encodeUtf8(text)), FormatError, text);
    assert.throws(() => parseQeIdentity(encodeUtf8(text)), FormatError, text);
  }
  for (const [parse, body] of [
    [parseTcbInfo, INFO],
    [parseQeIdentity, IDENTITY],
  ] as const) {
    const edits = fc.array(fc.tuple(fc.nat(body.length - 1), fc.integer({ min: 0, max: 255 })), { maxLength: 3 });
    fc.assert(
      fc.property(edits, (changes) => {
        const changed = body.slice();
        for (const [at, value] of changes) changed[at] = value;
        total(parse, changed);
      }),
    );
    fc.assert(fc.property(fc.jsonValue(), (value) => total(parse, encodeUtf8(JSON.stringify(value) ?? ''))));
  }
});

test('a member that is missing or of another type is refused, one by one', () => {
  for (const [parse, body] of [
    [parseTcbInfo, INFO],
    [parseQeIdentity, IDENTITY],
  ] as const) {
    const value = JSON.parse(Buffer.from(body).toString()) as Record<string, unknown>;
    const optional = ['tdxModuleIdentities'];
    for (const name of Object.keys(value)) {
      const { [name]: _, ...rest } = value;
      if (!optional.includes(name)) assert.throws(() => parse(encodeUtf8(JSON.stringify(rest))), FormatError, name);
      const other = { ...value, [name]: null };
      assert.throws(() => parse(encodeUtf8(JSON.stringify(other))), FormatError, name);
    }
  }
});
