import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { type Expectations, type Report, type SessionFile, stringifyJson, verify } from '../../index.ts';
import {
  azureSession,
  type HardwareSession,
  LAUNCH_PCR,
  snpSession,
  tdxSession,
  tpmSession,
} from '../../testing/hardware-session.ts';
import { CATALOG_HASH, GATEWAY_MEASUREMENT, newKey, POLICY_HASH } from '../../testing/session.ts';
import type { EvidencePolicy } from '../policy.ts';

const key = await newKey();
const OTHER = `sha256:${'b2'.repeat(32)}`;
const bytes = (digest: string): Buffer => Buffer.from(digest.replace('sha256:', ''), 'hex');
const sha = (name: string, ...parts: Uint8Array[]): Buffer =>
  parts.reduce((hash, part) => hash.update(part), createHash(name)).digest();

/** What the registers hold after one extension (TCG Part 3 PCR_Extend; an RTMR is extended with 48 bytes). */
const pcr = (digest: string): string => sha('sha256', Buffer.alloc(32), bytes(digest)).toString('hex');
const rtmr = (digest: string): Uint8Array => sha('sha384', Buffer.alloc(48), sha('sha384', bytes(digest)));

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const PCR_13: EvidencePolicy = { tpm: { pcrs: { sha256: { '13': [pcr(GATEWAY_MEASUREMENT)] } } } };
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

const RECORDED: [name: string, session: HardwareSession, boot: EvidencePolicy][] = [
  [
    'a TPM',
    await tpmSession(key, [], { launch: pcr(GATEWAY_MEASUREMENT) }),
    { tpm: { pcrs: { sha256: { '11': [LAUNCH_PCR] } } } },
  ],
  [
    'TDX',
    await tdxSession(key, [], withRtmr3(rtmr(GATEWAY_MEASUREMENT))),
    { tdx: { rtmr: { '1': ['02'.repeat(48)], '2': ['03'.repeat(48)] } } },
  ],
];

for (const [name, session, evidencePolicy] of RECORDED) {
  test(`${name} whose launch register holds the expected gateway, on the expected boot chain, proves code, policy and catalog [UX-05]`, async () => {
    const report = await check(session.file, asked(session, { evidencePolicy }));
    assert.deepEqual(outcomes(report, 'gateway.measurement', 'gateway.code', 'policy.hash'), [
      'proven',
      'proven',
      'proven',
    ]);
    assert.equal(report.verdict, 'verified');
  });

  test(`${name}: root on any boot chain can extend the register, so alone it proves nothing [W-12]`, async () => {
    const report = await check(session.file, asked(session));
    assert.deepEqual(outcomes(report, 'gateway.measurement', 'gateway.code', 'policy.hash'), [
      'asserted',
      'asserted',
      'asserted',
    ]);
    assert.equal(report.verdict, 'unverified');
    const only = name === 'TDX' ? { tdx: { rtmr: { '3': [hex(rtmr(GATEWAY_MEASUREMENT))] } } } : PCR_13;
    assert.deepEqual(outcomes(await check(session.file, asked(session, { evidencePolicy: only })), 'gateway.code'), [
      'asserted',
    ]);
  });

  test(`${name}: the register proves nothing when the firmware under it is not the expected one`, async () => {
    const { measurement: _, ...without } = asked(session, { evidencePolicy });
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

test('the launch that a file claims for itself never helps it: the relying party says the rung [ATK-41]', async () => {
  const evidencePolicy = { tpm: { pcrs: { sha256: { '11': [LAUNCH_PCR] } } } };
  for (const launch_level of ['ML1', 'ML2', 'ML3']) {
    for (const launch of ['00'.repeat(32), pcr(GATEWAY_MEASUREMENT)]) {
      const session = await tpmSession(key, [], { launch }, { launch_level });
      const { gatewayMeasurement: _, ...unnamed } = asked(session, { evidencePolicy });
      const report = await check(session.file, unnamed);
      assert.deepEqual(
        [report.verdict, ...outcomes(report, 'gateway.code', 'policy.hash')],
        ['unverified', 'asserted', 'asserted'],
      );
      const image = await check(session.file, { ...unnamed, immutableImage: true });
      assert.deepEqual([image.verdict, ...outcomes(image, 'gateway.code')], ['verified', 'proven']);
    }
    const empty = await tpmSession(key, [], {}, { launch_level });
    const report = await check(empty.file, asked(empty, { evidencePolicy }));
    assert.deepEqual([report.verdict, ...outcomes(report, 'gateway.measurement')], ['unverified', 'asserted']);
  }
});

test('registers that hold a part of a boot chain, or none of it, do not stand for it', async () => {
  const launch = pcr(GATEWAY_MEASUREMENT);
  const zeros = '00'.repeat(32);
  for (const index of ['8', '9', '10', '12', '13', '14', '15']) {
    const session = await tpmSession(key, [], { launch });
    const evidencePolicy = { tpm: { pcrs: { sha256: { [index]: [index === '13' ? launch : zeros] } } } };
    const report = await check(session.file, asked(session, { evidencePolicy, immutableImage: true }));
    assert.deepEqual(outcomes(report, 'gateway.code'), ['asserted'], index);
  }
  const grub = await tpmSession(key, [], { launch });
  const evidencePolicy = { tpm: { pcrs: { sha256: { '8': [zeros], '9': [zeros] } } } };
  assert.equal((await check(grub.file, asked(grub, { evidencePolicy }))).verdict, 'verified');
  const tdx = await tdxSession(key, [], withRtmr3(rtmr(GATEWAY_MEASUREMENT)));
  const half = await check(tdx.file, asked(tdx, { evidencePolicy: { tdx: { rtmr: { '1': ['02'.repeat(48)] } } } }));
  assert.deepEqual(outcomes(half, 'gateway.code'), ['asserted']);
});

test('a launch measurement that covers the code needs no register', async () => {
  const session = await snpSession(key);
  const report = await check(session.file, asked(session));
  assert.deepEqual(outcomes(report, 'gateway.measurement', 'gateway.code'), ['proven', 'proven']);
});

test('a gateway that says itself that nothing measured its launch is believed, on every platform', async () => {
  const level = { launch_level: 'ML0' };
  for (const session of [
    await snpSession(key, [], {}, level),
    await tpmSession(key, [], { launch: pcr(GATEWAY_MEASUREMENT) }, level),
  ]) {
    const evidencePolicy = { tpm: { pcrs: { sha256: { '11': [LAUNCH_PCR] } } } };
    const tpm = session.file.claim.trace.runtime.platform === 'tpm2' ? { evidencePolicy } : {};
    const report = await check(session.file, asked(session, tpm));
    assert.deepEqual(
      [report.verdict, ...outcomes(report, 'gateway.code', 'policy.hash')],
      ['unverified', 'asserted', 'asserted'],
    );
  }
});

test('a register that no quote selects is not taken from beside it, whichever quote it lies beside [ATK-41]', async () => {
  const session = await tpmSession(key, [], { launch: pcr(OTHER) });
  const forged = structuredClone(session.file);
  const values = { sha256: { '4': 'ab'.repeat(32), '13': pcr(GATEWAY_MEASUREMENT) } };
  for (let i = 0; i < 8; i += 1) Object.assign(values.sha256, { [i]: i === 4 ? 'ab'.repeat(32) : '00'.repeat(32) });
  forged.evidence = forged.evidence.filter(({ role }) => role !== 'tpm/second_pcrs');
  const data = Buffer.from(JSON.stringify(values)).toString('base64');
  forged.evidence.push({ role: 'tpm/pcrs', media_type: 'application/json', data });
  for (const accepted of [{}, { acceptSoftwareTpm: true }]) {
    const report = await check(forged, asked(session, accepted));
    assert.notEqual(report.verdict, 'verified');
    assert.deepEqual(outcomes(report, 'gateway.measurement'), ['asserted']);
  }
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

test('values that do not hash to what was quoted show no register, of a software TPM either', async () => {
  const session = await tpmSession(key, [], { ...SWTPM, launch: pcr(OTHER) });
  const beside = session.file.evidence.find(({ role }) => role === 'tpm/second_pcrs');
  assert.ok(beside);
  beside.data = Buffer.from(JSON.stringify({ sha256: { '13': pcr(GATEWAY_MEASUREMENT) } })).toString('base64');
  const report = await check(session.file, asked(session, { acceptSoftwareTpm: true }));
  assert.deepEqual(outcomes(report, 'gateway.measurement'), ['asserted']);
});

test('on Azure a register counts only where the quote selects it', async () => {
  const pcrs = { sha256: { '0': '00'.repeat(32), '11': LAUNCH_PCR, '13': pcr(GATEWAY_MEASUREMENT) } };
  const session = await azureSession(key, [], { selection: 'sha256:0,11', pcrs });
  const beside = session.file.evidence.find(({ role }) => role === 'azure-cvm/pcrs');
  assert.ok(beside);
  beside.data = Buffer.from(JSON.stringify(pcrs)).toString('base64');
  const evidencePolicy = { tpm: { pcrs: { sha256: { '11': [LAUNCH_PCR] } } } };
  const report = await check(session.file, asked(session, { evidencePolicy }));
  assert.deepEqual(outcomes(report, 'gateway.measurement', 'gateway.code'), ['asserted', 'asserted']);
});

test('evidence that is not shown to be authentic neither proves nor contradicts a gateway', async () => {
  const session = await tpmSession(key, [], { launch: pcr(OTHER) });
  const report = await check(session.file, asked(session, { anchors: [] }));
  assert.deepEqual(outcomes(report, 'gateway.measurement'), ['asserted']);
});

test('an immutable image does not excuse a register that holds another program', async () => {
  const session = await tpmSession(key, [], { launch: pcr(OTHER) });
  const evidencePolicy = { tpm: { pcrs: { sha256: { '11': [LAUNCH_PCR] } } } };
  const report = await check(session.file, asked(session, { evidencePolicy, immutableImage: true }));
  assert.deepEqual(outcomes(report, 'gateway.measurement', 'gateway.code'), ['failed', 'failed']);
});

test('a gateway that names no measurement is not the expected one', async () => {
  const session = await snpSession(key, [], {}, { measurement: null });
  const report = await check(session.file, asked(session));
  assert.deepEqual(outcomes(report, 'gateway.measurement'), ['asserted']);
});
