import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { HASTY, snpMachine, type TestMachine, tdxMachine } from '../../../../../tests/support/tsm-double.ts';
import { GatewayError } from '../../errors.ts';
import type { EvidenceProvider } from '../types.ts';
import { openSevSnpProvider } from './sev-snp.ts';
import { openTdxProvider } from './tdx.ts';

const DATA = new Uint8Array(64).fill(5);

/** What a platform that is broken, or hostile, answers in place of good bytes. */
const damage = fc.oneof(
  fc.uint8Array({ maxLength: 2000 }).map((bytes) => () => new Uint8Array(bytes)),
  fc.nat(40_000).map((length) => (good: Uint8Array) => new Uint8Array(good.slice(0, length))),
  fc
    .array(fc.tuple(fc.nat(40_000), fc.integer({ min: 1, max: 255 })), { minLength: 1, maxLength: 4 })
    .map((flips) => (good: Uint8Array) => {
      const bytes = new Uint8Array(good);
      for (const [at, bits] of flips)
        if (bytes.length > 0) bytes[at % bytes.length] = (bytes[at % bytes.length] ?? 0) ^ bits;
      return bytes;
    }),
  fc.uint8Array({ minLength: 1, maxLength: 40 }).map((more) => (good: Uint8Array) => Uint8Array.of(...good, ...more)),
);

/** Evidence that carries what was asked, or the one declared error; and never an entry that is left behind. */
async function onlyDeclared(provider: EvidenceProvider, { double }: TestMachine, carriedAt: number): Promise<void> {
  try {
    const [collected] = await provider.collect([DATA]);
    const raw = Buffer.from(collected?.evidence.raw_evidence ?? '', 'base64');
    assert.deepEqual(new Uint8Array(raw.subarray(carriedAt, carriedAt + 64)), DATA);
  } catch (error) {
    assert.ok(error instanceof GatewayError && error.code === 'ATTESTATION_FAILED', String(error));
  }
  assert.equal(double.entries.size, 0);
}

test('whatever a SEV-SNP platform and its host answer, it is the evidence asked for or the declared error', async () => {
  const machine = await snpMachine();
  const provider = await openSevSnpProvider({ ...HASTY, fs: machine.double, collateral: machine.collateral });
  await fc.assert(
    fc.asyncProperty(fc.option(damage), fc.option(damage), async (report, table) => {
      machine.double.tamper = ({ outblob, auxblob }) => ({
        outblob: report === null ? outblob : report(outblob),
        ...(auxblob === undefined ? {} : { auxblob: table === null ? auxblob : table(auxblob) }),
      });
      await onlyDeclared(provider, machine, 0x50);
    }),
    { numRuns: 200 },
  );
});

test('whatever a TDX platform answers, it is the evidence asked for or the declared error', async () => {
  const machine = await tdxMachine();
  const provider = await openTdxProvider({ ...HASTY, fs: machine.double, collateral: machine.collateral });
  await fc.assert(
    fc.asyncProperty(damage, async (change) => {
      machine.double.tamper = ({ outblob }) => ({ outblob: change(outblob) });
      await onlyDeclared(provider, machine, 568);
    }),
    { numRuns: 200 },
  );
});

test('whatever the kernel shows in its attributes, it is the evidence asked for or the declared error', async () => {
  const machine = await snpMachine();
  const provider = await openSevSnpProvider({ ...HASTY, fs: machine.double, collateral: machine.collateral });
  const real = machine.double.readFile.bind(machine.double);
  const attribute = fc.constantFrom('generation', 'provider', 'privlevel_floor', 'manifestblob');
  await fc.assert(
    fc.asyncProperty(attribute, fc.uint8Array({ maxLength: 100 }), async (name, bytes) => {
      machine.double.readFile = (path, most) =>
        path.endsWith(`/${name}`) ? Promise.resolve(new Uint8Array(bytes)) : real(path, most);
      await onlyDeclared(provider, machine, 0x50);
    }),
    { numRuns: 100 },
  );
});
