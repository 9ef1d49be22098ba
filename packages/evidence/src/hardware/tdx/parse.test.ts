import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { sharedPath } from '../../../../../tests/shared.ts';
import { encodeHex } from '../../bytes/hex.ts';
import { FormatError } from '../../format-error.ts';
import { newKeyPair } from '../../testing/pki.ts';
import { filled, joinBytes, type QuoteSpec, writeQuote } from '../../testing/tdx-quote.ts';
import { parseQuote } from './parse.ts';

const KEYS = { attestationKey: await newKeyPair('p256'), pck: await newKeyPair('p256') };
const CERTIFICATES = new Uint8Array(Buffer.from('-----BEGIN CERTIFICATE-----'));

function quote(changes: Partial<QuoteSpec> = {}): Promise<Uint8Array<ArrayBuffer>> {
  return writeQuote({ version: 4, tdx15: false, certificates: CERTIFICATES, ...KEYS, ...changes });
}

function refused(bytes: Uint8Array<ArrayBuffer>, message: RegExp): void {
  assert.throws(
    () => parseQuote(bytes),
    (error) => error instanceof FormatError && message.test(error.message),
    `${message}`,
  );
}

test('every field of a TDX 1.0 guest is read from its place', async () => {
  const rtmr = [1, 2, 3, 4].map((value) => filled(48, value));
  const guest = {
    teeTcbSvn: filled(16, 0x21),
    mrSeam: filled(48, 0x22),
    mrSignerSeam: filled(48, 0x23),
    seamAttributes: filled(8, 0x24),
    mrTd: filled(48, 0x25),
    mrConfigId: filled(48, 0x26),
    mrOwner: filled(48, 0x27),
    mrOwnerConfig: filled(48, 0x28),
    rtmr,
    reportData: filled(64, 0x29),
  };
  const { header, body } = parseQuote(await quote({ guest, head: { userData: filled(20, 0x2a) } }));
  const hex = (value: number, length: number) => encodeHex(filled(length, value));
  assert.deepEqual([header.version, header.teeType, header.userData], [4, 'TDX', hex(0x2a, 20)]);
  assert.equal(encodeHex(body.teeTcbSvn), hex(0x21, 16));
  assert.deepEqual(
    [body.mrSeam, body.mrSignerSeam, body.seamAttributes, body.mrTd],
    [hex(0x22, 48), hex(0x23, 48), hex(0x24, 8), hex(0x25, 48)],
  );
  assert.deepEqual(
    [body.mrConfigId, body.mrOwner, body.mrOwnerConfig],
    [0x26, 0x27, 0x28].map((v) => hex(v, 48)),
  );
  assert.deepEqual(
    body.rtmr,
    [1, 2, 3, 4].map((value) => hex(value, 48)),
  );
  assert.equal(encodeHex(body.reportData), hex(0x29, 64));
  assert.deepEqual([body.tdxVersion, body.teeTcbSvn2, body.mrServiceTd], ['1.0', null, null]);
});

test('a version 5 quote carries a TDX 1.0 or a TDX 1.5 guest, as it says', async () => {
  const guest = { teeTcbSvn2: filled(16, 0x31), mrServiceTd: filled(48, 0x32) };
  const newer = parseQuote(await quote({ version: 5, tdx15: true, guest }));
  assert.equal(newer.body.tdxVersion, '1.5');
  assert.equal(encodeHex(newer.body.teeTcbSvn2 ?? new Uint8Array()), '31'.repeat(16));
  assert.equal(newer.body.mrServiceTd, '32'.repeat(48));
  assert.equal(newer.signed.length, 54 + 648);
  const older = parseQuote(await quote({ version: 5 }));
  assert.equal(older.body.tdxVersion, '1.0');
  assert.equal(older.signed.length, 54 + 584);
});

test('the quoting enclave is read from its place', async () => {
  const qe = {
    cpuSvn: filled(16, 0x41),
    miscSelect: filled(4, 0x42),
    attributes: filled(16, 0x43),
    mrEnclave: filled(32, 0x44),
    mrSigner: filled(32, 0x45),
    isvProdId: 0x4647,
    isvSvn: 0x4849,
    reportData: filled(64, 0x4a),
  };
  const read = parseQuote(await quote({ qe, authData: filled(7, 0x4b) })).qe;
  const { reportData, ...report } = read.report;
  assert.deepEqual(report, {
    cpuSvn: '41'.repeat(16),
    miscSelect: '42'.repeat(4),
    attributes: '43'.repeat(16),
    debug: true,
    mrEnclave: '44'.repeat(32),
    mrSigner: '45'.repeat(32),
    isvProdId: 0x4647,
    isvSvn: 0x4849,
  });
  assert.deepEqual([reportData, read.authData], [filled(64, 0x4a), filled(7, 0x4b)]);
  assert.deepEqual(read.certificates, CERTIFICATES);
});

test('attributes and features are read by name, and bits without a name are told apart', async () => {
  const bits = async (attributes: bigint, xfam: bigint) =>
    parseQuote(await quote({ guest: { attributes, xfam } })).body;
  const some = await bits((1n << 0n) | (1n << 28n) | (1n << 63n), 0x6_0003n);
  assert.deepEqual(
    Object.entries(some.attributes)
      .filter(([, value]) => value === true)
      .map(([name]) => name),
    ['debug', 'septVeDisable', 'perfmon'],
  );
  assert.deepEqual(
    Object.entries(some.xfam)
      .filter(([, value]) => value === true)
      .map(([name]) => name),
    ['x87', 'sse', 'amx'],
  );
  assert.deepEqual([some.attributes.reserved, some.xfam.reserved], ['0', '0']);
  const unknown = await bits(1n << 40n, 1n << 3n);
  assert.deepEqual([unknown.attributes.reserved, unknown.xfam.reserved], ['10000000000', '8']);
});

test('other versions, TEEs, keys, vendors and certification data are refused, each by name', async () => {
  refused(await quote({ version: 3 }), /version 3 is a quote of an SGX enclave/);
  refused(await quote({ version: 6 }), /version 6 is not known/);
  refused(await quote({ head: { teeType: 0 } }), /SGX enclave/);
  refused(await quote({ head: { teeType: 0x82 } }), /TEE type 0x82/);
  refused(await quote({ head: { attestationKeyType: 3 } }), /attestation key type 3/);
  refused(await quote({ head: { reserved: Uint8Array.of(0, 0, 0, 1) } }), /reserved/);
  refused(await quote({ head: { qeVendorId: filled(16, 1) } }), /vendor/);
  refused(await quote({ version: 5, head: { bodyType: 1 } }), /body type 1/);
  refused(await quote({ version: 5, head: { bodySize: 648 } }), /584 bytes, not 648/);
  refused(await quote({ version: 5, tdx15: true, head: { bodyType: 2 } }), /584 bytes, not 648/);
  refused(await quote({ outerType: 5 }), /type 5, where type 6/);
  refused(await quote({ innerType: 3 }), /type 3, where type 5/);
});

test('a TDREPORT is refused by name: it is no evidence to anyone but its own machine [D-42]', () => {
  const report = new Uint8Array(1024);
  report[0] = 0x81;
  refused(report, /TDREPORT.*never remote evidence/);
});

test('reserved bytes of the quoting enclave are zero, and lengths agree with what they enclose', async () => {
  const bytes = await quote();
  const at = (offset: number, value: number) => {
    const changed = bytes.slice();
    changed[offset] = value;
    return changed;
  };
  const qe = 632 + 4 + 128 + 6;
  for (const offset of [20, 31, 96, 127, 160, 191, 262, 303]) refused(at(qe + offset, 1), /reserved/);
  const longer = (offset: number) => at(offset, (bytes[offset] ?? 0) + 1);
  const shorter = (offset: number) => at(offset, (bytes[offset] ?? 0) - 1);
  for (const offset of [632, 632 + 4 + 130, qe + 448, qe + 450 + 32 + 2]) {
    refused(longer(offset), /needs|follow|type/);
    refused(shorter(offset), /needs|follow|type/);
  }
  // A byte more in the signature data, one that is there.
  refused(joinBytes(longer(632), Uint8Array.of(0)), /1 bytes follow/);
  const certification = longer(632);
  certification[632 + 4 + 130] = (certification[632 + 4 + 130] ?? 0) + 1;
  refused(joinBytes(certification, Uint8Array.of(0)), /1 bytes follow/);
});

test('bytes after the quote are counted, told apart from zeros, and not read', async () => {
  assert.deepEqual(parseQuote(await quote()).trailing, { bytes: 0, zero: true });
  assert.deepEqual(parseQuote(await quote({ trailing: new Uint8Array(70) })).trailing, { bytes: 70, zero: true });
  const rest = Uint8Array.of(0, 0, 1);
  assert.deepEqual(parseQuote(await quote({ trailing: rest })).trailing, { bytes: 3, zero: false });
});

test('a quote that is cut anywhere is refused', async () => {
  const bytes = await quote({ version: 5, tdx15: true });
  for (let length = 0; length < bytes.length; length++) {
    assert.throws(() => parseQuote(bytes.slice(0, length)), FormatError, `${length}`);
  }
});

test('genuine quotes are read, with the measurement where Intel puts it [D-42]', (t) => {
  const path = (name: string) => sharedPath('vectors', 'tdx', name, 'quote.bin');
  const [v4, v5] = [path('phala-v4'), path('go-tdx-guest-v5-td15')];
  if (v4 === null || v5 === null) return t.skip('no shared vectors');
  for (const [file, body] of [
    [v4, 48],
    [v5, 54],
  ] as const) {
    const bytes = new Uint8Array(readFileSync(file));
    const read = parseQuote(bytes).body;
    assert.equal(read.mrTd, encodeHex(bytes.subarray(body + 136, body + 184)));
    assert.deepEqual(read.reportData, bytes.subarray(body + 520, body + 584));
    assert.deepEqual([read.attributes.reserved, read.xfam.reserved], ['0', '0']);
  }
});

test('any bytes give a quote or a FormatError', async () => {
  const bytes = await quote({ version: 5, tdx15: true });
  const total = (input: Uint8Array<ArrayBuffer>) => {
    try {
      parseQuote(input);
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
    }
  };
  const edits = fc.array(fc.tuple(fc.nat(bytes.length - 1), fc.integer({ min: 0, max: 255 })), { maxLength: 4 });
  fc.assert(
    fc.property(edits, fc.nat(bytes.length), (changes, length) => {
      const changed = bytes.slice();
      for (const [at, value] of changes) changed[at] = value;
      total(changed);
      total(changed.slice(0, length));
    }),
  );
  fc.assert(fc.property(fc.uint8Array({ maxLength: 2000 }), (input) => total(new Uint8Array(input))));
});
