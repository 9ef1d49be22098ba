import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { type Expectations, type Report, type SessionFile, stringifyJson, verify } from '../../index.ts';
import {
  azureSession,
  type HardwareSession,
  snpSession,
  tdxSession,
  tpmSession,
} from '../../testing/hardware-session.ts';
import { CATALOG_HASH, GATEWAY_MEASUREMENT, newKey, POLICY_HASH } from '../../testing/session.ts';

const key = await newKey();
const OTHER = `sha256:${'b2'.repeat(32)}`;
const bytes = (digest: string): Buffer => Buffer.from(digest.replace('sha256:', ''), 'hex');
const sha = (name: string, ...parts: Uint8Array[]): Buffer =>
  parts.reduce((hash, part) => hash.update(part), createHash(name)).digest();

/** What the registers hold after one extension (TCG Part 3 PCR_Extend; an RTMR is extended with 48 bytes). */
const pcr = (digest: string): string => sha('sha256', Buffer.alloc(32), bytes(digest)).toString('hex');
const rtmr = (digest: string): Uint8Array => sha('sha384', Buffer.alloc(48), sha('sha384', bytes(digest)));

const SWTPM = { device: { manufacturer: 'id:00001014', model: 'swtpm' } };

function asked({ root, measurement }: HardwareSession, more: Expectations = {}): Expectations {
  return {
    anchors: [{ ...root, source: 'vendor', assurance: 'silicon' }],
    policyHash: POLICY_HASH,
    catalogHash: CATALOG_HASH,
    measurement,
    gatewayMeasurement: GATEWAY_MEASUREMENT,
    ...more,
  };
}
const check = (file: SessionFile, expectations: Expectations): Promise<Report> =>
  verify(stringifyJson(file), expectations);
const outcomes = (report: Report, ...ids: string[]) =>
  ids.map((id) => report.checks.find((each) => each.id === id)?.outcome);
const withRtmr3 = (value: Uint8Array) => ({
  guest: { rtmr: [Buffer.alloc(48, 1), Buffer.alloc(48, 2), Buffer.alloc(48, 3), value] },
});

const RECORDED: [string, HardwareSession][] = [
  ['a TPM', await tpmSession(key, [], { launch: pcr(GATEWAY_MEASUREMENT) })],
  ['TDX', await tdxSession(key, [], withRtmr3(rtmr(GATEWAY_MEASUREMENT)))],
];

for (const [name, session] of RECORDED) {
  test(`${name} whose launch register holds the expected gateway proves the code, and with it policy and catalog [UX-05]`, async () => {
    const report = await check(session.file, asked(session));
    assert.deepEqual(outcomes(report, 'gateway.measurement', 'gateway.code', 'policy.hash'), [
      'proven',
      'proven',
      'proven',
    ]);
    assert.equal(report.verdict, 'verified');
  });

  test(`${name}: the register proves nothing when the boot chain under it is not the expected one`, async () => {
    const { measurement: _, ...without } = asked(session);
    const report = await check(session.file, without);
    assert.deepEqual(outcomes(report, 'gateway.code', 'policy.hash'), ['asserted', 'asserted']);
    assert.equal(report.verdict, 'unverified');
  });

  test(`${name}: a gateway that says another measurement than was expected is refused`, async () => {
    const report = await check(session.file, asked(session, { gatewayMeasurement: OTHER }));
    assert.deepEqual(outcomes(report, 'gateway.measurement'), ['failed']);
    assert.equal(report.verdict, 'refused');
  });
}

test('a program that says the expected measurement while the register recorded another is refused [ATK-41]', async () => {
  const modified: HardwareSession[] = [
    await tpmSession(key, [], { launch: pcr(OTHER) }),
    await tpmSession(key, [], { ...SWTPM, launch: pcr(OTHER) }),
    await tdxSession(key, [], withRtmr3(rtmr(OTHER))),
    await tpmSession(key, [], {
      launch: sha('sha256', Buffer.from(pcr(GATEWAY_MEASUREMENT), 'hex'), bytes(GATEWAY_MEASUREMENT)).toString('hex'),
    }),
  ];
  for (const session of modified) {
    const report = await check(session.file, asked(session, { acceptSoftwareTpm: true }));
    assert.deepEqual([report.verdict, ...outcomes(report, 'gateway.measurement')], ['refused', 'failed']);
  }
});

test('where no loader recorded a gateway, what it says of itself is asserted, on a software TPM too', async () => {
  for (const session of [
    await tpmSession(key),
    await tpmSession(key, [], SWTPM),
    await tdxSession(key),
    await azureSession(key),
    await tpmSession(key, [], { second: false, launch: pcr(GATEWAY_MEASUREMENT) }),
  ]) {
    const report = await check(session.file, asked(session, { acceptSoftwareTpm: true }));
    assert.deepEqual([report.verdict, ...outcomes(report, 'gateway.measurement')], ['unverified', 'asserted']);
  }
});

test('a launch measurement that covers the code needs no register', async () => {
  const session = await snpSession(key);
  const report = await check(session.file, asked(session));
  assert.deepEqual(outcomes(report, 'gateway.measurement', 'gateway.code'), ['proven', 'proven']);
});

test('registers that the quote does not cover are not taken from beside it', async () => {
  const [, session] = RECORDED[0] ?? [];
  assert.ok(session);
  const file = structuredClone(session.file);
  const beside = file.evidence.find(({ role }) => role === 'tpm/second_pcrs');
  assert.ok(beside);
  const values = { sha256: { '13': pcr(GATEWAY_MEASUREMENT) } };
  beside.data = Buffer.from(JSON.stringify(values)).toString('base64');
  const report = await check(file, asked(session));
  assert.notEqual(report.verdict, 'verified');
  assert.notDeepEqual(outcomes(report, 'gateway.measurement'), ['proven']);
});
