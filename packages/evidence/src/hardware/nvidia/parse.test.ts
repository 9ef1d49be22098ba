import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { sharedPath } from '../../../../../tests/shared.ts';
import { encodeUtf8 } from '../../bytes/utf8.ts';
import { FormatError } from '../../format-error.ts';
import { field, spdmReport } from '../../testing/gpu.ts';
import { parseGpuReport } from './parse.ts';

function genuine(name: string): Uint8Array<ArrayBuffer> | null {
  const path = sharedPath('vectors', 'nvidia', name, 'report.bin');
  return path === null ? null : new Uint8Array(readFileSync(path));
}

test('genuine reports of three drivers are read to their end', (t) => {
  const expected: Record<string, [string, string, boolean]> = {
    'hopper-driver-535': ['535.86.09', '96.00.5E.00.01', false],
    'hopper-driver-580': ['580.159.03', '96.00.74.00.20', true],
    'hopper-driver-590': ['590.12', '96.00.A5.00.01', true],
  };
  for (const [name, [driver, vbios, hasFwid]] of Object.entries(expected)) {
    const bytes = genuine(name);
    if (bytes === null) return t.skip('the shared vectors are not here');
    const report = parseGpuReport(bytes);
    assert.equal(report.measurements.length, 64);
    assert.ok(report.measurements.every(({ value, raw }) => value.length === 96 && !raw));
    assert.equal(report.opaque.driverVersion, driver);
    assert.equal(report.opaque.vbiosVersion, vbios);
    assert.equal(report.opaque.fwid !== null, hasFwid);
    assert.equal(report.signedLength, bytes.length - 96);
    assert.equal(report.signature.length, 96);
  }
});

test('a made report is read to what it was made of', () => {
  const report = parseGpuReport(
    spdmReport({
      nonce: new Uint8Array(32).fill(7),
      measurements: [new Uint8Array(48).fill(1), new Uint8Array(48).fill(2)],
      opaque: [field(3, encodeUtf8('999.1\0')), field(20, new Uint8Array(48).fill(3)), field(77, Uint8Array.of(9))],
    }),
  );
  assert.equal(report.request.nonce, '07'.repeat(32));
  assert.deepEqual(
    report.measurements.map(({ index, value }) => [index, value]),
    [
      [1, '01'.repeat(48)],
      [2, '02'.repeat(48)],
    ],
  );
  assert.equal(report.opaque.driverVersion, '999.1');
  assert.equal(report.opaque.fwid, '03'.repeat(48));
  assert.deepEqual(report.opaque.others, { '77': '09' });
  assert.equal(report.opaque.vbiosVersion, null);
});

test('what is not a signed SPDM 1.1 exchange is refused', () => {
  const good = spdmReport({});
  const at = (offset: number, value: number): Uint8Array<ArrayBuffer> => {
    const copy = good.slice();
    copy[offset] = value;
    return copy;
  };
  const bad: [string, Uint8Array<ArrayBuffer>][] = [
    ['request version', at(0, 0x10)],
    ['request code', at(1, 0xe1)],
    ['no signature asked for', at(2, 0)],
    ['request slot', at(36, 8)],
    ['response version', at(37, 0x12)],
    ['response code', at(38, 0x7f)],
    ['response slot', at(40, 9)],
    ['more blocks than the record has', at(41, 9)],
    ['fewer blocks than the record has', at(41, 0)],
    ['record length', at(42, good[42] === 0 ? 1 : 0)],
    ['record length beyond the end', at(44, 1)],
    ['measurement 0', at(45, 0)],
    ['measurement specification', at(46, 2)],
    ['measurement size', at(47, 1)],
    ['value size', at(50, 1)],
    ['a byte too many', Uint8Array.of(...good, 0)],
    ['a byte too few', good.slice(0, -1)],
  ];
  parseGpuReport(good);
  for (const [what, bytes] of bad) assert.throws(() => parseGpuReport(bytes), FormatError, what);
});

test('opaque data is refused when a field is cut short, repeated, not text, or of another version', () => {
  const good = [field(3, encodeUtf8('1.2\0\0')), field(34, Uint8Array.of(1, 0)), field(6, new Uint8Array(8))];
  parseGpuReport(spdmReport({ opaque: good }));
  const bad: [string, Uint8Array[]][] = [
    ['repeated', [field(3, encodeUtf8('1')), field(3, encodeUtf8('1'))]],
    ['cut short', [field(3, encodeUtf8('12')).slice(0, -1)]],
    ['not text', [field(3, Uint8Array.of(0x31, 0xff))]],
    ['text after its end', [field(3, encodeUtf8('1\u00002'))]],
    ['version 2', [field(34, Uint8Array.of(2, 0))]],
    ['version 257', [field(34, Uint8Array.of(1, 1))]],
    ['VBIOS of 7 bytes', [field(6, new Uint8Array(7))]],
    ['VBIOS with upper bytes', [field(6, Uint8Array.of(0, 0, 0, 0, 0, 1, 0, 0))]],
  ];
  for (const [what, opaque] of bad) assert.throws(() => parseGpuReport(spdmReport({ opaque })), FormatError, what);
});

test('two measurements of one index are refused', () => {
  const bytes = spdmReport({ measurements: [new Uint8Array(48), new Uint8Array(48)] });
  bytes[45 + 55] = 1;
  assert.throws(() => parseGpuReport(bytes), FormatError);
});

test('any bytes are a report or a FormatError', () => {
  const attempt = (bytes: Uint8Array): void => {
    try {
      parseGpuReport(new Uint8Array(bytes));
    } catch (error) {
      assert.ok(error instanceof FormatError);
    }
  };
  const good = spdmReport({ opaque: [field(3, encodeUtf8('1.2'))] });
  fc.assert(fc.property(fc.uint8Array({ maxLength: 400 }), attempt));
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { maxLength: 6 }), (edits) => {
      const bytes = good.slice();
      for (const [at, value] of edits) bytes[at] = value;
      attempt(bytes);
    }),
  );
  for (let length = 0; length < good.length; length++) {
    assert.throws(() => parseGpuReport(good.slice(0, length)), FormatError);
  }
});
