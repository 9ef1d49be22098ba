import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { FormatError } from '../../format-error.ts';
import { makeTpm, type TestTpm } from '../../testing/tpm.ts';
import { vectorCases } from '../../testing/vectors.ts';
import { parseAttest, parseQuote, selectionText } from './parse.ts';
import { parsePcrValues } from './pcr-values.ts';
import { parsePublic, parseStoragePublic } from './public-area.ts';
import { parseSignature } from './signature.ts';

type Bytes = Uint8Array<ArrayBuffer>;

const NONCE = new Uint8Array(32).fill(0x5a);
const shared: Promise<TestTpm> = makeTpm();
const rsa: Promise<TestTpm> = makeTpm({ scheme: 'rsassa' });

function refused(parse: (bytes: Bytes) => unknown, bytes: Bytes, said: RegExp): void {
  assert.throws(
    () => parse(bytes),
    (error) => error instanceof FormatError && said.test(error.message),
    `${said} was expected`,
  );
}

/** A copy of `bytes` with others written at `offset`. */
function written(bytes: Bytes, offset: number, ...values: number[]): Bytes {
  const copy = bytes.slice();
  copy.set(values, offset);
  return copy;
}

function followed(bytes: Bytes): Bytes {
  return Uint8Array.of(...bytes, 0);
}

test('a quote is read field by field, bare or with its size in front', async () => {
  const tpm = await shared;
  const fields = { clock: 5n, resetCount: 6, restartCount: 7, safe: 0, firmwareVersion: 0x0102030405060708n };
  const bare = tpm.quote(NONCE, 'sha256:0,9,23+sha384:1', {}, fields).attest;
  const sized = Uint8Array.of(bare.length >> 8, bare.length & 0xff, ...bare);
  for (const attest of [bare, sized]) {
    const quote = parseQuote(attest);
    assert.deepEqual(quote.signed, bare);
    assert.deepEqual(quote.extraData, NONCE);
    assert.deepEqual(quote.clock, { milliseconds: 5n, resetCount: 6, restartCount: 7, safe: false });
    assert.equal(quote.firmwareVersion, '0102030405060708');
    assert.equal(quote.qualifiedSigner, `000b${'07'.repeat(32)}`);
    assert.equal(selectionText(quote.selection), 'sha256:0,9,23+sha384:1');
    assert.equal(quote.pcrDigest.length, 32);
  }
});

test('certified NV contents are read, and are no quote', async () => {
  const { attest } = (await shared).certifyNv(NONCE, Uint8Array.of(1, 2), { offset: 3, indexName: Uint8Array.of(9) });
  const nv = parseAttest(attest);
  assert.ok(nv.type === 'nv');
  assert.deepEqual([nv.indexName, nv.offset, [...nv.contents]], ['09', 3, [1, 2]]);
  refused(parseQuote, attest, /no quote/);
});

test('what a TPM did not make, or certifies something else, is no such structure', async () => {
  const tpm = await shared;
  const quote = (fields: Parameters<TestTpm['quote']>[3]) => tpm.quote(NONCE, 'sha256:0', {}, fields).attest;
  refused(parseAttest, quote({ magic: 0xff544348 }), /magic/);
  for (const type of [0x8017, 0x8019, 0x801a, 0x801c]) refused(parseAttest, quote({ type }), /neither a quote/);
  refused(parseAttest, quote({ safe: 2 }), /safe/);
  refused(parseAttest, followed(quote({})), /follow its end/);
  const sized = quote({ sized: true });
  refused(parseAttest, written(sized, 0, 0, 1), /magic/);
  refused(parseAttest, followed(sized), /magic/);
});

test('a selection names known banks, once each, with bitmaps that a TPM can have', async () => {
  const tpm = await shared;
  const { attest } = tpm.quote(NONCE, 'sha256:0+sha384:1');
  const at = attest.length - 34 - 12;
  assert.deepEqual([...attest.slice(at, at + 6)], [0x00, 0x0b, 3, 1, 0, 0]);
  refused(parseQuote, written(attest, at, 0x00, 0x27), /bank 0x27/);
  refused(parseQuote, written(attest, at + 6, 0x00, 0x0b), /sha256 is selected twice/);
  refused(parseQuote, written(attest, at + 2, 5), /bitmap of 5/);
  refused(parseQuote, written(attest, at - 4, 0, 0, 0, 17), /17 banks/);
  refused(parseQuote, written(attest, at - 4, 0, 0, 0, 3), /bank 0x20/);
});

test('a signature is of a known scheme and hash, and nothing follows it', async () => {
  const { signature } = (await shared).quote(NONCE, 'sha256:0');
  assert.deepEqual([parseSignature(signature).scheme, parseSignature(signature).hash], ['ecdsa', 'sha256']);
  refused(parseSignature, followed(signature), /follow its end/);
  refused(parseSignature, written(signature, 0, 0, 0x1a), /scheme 0x1a/);
  refused(parseSignature, written(signature, 2, 0, 0x12), /hash algorithm 0x12/);
  refused(parseSignature, written(signature, 2, 0, 0x27), /hash algorithm 0x27/);
  refused(parseSignature, signature.slice(0, -1), /are left/);
});

test('the public area of a signing key is read, bare or with its size in front', async () => {
  for (const [tpm, kind] of [
    [await shared, 'ec'],
    [await rsa, 'rsa'],
  ] as const) {
    const { ak_public = new Uint8Array() } = tpm.files;
    for (const bytes of [ak_public, Uint8Array.of(ak_public.length >> 8, ak_public.length & 0xff, ...ak_public)]) {
      const area = parsePublic(bytes);
      assert.equal(area.key.kind, kind);
      assert.ok(area.attributes.restricted && area.attributes.sign && !area.attributes.decrypt);
      assert.equal(area.scheme?.hash, 'sha256');
    }
  }
});

test('a public area of another kind of key, or with what it cannot have, is refused', async () => {
  const { ak_public: ec = new Uint8Array() } = (await shared).files;
  const { ak_public: modulus = new Uint8Array() } = (await rsa).files;
  // type 0, name hash 2, attributes 4, policy 8, symmetric 10, scheme 12, its hash 14, then the parameters.
  refused(parsePublic, written(ec, 0, 0, 8), /type 0x8/);
  refused(parsePublic, written(ec, 2, 0, 0x12), /hash algorithm/);
  refused(parsePublic, written(ec, 4, 0x80), /reserved attribute/);
  refused(parsePublic, written(ec, 10, 0, 6), /encrypts nothing/);
  refused(parsePublic, written(ec, 12, 0, 0x1a), /scheme 0x1a/);
  refused(parsePublic, written(ec, 16, 0, 0x10), /curve 16/);
  refused(parsePublic, written(ec, 18, 0, 0x20), /derives nothing/);
  refused(parsePublic, Uint8Array.of(...ec.slice(0, 20), 0, 33, 0, ...ec.slice(22)), /wider than P-256/);
  refused(parsePublic, followed(ec), /follow its end/);
  refused(parsePublic, written(modulus, 18, 0, 0, 0, 3), /exponent/);
  refused(parsePublic, written(modulus, 16, 0x04, 0), /1024 bits/);
  assert.equal(parsePublic(written(modulus, 18, 0, 1, 0, 1)).key.kind, 'rsa');
});

/** The area of a signing key as that of a storage key: restricted and decrypting, AES-128 in mode CFB, no scheme. */
function storageArea(signing: Bytes): Bytes {
  return Uint8Array.of(
    ...signing.slice(0, 4),
    0,
    3,
    0,
    0x72,
    0,
    0,
    0,
    6,
    0,
    128,
    0,
    0x43,
    0,
    0x10,
    ...signing.slice(16),
  );
}

test('the public area of a storage key is read, and is none of a signing key', async () => {
  const ec = storageArea((await shared).files.ak_public ?? new Uint8Array());
  const modulus = storageArea((await rsa).files.ak_public ?? new Uint8Array());
  for (const [bytes, kind] of [
    [ec, 'ec'],
    [Uint8Array.of(ec.length >> 8, ec.length & 0xff, ...ec), 'ec'],
    [modulus, 'rsa'],
  ] as const) {
    const area = parseStoragePublic(bytes);
    assert.deepEqual([area.key.kind, area.nameAlgorithm, area.aesBits], [kind, 'sha256', 128]);
    assert.ok(area.attributes.restricted && area.attributes.decrypt && !area.attributes.sign);
  }
  // symmetric 10, its key size 12, its mode 14, scheme 16.
  refused(parseStoragePublic, written(ec, 0, 0, 8), /type 0x8/);
  refused(parseStoragePublic, written(ec, 10, 0, 0x10), /encrypts with AES/);
  refused(parseStoragePublic, written(ec, 12, 0, 64), /no keys of 64 bits/);
  refused(parseStoragePublic, written(ec, 14, 0, 0x44), /mode CFB/);
  refused(parseStoragePublic, written(ec, 16, 0, 0x18), /no scheme/);
  refused(parseStoragePublic, followed(ec), /follow its end/);
  refused(parsePublic, ec, /encrypts nothing/);
});

test('PCR values are known banks of registers, each with a digest of its bank', () => {
  const json = (value: unknown): Bytes => new TextEncoder().encode(JSON.stringify(value));
  const zeros = '00'.repeat(32);
  const values = parsePcrValues(json({ sha256: { '0': zeros, '31': 'ab'.repeat(32) }, sha1: {} }));
  assert.deepEqual([...(values.get('sha256')?.keys() ?? [])], [0, 31]);
  for (const written of ['AB'.repeat(32), `0x${'ab'.repeat(32)}`, ` 0x${'Ab'.repeat(32)}\n`]) {
    assert.deepEqual(
      parsePcrValues(json({ sha256: { '31': written } }))
        .get('sha256')
        ?.get(31),
      new Uint8Array(32).fill(0xab),
    );
  }
  for (const [value, said] of [
    [[], /not a JSON object/],
    [{ md5: {} }, /"md5" is not known/],
    [{ sha256: [] }, /sha256 is not an object/],
    [{ sha256: { '32': zeros } }, /"32" is not the index/],
    [{ sha256: { '00': zeros } }, /"00" is not the index/],
    [{ sha256: { '0': `0x${zeros.slice(2)}` } }, /32 bytes as hex/],
    [{ sha256: { '0': zeros.slice(2) } }, /32 bytes/],
    [{ sha256: { '0': 0 } }, /32 bytes/],
  ] as const) {
    refused(parsePcrValues, json(value), said);
  }
  refused(parsePcrValues, new TextEncoder().encode(`{"sha256":{"0":"${zeros}","0":"${zeros}"}}`), /two members/);
});

test('genuine structures cut short at any byte are refused', async (t) => {
  const cases = vectorCases('tpm', 'tpm');
  if (cases === null) return t.skip('the shared vectors are absent');
  for (const { files } of cases) {
    const { attest = new Uint8Array(), signature = new Uint8Array() } = files;
    for (let length = 0; length < attest.length; length++) refused(parseQuote, attest.slice(0, length), /./);
    for (let length = 0; length < signature.length; length++) refused(parseSignature, signature.slice(0, length), /./);
  }
});

test('any bytes are a structure or a FormatError', async () => {
  const tpm = await shared;
  const { attest, signature, pcrs } = tpm.quote(NONCE, 'sha256:0,1+sha384:2');
  const sound: [(bytes: Bytes) => unknown, Bytes][] = [
    [parseAttest, attest],
    [parseSignature, signature],
    [parsePcrValues, pcrs],
    [parsePublic, tpm.files.ak_public ?? new Uint8Array()],
    [parseStoragePublic, storageArea(tpm.files.ak_public ?? new Uint8Array())],
  ];
  const total = (parse: (bytes: Bytes) => unknown, bytes: Bytes) => {
    try {
      parse(bytes);
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
    }
  };
  for (const [parse, bytes] of sound) {
    const edit = fc.tuple(fc.nat(bytes.length - 1), fc.nat(255));
    fc.assert(
      fc.property(fc.array(edit, { maxLength: 4 }), fc.nat(bytes.length), (edits, length) => {
        const changed = bytes.slice();
        for (const [at, value] of edits) changed[at] = value;
        total(parse, changed);
        total(parse, changed.slice(0, length));
      }),
    );
    fc.assert(fc.property(fc.uint8Array({ maxLength: 150 }), (random) => total(parse, new Uint8Array(random))));
  }
});
