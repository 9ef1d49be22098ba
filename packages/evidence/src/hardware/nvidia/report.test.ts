import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { encodeUtf8 } from '../../bytes/utf8.ts';
import { TAG, writeDer } from '../../crypto/der.ts';
import { VENDOR_ANCHORS } from '../../roots/vendor.ts';
import { field, type SpdmParts, signSpdm, spdmReport } from '../../testing/gpu.ts';
import { issueCertificate, newKeyPair, type TestExtension, type TestKeyPair, testAnchor } from '../../testing/pki.ts';
import { type VectorCase, vectorCases } from '../../testing/vectors.ts';
import type { EvidenceGiven, TrustAnchor } from '../given.ts';
import type { EvidenceVerdict } from '../verdict.ts';
import { nvidiaEvidence } from './evidence.ts';

const AT = Date.UTC(2026, 6, 1) / 1000;
const FWID = new Uint8Array(48).fill(0xf1);
const SHA384 = Uint8Array.of(0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02);

function check(found: EvidenceVerdict, id: string) {
  return found.checks.find((each) => each.id === id);
}

function failures(found: EvidenceVerdict): string[] {
  return found.checks.filter(({ outcome }) => outcome === 'failed').map(({ id }) => id);
}

function flipped(bytes: Uint8Array<ArrayBuffer>, at: number, bit: number): Uint8Array<ArrayBuffer> {
  const copy = bytes.slice();
  copy[at] = (copy[at] ?? 0) ^ (1 << bit);
  return copy;
}

function genuine(): VectorCase | null {
  return vectorCases('nvidia', 'nvidia-device')?.find(({ id }) => id === 'hopper-driver-590') ?? null;
}

function fwidOf(digest: Uint8Array): Uint8Array {
  return writeDer(TAG.sequence, writeDer(TAG.oid, SHA384), writeDer(TAG.octetString, digest));
}

/** The extension in the form of the first DICE drafts: version, key of the device, firmware. */
function composite(digest: Uint8Array, spki: Uint8Array): TestExtension {
  const value = writeDer(TAG.sequence, writeDer(TAG.integer, Uint8Array.of(1)), spki, fwidOf(digest));
  return { oid: '2.23.133.5.4.1', critical: false, value };
}

/** The extension in the form of DiceTcbInfo: vendor, firmware digests. */
function tcbInfo(...digests: Uint8Array[]): TestExtension {
  const vendor = writeDer(0x80, encodeUtf8('NVIDIA'));
  const value = writeDer(TAG.sequence, vendor, writeDer(0xa6, ...digests.map(fwidOf)));
  return { oid: '2.23.133.5.4.1', critical: false, value };
}

interface Made {
  files: Record<string, Uint8Array<ArrayBuffer>>;
  root: TrustAnchor;
  keys: TestKeyPair;
}

/** A device of a test root. */
async function device(
  parts: SpdmParts = {},
  extensions: (spki: Uint8Array) => TestExtension[] = () => [],
): Promise<Made> {
  const [rootKeys, keys] = [await newKeyPair('p384'), await newKeyPair('p384')];
  const root = await issueCertificate({ subject: 'CN=Test Device Identity CA', keys: rootKeys, ca: true });
  const leaf = await issueCertificate({
    subject: 'CN=GPU FMC LF',
    keys,
    issuer: root,
    serial: '02',
    keyUsage: ['digitalSignature'],
    extensions: extensions(rootKeys.spki),
  });
  const report = await signSpdm(spdmReport(parts), keys);
  const chain = encodeUtf8(`${leaf.pem}\n${root.pem}\n`);
  return { files: { report, chain }, root: testAnchor(root, 'nvidia-device'), keys };
}

function given(made: Made, more: Partial<EvidenceGiven> = {}): EvidenceGiven {
  return { at: AT, anchors: [made.root], ...more };
}

test('all genuine and derived GPU evidence of the manifest gets the verdict that it should', async (t) => {
  const cases = vectorCases('nvidia', 'nvidia-device');
  if (cases === null) return t.skip('the shared vectors are not here');
  assert.ok(cases.length >= 7);
  for (const { id, files, at, expect, anchors } of cases) {
    for (const roots of [anchors, VENDOR_ANCHORS]) {
      const found = await nvidiaEvidence(files, { at, anchors: roots });
      assert.equal(found.authentic, expect.authentic, `${id}: ${found.summary}`);
      assert.equal(found.acceptable, expect.acceptable, `${id}: ${found.summary}`);
    }
  }
});

test('nothing supplied, wrong supplied, right supplied', async (t) => {
  const nothing = await nvidiaEvidence({}, { at: AT, anchors: VENDOR_ANCHORS });
  assert.deepEqual([nothing.authentic, nothing.acceptable], [false, false]);
  assert.equal(check(nothing, 'nvidia.form')?.outcome, 'not checked');
  const right = genuine();
  if (right === null) return t.skip('the shared vectors are not here');
  const { files, at } = right;
  for (const role of ['report', 'chain']) {
    const less = Object.fromEntries(Object.entries(files).filter(([name]) => name !== role));
    assert.equal((await nvidiaEvidence(less, { at, anchors: VENDOR_ANCHORS })).authentic, false, `without ${role}`);
    const garbage = { ...files, [role]: encodeUtf8('no such thing') };
    assert.equal(
      (await nvidiaEvidence(garbage, { at, anchors: VENDOR_ANCHORS })).authentic,
      false,
      `garbage as ${role}`,
    );
  }
  assert.equal((await nvidiaEvidence(files, { at, anchors: [] })).authentic, false);
  const good = await nvidiaEvidence(files, { at, anchors: VENDOR_ANCHORS });
  assert.deepEqual([good.authentic, good.acceptable], [true, null]);
  assert.match(check(good, 'nvidia.measurements')?.detail ?? '', /out of scope/);
  assert.equal(good.facts.driver_version, '590.12');
});

test('no bit of request, response or signature can be changed', async (t) => {
  const right = genuine();
  if (right === null) return t.skip('the shared vectors are not here');
  const { files, at } = right;
  const report = files.report ?? new Uint8Array();
  const dense = Array.from({ length: report.length }, (_, i) => i).filter(
    (i) => i < 64 || i > report.length - 128 || i % 53 === 0,
  );
  for (const offset of dense) {
    const changed = { ...files, report: flipped(report, offset, offset % 8) };
    const found = await nvidiaEvidence(changed, { at, anchors: VENDOR_ANCHORS });
    assert.equal(found.authentic, false, `bit ${offset % 8} of byte ${offset}`);
  }
});

test('generated evidence verifies under its root, and is refused by the vendor roots', async () => {
  const made = await device();
  const found = await nvidiaEvidence(made.files, given(made));
  assert.deepEqual([found.authentic, found.acceptable, found.root?.source], [true, null, 'test']);
  const production = await nvidiaEvidence(made.files, { at: AT, anchors: VENDOR_ANCHORS });
  assert.deepEqual([production.authentic, production.root, failures(production)], [false, null, ['nvidia.chain']]);
  const root = { test_root: made.root.certificate ?? new Uint8Array() };
  const labelled = await nvidiaEvidence({ ...made.files, ...root }, { at: AT, anchors: VENDOR_ANCHORS });
  assert.deepEqual([labelled.authentic, labelled.root?.source], [true, 'test']);
  const other = { ...made.root, purposes: ['amd-sev' as const] };
  assert.equal((await nvidiaEvidence(made.files, { at: AT, anchors: [other] })).authentic, false);
});

test('a report of another device is refused', async () => {
  const [ours, other] = [await device(), await device()];
  const report = other.files.report ?? new Uint8Array();
  const found = await nvidiaEvidence({ ...ours.files, report }, given(ours));
  assert.deepEqual([found.authentic, failures(found)], [false, ['nvidia.signature']]);
});

test('the firmware of the certificate is the one that reports, in both forms of the extension', async () => {
  const parts = { opaque: [field(20, FWID)] };
  const other = new Uint8Array(48).fill(0xee);
  const forms: ((digest: Uint8Array) => (spki: Uint8Array) => TestExtension[])[] = [
    (digest) => (spki) => [composite(digest, spki)],
    (digest) => () => [tcbInfo(digest)],
    (digest) => () => [tcbInfo(new Uint8Array(48), digest)],
  ];
  for (const form of forms) {
    const good = await device(parts, form(FWID));
    const found = await nvidiaEvidence(good.files, given(good));
    assert.deepEqual([found.authentic, check(found, 'nvidia.fwid')?.outcome], [true, 'proven']);
    const bad = await device(parts, form(other));
    const refused = await nvidiaEvidence(bad.files, given(bad));
    assert.deepEqual([refused.authentic, failures(refused)], [false, ['nvidia.fwid']]);
  }
});

test('firmware that only one side names is reported as not checked, and an extension that is not understood is refused', async () => {
  for (const made of [await device({ opaque: [field(20, FWID)] }), await device({}, () => [tcbInfo(FWID)])]) {
    const found = await nvidiaEvidence(made.files, given(made));
    assert.deepEqual([found.authentic, check(found, 'nvidia.fwid')?.outcome], [true, 'not checked']);
  }
  const fields = [writeDer(TAG.integer, Uint8Array.of(1)), fwidOf(FWID)];
  const key = writeDer(TAG.sequence);
  const surplus = writeDer(TAG.oid, SHA384);
  const longer = writeDer(TAG.sequence, surplus, writeDer(TAG.octetString, FWID), surplus);
  const values = [
    Uint8Array.of(5, 0),
    Uint8Array.of(0x30, 9),
    writeDer(TAG.sequence, ...fields),
    writeDer(TAG.sequence, fields[0] ?? key, key, fwidOf(FWID), key),
    writeDer(TAG.sequence, fields[0] ?? key, key, longer),
    writeDer(TAG.sequence, fields[0] ?? key, key, writeDer(TAG.sequence, key, writeDer(TAG.octetString, FWID))),
  ];
  for (const value of values) {
    const made = await device({}, () => [{ oid: '2.23.133.5.4.1', critical: false, value }]);
    const found = await nvidiaEvidence(made.files, given(made));
    assert.deepEqual([found.authentic, failures(found)], [false, ['nvidia.fwid']]);
  }
});

test('the request answers the challenge of the relying party, by argument or file', async () => {
  const nonce = new Uint8Array(32).fill(9);
  const made = await device({ nonce });
  const ask = async (more: Partial<EvidenceGiven>, file?: string) => {
    const files = file === undefined ? made.files : { ...made.files, nonce: encodeUtf8(file) };
    return nvidiaEvidence(files, given(made, more));
  };
  assert.equal(check(await ask({ nonce }), 'nvidia.nonce')?.outcome, 'proven');
  assert.equal(check(await ask({}, `${'09'.repeat(32)}\n`), 'nvidia.nonce')?.outcome, 'proven');
  assert.equal(check(await ask({ nonce }, '09'.repeat(32)), 'nvidia.nonce')?.outcome, 'proven');
  assert.equal(check(await ask({}), 'nvidia.nonce')?.outcome, 'not checked');
  for (const found of [await ask({ nonce: nonce.slice(1) }), await ask({}, '08'.repeat(32))]) {
    assert.deepEqual([found.authentic, found.acceptable, failures(found)], [true, false, ['nvidia.nonce']]);
  }
  for (const found of [await ask({ nonce }, '08'.repeat(32)), await ask({}, 'not hex')]) {
    assert.deepEqual([found.authentic, found.acceptable, failures(found)], [true, false, ['nvidia.nonce']]);
  }
});

test('user data in the role report_data cannot be expected of a GPU either', async () => {
  const made = await device();
  const found = await nvidiaEvidence({ ...made.files, report_data: encodeUtf8('00') }, given(made));
  assert.deepEqual([found.authentic, found.acceptable, failures(found)], [true, false, ['nvidia.expectations']]);
});

test('the chain of a device may come in any order, and has one leaf', async () => {
  const [made, other] = [await device(), await device()];
  const pem = (chain: Uint8Array<ArrayBuffer> | undefined) =>
    new TextDecoder().decode(chain).split(/(?<=-----END CERTIFICATE-----)/);
  const [leaf = '', root = ''] = pem(made.files.chain);
  const judge = (text: string) => nvidiaEvidence({ ...made.files, chain: encodeUtf8(text) }, given(made));
  assert.equal((await judge(`${root}\n${leaf}\n`)).authentic, true);
  const two = await judge(`${leaf}\n${pem(other.files.chain)[0]}\n${root}`);
  assert.equal(two.authentic, false);
  assert.match(two.summary, /chain holds more than one leaf/);
});

test('the policy names drivers, VBIOS versions and a number of GPUs', async () => {
  const made = await device({
    opaque: [field(3, encodeUtf8('590.12\0')), field(6, Uint8Array.of(0, 0x9f, 0, 0x96, 1, 0, 0, 0))],
  });
  const apply = (nvidia: NonNullable<EvidenceGiven['policy']>['nvidia']) =>
    nvidiaEvidence(made.files, given(made, { policy: { nvidia: nvidia ?? {} } }));
  const good = await apply({ driverVersions: ['590.12'], vbiosVersions: ['96.00.9f.00.01'], gpus: 1 });
  assert.deepEqual([good.acceptable, failures(good)], [null, []]);
  assert.deepEqual(failures(await apply({ driverVersions: ['590.13'] })), ['nvidia.driver']);
  assert.deepEqual(failures(await apply({ vbiosVersions: [] })), ['nvidia.vbios']);
  assert.deepEqual(failures(await apply({ gpus: 2 })), ['nvidia.gpus']);
  const silent = await device();
  const found = await nvidiaEvidence(
    silent.files,
    given(silent, { policy: { nvidia: { driverVersions: ['590.12'] } } }),
  );
  assert.deepEqual(failures(found), ['nvidia.driver']);
});

test('user data and a measurement cannot be expected of a GPU', async () => {
  const made = await device();
  for (const more of [{ userData: new Uint8Array(32) }, { measurement: 'sha384:00' }]) {
    const found = await nvidiaEvidence(made.files, given(made, more));
    assert.deepEqual([found.acceptable, failures(found)], [false, ['nvidia.expectations']]);
  }
});

test('a device key that is not on P-384 is refused', async () => {
  const made = await device();
  const keys = await newKeyPair('p256');
  const root = await issueCertificate({ subject: 'CN=R', keys, ca: true });
  const leaf = await issueCertificate({ subject: 'CN=L', keys: await newKeyPair('p256'), issuer: root, serial: '02' });
  const files = { ...made.files, chain: encodeUtf8(`${leaf.pem}\n${root.pem}`) };
  const found = await nvidiaEvidence(files, { at: AT, anchors: [testAnchor(root, 'nvidia-device')] });
  assert.deepEqual(failures(found), ['nvidia.signature']);
  assert.match(found.summary, /P-384/);
});

test('a report together with a token is two pieces of evidence', async () => {
  const made = await device();
  const found = await nvidiaEvidence({ ...made.files, eat: encodeUtf8('[]') }, given(made));
  assert.deepEqual([found.authentic, failures(found)], [false, ['nvidia.form']]);
  assert.match(found.summary, /two pieces of evidence/);
  const surplus = await nvidiaEvidence({ ...made.files, jwks: encodeUtf8('{}') }, given(made));
  assert.match(check(surplus, 'nvidia.roles')?.detail ?? '', /jwks/);
});

test('any bytes in any role give a verdict, and never an authentic one', async () => {
  const made = await device();
  const roles = ['report', 'chain', 'nonce', 'eat', 'jwks', 'test_root', '__proto__'];
  const bytes = fc.uint8Array({ maxLength: 600 }).map((each) => new Uint8Array(each));
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(fc.constantFrom(...roles), bytes), { maxLength: 4 }), async (entries) => {
      assert.equal((await nvidiaEvidence(Object.fromEntries(entries), given(made))).authentic, false);
    }),
    { numRuns: 60 },
  );
  const edits = fc.array(fc.tuple(fc.nat(5000), fc.nat(255)), { minLength: 1, maxLength: 4 });
  await fc.assert(
    fc.asyncProperty(fc.constantFrom('report', 'chain'), edits, async (role, changes) => {
      const copy = (made.files[role] ?? new Uint8Array(1)).slice();
      for (const [at, value] of changes) copy[at % copy.length] = value;
      assert.equal(typeof (await nvidiaEvidence({ ...made.files, [role]: copy }, given(made))).authentic, 'boolean');
    }),
    { numRuns: 100 },
  );
});
