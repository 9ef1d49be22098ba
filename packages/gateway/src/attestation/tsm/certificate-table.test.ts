import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { certificateTable } from '../../../../../tests/support/tsm-double.ts';
import { parseCertificateTable } from './certificate-table.ts';
import { TsmError } from './error.ts';

const bytes = (...values: number[]) => Uint8Array.from(values);
const refused = (words: RegExp) => (error: unknown) =>
  error instanceof TsmError && error.code === 'malformed' && words.test(error.message);

test('a table names its certificates', () => {
  const table = certificateTable([
    { kind: 'vcek', der: bytes(1, 2) },
    { kind: 'ask', der: bytes(3) },
    { kind: 'ark', der: bytes(4, 5, 6) },
  ]);
  assert.deepEqual(parseCertificateTable(table), { vcek: bytes(1, 2), ask: bytes(3), ark: bytes(4, 5, 6) });
});

test('the GUID of a VCEK stands in the table in the order of its digits', () => {
  const table = certificateTable([{ kind: 'vcek', der: bytes(1) }]);
  assert.equal(Buffer.from(table.subarray(0, 16)).toString('hex'), '63da758de6644564adc5f4b93be8accd');
});

test('rows that a cloud adds are passed over', () => {
  const table = certificateTable([
    { kind: 'ecae0c0f950243b1afa20ae2e0d565b6', der: bytes(9) },
    { kind: 'vlek', der: bytes(1) },
  ]);
  assert.deepEqual(parseCertificateTable(table), { vlek: bytes(1) });
});

test('a host that supplies nothing leaves nothing, or zeros', () => {
  assert.deepEqual(parseCertificateTable(bytes()), {});
  assert.deepEqual(parseCertificateTable(new Uint8Array(4096)), {});
});

test('a table that does not hold together is refused', () => {
  const good = certificateTable([{ kind: 'vcek', der: bytes(1, 2, 3, 4) }]);
  const changed = (at: number, value: number) => {
    const copy = good.slice();
    new DataView(copy.buffer).setUint32(at, value, true);
    return copy;
  };
  const cases: [Uint8Array<ArrayBuffer>, RegExp][] = [
    [changed(16, 24), /points to no certificate/],
    [changed(16, 49), /points to no certificate/],
    [changed(16, 0xffffffff), /points to no certificate/],
    [changed(20, 0), /points to no certificate/],
    [changed(20, 5), /points to no certificate/],
    [changed(20, 0xffffffff), /points to no certificate/],
    [good.slice(0, 24), /no end/],
    [good.slice(0, 30), /no end/],
    [bytes(1), /no end/],
    [
      certificateTable([
        { kind: 'ask', der: bytes(1) },
        { kind: 'ask', der: bytes(1) },
      ]),
      /two rows for ASK/,
    ],
    [
      certificateTable(Array.from({ length: 65 }, (_, i) => ({ kind: `${i}`.padStart(32, '0'), der: bytes(1) }))),
      /no end/,
    ],
  ];
  for (const [table, words] of cases) assert.throws(() => parseCertificateTable(table), refused(words));
});

test('whatever a host writes, it is a table or refused as one', () => {
  const rows = fc.array(
    fc.record({
      guid: fc.constantFrom('63da758de6644564adc5f4b93be8accd', 'c0b406a4a803495297433fb6014cd0ae', '00'.repeat(16)),
      offset: fc.nat(300),
      length: fc.nat(300),
    }),
    { maxLength: 6 },
  );
  fc.assert(
    fc.property(rows, fc.uint8Array({ maxLength: 200 }), (rows, rest) => {
      const head = Buffer.alloc(24 * rows.length);
      for (const [i, { guid, offset, length }] of rows.entries()) {
        head.write(guid, 24 * i, 'hex');
        head.writeUInt32LE(offset, 24 * i + 16);
        head.writeUInt32LE(length, 24 * i + 20);
      }
      const blob = new Uint8Array(Buffer.concat([head, rest]));
      try {
        for (const certificate of Object.values(parseCertificateTable(blob))) {
          assert.ok(certificate.length > 0 && certificate.length <= blob.length);
        }
      } catch (error) {
        assert.ok(error instanceof TsmError && error.code === 'malformed', String(error));
      }
    }),
    { numRuns: 500 },
  );
});
