import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import fc from 'fast-check';
import {
  isMachineEvidence,
  type LiveExpectations,
  machineUserData,
  verifyLiveAttestation,
  verifyMachineEvidence,
  writeLiveDocument,
  writeMachineEvidence,
} from '../index.ts';
import { answer, asOperatorRoot, NONCE, NOW, quoteFor, TLS_SPKI, TPM_MEASUREMENT } from '../testing/live.ts';
import { newKey } from '../testing/session.ts';
import { makeTpm, type TestTpm } from '../testing/tpm.ts';

const given = { nonce: NONCE, now: NOW };
const made = {} as { tpm: TestTpm; text: string };

before(async () => {
  made.tpm = await makeTpm();
  made.text = writeMachineEvidence(quoteFor(made.tpm, machineUserData(NONCE)));
});

const expectations = (): LiveExpectations => ({
  anchors: [asOperatorRoot(made.tpm.root)],
  acceptOperatorRoot: true,
  measurement: TPM_MEASUREMENT,
});

test('what is expected of a gateway is never met by evidence about a machine', async () => {
  const gateway: [LiveExpectations, RegExp][] = [
    [{ policyHash: 'sha256:00' }, /policy_hash/],
    [{ catalogHash: 'sha256:00' }, /catalog_hash/],
    [{ gatewayMeasurement: 'sha256:00' }, /gateway_measurement/],
    [{ keys: [{ x: 'x', source: 'given' }] }, /keys/],
  ];
  for (const [expected, name] of gateway) {
    const report = await verifyMachineEvidence(made.text, given, { ...expectations(), ...expected });
    assert.notEqual(report.verdict, 'verified');
    assert.match(report.lacking.join(), name);
  }
});

test('evidence about a machine is verified against its root and measurement, for its challenge only', async () => {
  assert.ok(isMachineEvidence(made.text));
  const report = await verifyMachineEvidence(made.text, given, expectations());
  assert.equal(report.verdict, 'verified', report.summary);
  const replayed = await verifyMachineEvidence(made.text, { ...given, nonce: NONCE.subarray(1) }, expectations());
  assert.equal(replayed.verdict, 'refused');
  const { measurement: _, ...rest } = expectations();
  assert.deepEqual((await verifyMachineEvidence(made.text, given, rest)).lacking, ['measurement DIGEST']);
});

test('a challenge cannot be chosen so that the machine vouches for the statement of a gateway', async () => {
  const key = await newKey();
  const stolen = await answer(key, undefined, async (statement) => quoteFor(made.tpm, machineUserData(statement)));
  const report = await verifyLiveAttestation(
    writeLiveDocument(stolen),
    { ...given, tlsSpki: TLS_SPKI },
    expectations(),
  );
  assert.equal(report.checks.find(({ id }) => id === 'hardware.statement')?.outcome, 'failed');
});

test('any other file is no evidence about a machine, and gets a report all the same', async () => {
  for (const text of ['', '{}', '[]', '{"format":"cmcp-machine-evidence/2"}', 'x']) {
    assert.equal(isMachineEvidence(text), false);
    assert.equal((await verifyMachineEvidence(text, given, expectations())).verdict, 'refused');
  }
  const at = fc.nat(made.text.length - 1);
  await fc.assert(
    fc.asyncProperty(at, fc.string({ maxLength: 2 }), async (from, put) => {
      await verifyMachineEvidence(made.text.slice(0, from) + put + made.text.slice(from + 1), given, expectations());
    }),
    { numRuns: 150 },
  );
});
