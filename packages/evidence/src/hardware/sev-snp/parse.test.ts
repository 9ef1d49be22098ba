import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { sharedPath } from '../../../../../tests/shared.ts';
import { FormatError } from '../../format-error.ts';
import { parseReport, type SnpReport } from './parse.ts';
import { productOf, readTcb, shortOf } from './product.ts';

const LENGTH = 0x4a0;

/** A report of the given version with nothing set but what must be. */
function blank(version: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(LENGTH);
  bytes[0] = version;
  bytes[0x34] = 1;
  return bytes;
}

function changed(bytes: Uint8Array<ArrayBuffer>, at: number, value: number): Uint8Array<ArrayBuffer> {
  const copy = bytes.slice();
  copy[at] = value;
  return copy;
}

test('a genuine report is read to its named fields', (t) => {
  const path = sharedPath('vectors', 'sev-snp', 'cmcp-azure-milan-v3', 'report.bin');
  if (path === null) return t.skip('the shared vectors are not here');
  const report = parseReport(new Uint8Array(readFileSync(path)));
  assert.equal(report.version, 3);
  assert.deepEqual(report.cpuid, { family: 0x19, model: 1, stepping: 1 });
  assert.deepEqual(report.key, { authorKey: false, chipKeyMasked: false, signingKey: 'vcek' });
  assert.equal(report.policy.debug, false);
  assert.equal(report.policy.reservedOne, true);
  assert.equal(report.policy.smt, true);
  assert.deepEqual([report.policy.abiMajor, report.policy.abiMinor], [0, 31]);
  assert.equal(report.platform.smt && report.platform.ecc && report.platform.aliasCheck, true);
  assert.equal(report.platform.tsme || report.platform.ciphertextHiding, false);
  assert.deepEqual(report.currentFirmware, { major: 1, minor: 55, build: 29 });
  assert.deepEqual(readTcb(report.reportedTcb, 'Milan'), { bootloader: 4, tee: 0, snp: 24, microcode: 219 });
  assert.equal(report.currentMitigations, null);
});

test('each flag of policy, platform and key is the bit of its name', () => {
  const flag = (at: number, bit: number) => parseReport(changed(blank(3), at + (bit >> 3), 1 << (bit & 7)));
  const on = (value: object) => Object.entries(value).flatMap(([name, set]) => (set === true ? [name] : []));
  const policy = [
    [16, 'smt'],
    [17, 'reservedOne'],
    [18, 'migrationAgent'],
    [19, 'debug'],
    [20, 'singleSocket'],
    [21, 'cxl'],
    [22, 'aes256Xts'],
    [23, 'raplDisabled'],
    [24, 'ciphertextHiding'],
    [25, 'pageSwapDisabled'],
  ] as const;
  for (const [bit, name] of policy) assert.deepEqual(on(flag(0x08, bit).policy), [name]);
  const platform = [
    [0, 'smt'],
    [1, 'tsme'],
    [2, 'ecc'],
    [3, 'raplDisabled'],
    [4, 'ciphertextHiding'],
    [5, 'aliasCheck'],
    [7, 'tio'],
  ] as const;
  for (const [bit, name] of platform) assert.deepEqual(on(flag(0x40, bit).platform), [name]);
  assert.deepEqual(on(flag(0x48, 0).key), ['authorKey']);
  assert.deepEqual(on(flag(0x48, 1).key), ['chipKeyMasked']);
  assert.equal(flag(0x48, 2).key.signingKey, 'vlek');
  assert.equal(parseReport(changed(blank(3), 0x48, 7 << 2)).key.signingKey, 'none');
});

test('only versions 2 to 5 are read, each with the fields that it has', () => {
  for (const version of [0, 1, 6, 255]) assert.throws(() => parseReport(blank(version)), FormatError);
  assert.equal(parseReport(blank(2)).cpuid, null);
  assert.deepEqual(parseReport(blank(4)).cpuid, { family: 0, model: 0, stepping: 0 });
  const vectors = changed(changed(blank(5), 0x1f8, 3), 0x200, 0x12);
  assert.equal(parseReport(vectors).launchMitigations, '3');
  assert.equal(parseReport(vectors).currentMitigations, '12');
});

test('every reserved byte that is set is refused, and what a version lacks is reserved in it', () => {
  const reserved = (version: number): [number, number][] => [
    [0x4c, 0x50],
    [version === 2 ? 0x188 : 0x18b, 0x1a0],
    [0x1eb, 0x1ec],
    [0x1ef, 0x1f0],
    [version === 5 ? 0x208 : 0x1f8, 0x2a0],
    [0x2d0, 0x2e8],
    [0x318, LENGTH],
  ];
  for (const version of [2, 3, 4, 5]) {
    for (const [from, to] of reserved(version)) {
      for (let at = from; at < to; at++) {
        assert.throws(() => parseReport(changed(blank(version), at, 1)), FormatError, `version ${version}, byte ${at}`);
      }
    }
  }
});

test('unknown flags, keys, algorithms, levels and lengths are refused', () => {
  const bad: [number, number][] = [
    [0x0b, 0x04],
    [0x0f, 0x80],
    [0x40, 0x40],
    [0x41, 0x01],
    [0x48, 0x20],
    [0x48, 2 << 2],
    [0x48, 6 << 2],
    [0x30, 4],
    [0x34, 0],
    [0x34, 2],
  ];
  for (const [at, value] of bad) assert.throws(() => parseReport(changed(blank(3), at, value)), FormatError, `${at}`);
  for (const length of [0, 1, LENGTH - 1, LENGTH + 1, 2 * LENGTH]) {
    assert.throws(() => parseReport(new Uint8Array(length)), /has 1184 bytes/);
  }
  const host = blank(3);
  host.set([255, 255, 255, 255], 0x30);
  assert.equal(parseReport(host).vmpl, 0xffffffff);
});

test('R and S are turned from little-endian', () => {
  const bytes = blank(3);
  bytes[0x2a0] = 7;
  bytes[0x2e8 + 47] = 9;
  const { signature } = parseReport(bytes);
  assert.equal(signature.length, 96);
  assert.deepEqual([signature[47], signature[48]], [7, 9]);
});

test('any bytes are a report or a FormatError', () => {
  const outcome = (bytes: Uint8Array<ArrayBuffer>): SnpReport | FormatError => {
    try {
      return parseReport(bytes);
    } catch (error) {
      assert.ok(error instanceof FormatError);
      return error;
    }
  };
  fc.assert(fc.property(fc.uint8Array({ maxLength: 2 * LENGTH }), (bytes) => outcome(new Uint8Array(bytes)) !== null));
  const edits = fc.array(fc.tuple(fc.nat(LENGTH - 1), fc.nat(255)), { maxLength: 8 });
  fc.assert(
    fc.property(edits, fc.integer({ min: 2, max: 5 }), (changes, version) => {
      const bytes = blank(version);
      for (const [at, value] of changes) bytes[at] = value;
      outcome(bytes);
    }),
  );
});

test('the TCB layout follows from the processor, and no processor is guessed at', () => {
  const of = (family: number, model: number) => productOf({ family, model, stepping: 0 });
  assert.equal(of(0x19, 0x01), 'Milan');
  assert.deepEqual([of(0x19, 0x11), of(0x19, 0xa0), of(0x19, 0xaf)], ['Genoa', 'Genoa', 'Genoa']);
  assert.deepEqual([of(0x1a, 0x02), of(0x1a, 0x11)], ['Turin', 'Turin']);
  for (const [family, model] of [
    [0, 0],
    [0x17, 0x31],
    [0x19, 0x20],
    [0x19, 0x9f],
    [0x19, 0xb0],
    [0x1a, 0x12],
    [0x1a, 0x50],
    [0x1b, 0],
  ] as const) {
    assert.equal(of(family, model), null);
  }
  const bytes = Uint8Array.of(1, 2, 0, 0, 0, 0, 3, 4);
  assert.deepEqual(readTcb(bytes, 'Milan'), { bootloader: 1, tee: 2, snp: 3, microcode: 4 });
  assert.deepEqual(readTcb(bytes, 'Genoa'), readTcb(bytes, 'Milan'));
  assert.throws(() => readTcb(bytes, 'Turin'), FormatError);
  const turin = Uint8Array.of(1, 2, 3, 4, 0, 0, 0, 5);
  assert.deepEqual(readTcb(turin, 'Turin'), { fmc: 1, bootloader: 2, tee: 3, snp: 4, microcode: 5 });
  assert.throws(() => readTcb(turin, 'Genoa'), FormatError);
  for (const at of [2, 3, 4, 5]) assert.throws(() => readTcb(changed(new Uint8Array(8), at, 1), 'Milan'), FormatError);
  for (const at of [4, 5, 6]) assert.throws(() => readTcb(changed(new Uint8Array(8), at, 1), 'Turin'), FormatError);
});

test('a TCB version falls short in any one component, and in one that the product lacks', () => {
  const tcb = { bootloader: 4, tee: 1, snp: 24, microcode: 219 };
  assert.equal(shortOf(tcb, {}), null);
  assert.equal(shortOf(tcb, tcb), null);
  for (const part of ['bootloader', 'tee', 'snp', 'microcode'] as const) {
    assert.match(shortOf(tcb, { [part]: tcb[part] + 1 }) ?? '', new RegExp(part));
    assert.equal(shortOf(tcb, { [part]: tcb[part] - 1 }), null);
  }
  assert.match(shortOf(tcb, { fmc: 0 }) ?? '', /fmc is not a part/);
});
