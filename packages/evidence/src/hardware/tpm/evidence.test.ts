import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { readCertificates } from '../../crypto/x509.ts';
import { VENDOR_ANCHORS } from '../../roots/vendor.ts';
import { type EventToWrite, writeEventLog } from '../../testing/event-log.ts';
import { AK_ATTRIBUTES, deviceName, makeTpm, type TestTpm, type TpmOptions, weakChain } from '../../testing/tpm.ts';
import { vectorCases } from '../../testing/vectors.ts';
import type { EvidenceFiles, EvidenceGiven } from '../given.ts';
import type { EvidenceCheck, EvidenceVerdict } from '../verdict.ts';
import { tpmEvidence } from './evidence.ts';

const AT = Date.UTC(2026, 6, 1) / 1000;
const NONCE = new Uint8Array(32).fill(0x5a);
const PCR_0_7 = 'sha256:0,1,2,3,4,5,6,7';

const SCHEMES = [
  ['ecdsa', 'sha256'],
  ['ecdsa', 'sha384'],
  ['rsassa', 'sha256'],
  ['rsassa', 'sha384'],
  ['rsapss', 'sha256'],
  ['rsapss', 'sha384'],
] as const;

const shared: Promise<TestTpm> = makeTpm();

function given(tpm: TestTpm, more: Partial<EvidenceGiven> = {}): EvidenceGiven {
  return { at: AT, anchors: [tpm.root], nonce: NONCE, ...more };
}

function checkOf(verdict: EvidenceVerdict, id: string): EvidenceCheck {
  const found = verdict.checks.find((check) => check.id === id);
  assert.ok(found, `no check ${id} among ${verdict.checks.map((check) => check.id).join(', ')}`);
  return found;
}

function verdictOf({ authentic, acceptable }: EvidenceVerdict): [boolean, boolean | null] {
  return [authentic, acceptable];
}

/** The verdict on a sound quote of a TPM that is made like `options`. */
async function judged(options: TpmOptions, more: Partial<EvidenceGiven> = {}): Promise<EvidenceVerdict> {
  const tpm = await makeTpm({ sibling: await shared, ...options });
  return tpmEvidence({ ...tpm.files, ...tpm.quote(NONCE, PCR_0_7) }, given(tpm, more));
}

test('every genuine quote and certificate of the shared vectors gets the verdict that its manifest expects [D-40] [W-01]', async (t) => {
  const cases = vectorCases('tpm', 'tpm');
  if (cases === null) return t.skip('the shared vectors are absent');
  assert.ok(cases.length > 0);
  for (const { id, files, at, anchors, expect } of cases) {
    const verdict = await tpmEvidence(files, { at, anchors });
    assert.equal(verdict.authentic, expect.authentic, `${id}: ${verdict.summary}`);
    assert.equal(verdict.acceptable, expect.acceptable, `${id}: ${verdict.summary}`);
  }
});

test('the roots of Google and Azure that ship with the package carry the certificates of their clouds, as virtual TPMs', async (t) => {
  const cases = vectorCases('tpm', 'tpm');
  if (cases === null) return t.skip('the shared vectors are absent');
  const certificates = cases.filter(({ files }) => 'cert_chain' in files);
  assert.ok(certificates.length > 0);
  for (const { id, files, at } of certificates) {
    const { authentic, root } = await tpmEvidence(files, { at, anchors: VENDOR_ANCHORS });
    assert.deepEqual([authentic, root?.source, root?.assurance], [true, 'vendor', 'cloud-vtpm'], id);
  }
});

test('nothing supplied is not authentic [D-39]', async () => {
  const verdict = await tpmEvidence({}, { at: AT, anchors: VENDOR_ANCHORS });
  assert.deepEqual(verdictOf(verdict), [false, false]);
  assert.equal(checkOf(verdict, 'tpm.quote').outcome, 'not checked');
  assert.match(verdict.summary, /there is no quote/);
});

test('a quote without its signature, or a signature without its quote, is not authentic [D-39]', async () => {
  const tpm = await shared;
  const { attest, signature } = tpm.quote(NONCE, PCR_0_7);
  for (const part of [{ attest }, { signature }]) {
    const verdict = await tpmEvidence({ ...tpm.files, ...part }, given(tpm));
    assert.equal(verdict.authentic, false);
  }
});

test('wrong evidence is not authentic: the quote of another TPM under the certificate of this one [D-39]', async () => {
  const tpm = await shared;
  const other = await makeTpm({ sibling: tpm });
  const verdict = await tpmEvidence({ ...tpm.files, ...other.quote(NONCE, PCR_0_7) }, given(tpm));
  assert.deepEqual(verdictOf(verdict), [false, false]);
  assert.equal(checkOf(verdict, 'tpm.signature').outcome, 'failed');
});

for (const [scheme, hash] of SCHEMES) {
  test(`a quote signed with ${scheme} and ${hash} holds under its test root, sized or bare, and under no production root [D-39]`, async () => {
    const tpm = await makeTpm({ scheme, hash, sibling: await shared });
    for (const sized of [false, true]) {
      const files = { ...tpm.files, ...tpm.quote(NONCE, PCR_0_7, { sha256: { 3: '11'.repeat(32) } }, { sized }) };
      const verdict = await tpmEvidence(files, given(tpm));
      assert.deepEqual(verdictOf(verdict), [true, true], verdict.summary);
      assert.equal(verdict.root?.source, 'test');
      const production = await tpmEvidence(files, given(tpm, { anchors: VENDOR_ANCHORS }));
      assert.deepEqual(verdictOf(production), [false, false]);
      assert.equal(production.root, null);
      assert.equal(checkOf(production, 'tpm.ak').outcome, 'failed');
    }
  });
}

test('a root for another purpose vouches for no TPM', async () => {
  const tpm = await shared;
  const anchors = [{ ...tpm.root, purposes: ['amd-sev' as const] }];
  const verdict = await tpmEvidence({ ...tpm.files, ...tpm.quote(NONCE, PCR_0_7) }, given(tpm, { anchors }));
  assert.equal(verdict.authentic, false);
});

test('a key that the evidence only presents proves nothing, whatever it signed [D-44]', async () => {
  const tpm = await shared;
  const { ak_public } = tpm.files as { ak_public: Uint8Array<ArrayBuffer> };
  const verdict = await tpmEvidence({ ak_public, ...tpm.quote(NONCE, PCR_0_7) }, given(tpm));
  assert.deepEqual(verdictOf(verdict), [false, false]);
  assert.equal(checkOf(verdict, 'tpm.signature').outcome, 'proven');
  assert.equal(checkOf(verdict, 'tpm.ak').outcome, 'not checked');
  assert.equal(verdict.root, null);
});

test('a transcript of credential activation is asserted, and makes no key trusted [D-44]', async () => {
  const tpm = await shared;
  const { ak_public } = tpm.files as { ak_public: Uint8Array<ArrayBuffer> };
  const files = { ak_public, ak_transcript: Uint8Array.of(1), ...tpm.quote(NONCE, PCR_0_7) };
  const verdict = await tpmEvidence(files, given(tpm));
  assert.equal(verdict.authentic, false);
  assert.equal(checkOf(verdict, 'tpm.ak_transcript').outcome, 'asserted');
});

test('an AK certificate by an enroller whose root the relying party pins is the word of that operator', async () => {
  const tpm = await shared;
  const anchors = [{ ...tpm.root, name: 'our enroller', source: 'operator' as const }];
  const verdict = await tpmEvidence({ ...tpm.files, ...tpm.quote(NONCE, PCR_0_7) }, given(tpm, { anchors }));
  assert.deepEqual(verdictOf(verdict), [true, true]);
  assert.deepEqual([verdict.root?.source, verdict.root?.name], ['operator', 'our enroller']);
});

test('a pinned key needs no chain, and is said to be as good as its pin; another key is refused', async () => {
  const tpm = await shared;
  const quote = tpm.quote(NONCE, PCR_0_7);
  for (const [files, more] of [
    [{ ak: tpm.akPem, ...quote }, {}],
    [quote, { trustedAk: tpm.akSpki }],
    [{ ...tpm.files, ...quote }, { trustedAk: tpm.akSpki }],
  ] as [EvidenceFiles, Partial<EvidenceGiven>][]) {
    const verdict = await tpmEvidence(files, given(tpm, { ...more, anchors: [] }));
    assert.deepEqual(verdictOf(verdict), [true, true], verdict.summary);
    assert.deepEqual([verdict.root?.source, verdict.root?.assurance], ['key', 'unknown']);
    assert.match(checkOf(verdict, 'tpm.ak').detail, /as good as the source of the pin/);
  }
  const other = await makeTpm({ sibling: tpm });
  const files = { ...other.files, ...other.quote(NONCE, PCR_0_7) };
  const refused = await tpmEvidence(files, given(tpm, { trustedAk: tpm.akSpki }));
  assert.equal(refused.authentic, false);
  assert.equal(checkOf(refused, 'tpm.ak_same').outcome, 'failed');
});

test('a key beside a chain is no pin: the chain must lead to a trusted root', async () => {
  const tpm = await shared;
  const files = { ...tpm.files, ...tpm.quote(NONCE, PCR_0_7), ak: tpm.akPem };
  assert.equal((await tpmEvidence(files, given(tpm))).root?.source, 'test');
  assert.equal((await tpmEvidence(files, given(tpm, { anchors: [] }))).authentic, false);
});

test('a pinned key is one public key, PEM or DER, and nothing else', async () => {
  const tpm = await shared;
  const quote = tpm.quote(NONCE, PCR_0_7);
  const pem = new TextDecoder().decode(tpm.akPem);
  const judge = (ak: Uint8Array<ArrayBuffer>) => tpmEvidence({ ak, ...quote }, given(tpm));
  assert.equal((await judge(tpm.akSpki)).authentic, true);
  for (const text of [pem + pem, pem.replaceAll('PUBLIC', 'PRIVATE'), '', 'x']) {
    assert.equal((await judge(new TextEncoder().encode(text))).authentic, false, text);
  }
});

test('a pinned key whose chain leads to a trusted root has the standing of that root', async () => {
  const tpm = await shared;
  const files = { ...tpm.files, ...tpm.quote(NONCE, PCR_0_7) };
  const verdict = await tpmEvidence(files, given(tpm, { trustedAk: tpm.akSpki }));
  assert.deepEqual([verdict.authentic, verdict.root?.source], [true, 'test']);
});

test('public area, certificate and supplied key must be one key', async () => {
  const tpm = await shared;
  const other = await makeTpm({ sibling: tpm });
  const quote = tpm.quote(NONCE, PCR_0_7);
  for (const swapped of [{ ak_public: other.files.ak_public }, { ak: other.akPem }] as EvidenceFiles[]) {
    const verdict = await tpmEvidence({ ...tpm.files, ...quote, ...swapped }, given(tpm));
    assert.equal(verdict.authentic, false);
    assert.equal(checkOf(verdict, 'tpm.ak_same').outcome, 'failed');
  }
});

test('the attestation key is restricted, signs, decrypts nothing, and was made and is kept by the TPM', async () => {
  const bits = { fixedTPM: 1, fixedParent: 4, sensitiveDataOrigin: 5, restricted: 16, decrypt: 17, sign: 18 };
  for (const [name, bit] of Object.entries(bits)) {
    const verdict = await judged({ attributes: AK_ATTRIBUTES ^ (1 << bit) });
    assert.equal(verdict.authentic, false, name);
    assert.match(checkOf(verdict, 'tpm.ak_attributes').detail, new RegExp(name));
  }
});

test('a key signs with the scheme and the hash of its public area only', async () => {
  const tpm = await makeTpm({ hash: 'sha256', sibling: await shared });
  const files = { ...tpm.files, ...tpm.quote(NONCE, PCR_0_7, {}, { hash: 'sha384' }) };
  const verdict = await tpmEvidence(files, given(tpm));
  assert.equal(verdict.authentic, false);
  assert.match(checkOf(verdict, 'tpm.signature').detail, /only ecdsa with sha256/);
  const pss = await makeTpm({ scheme: 'rsapss', sibling: await shared });
  const ak_public = (pss.files.ak_public ?? new Uint8Array()).slice();
  // The scheme of the public area: RSASSA instead of RSAPSS.
  ak_public[13] = 0x14;
  const other = await tpmEvidence({ ...pss.files, ak_public, ...pss.quote(NONCE, PCR_0_7) }, given(pss));
  assert.match(checkOf(other, 'tpm.signature').detail, /only rsassa with sha256/);
});

test('the certificate of an attestation key is no CA, is for signing, and has no other purpose', async () => {
  const refused: TpmOptions[] = [
    { akCertificate: { ca: true } },
    { akCertificate: { keyUsage: ['keyAgreement'] } },
    { akPurposes: [1] },
    { akPurposes: [2] },
    { akPurposes: [2], device: { manufacturer: 'id:474F4F47', model: 'vTPM' } },
    { akPurposes: [1], device: { manufacturer: 'id:474F4F47', model: 'vTPM' }, akCertificate: { keyUsage: null } },
  ];
  for (const options of refused) {
    const verdict = await judged(options);
    assert.equal(verdict.authentic, false, JSON.stringify(options));
    assert.equal(checkOf(verdict, 'tpm.ak').outcome, 'failed');
  }
  const accepted: TpmOptions[] = [
    { akPurposes: [] },
    { akPurposes: [], akCertificate: { keyUsage: null } },
    { akPurposes: [3, 1] },
    { akPurposes: [1], device: { manufacturer: 'id:474F4F47', model: 'vTPM' } },
  ];
  for (const options of accepted) assert.equal((await judged(options)).authentic, true, JSON.stringify(options));
});

test('certificates hold at the clock of the relying party, not at any other', async () => {
  const tpm = await shared;
  const files = { ...tpm.files, ...tpm.quote(NONCE, PCR_0_7) };
  for (const at of [Date.UTC(2019) / 1000, Date.UTC(2041) / 1000]) {
    assert.equal((await tpmEvidence(files, given(tpm, { at }))).authentic, false);
  }
});

test('an EK chain that does not hold is refused; one of an unknown maker is not checked; none vouches for the attestation key', async () => {
  const tpm = await shared;
  const { ak_public, ek_chain } = tpm.files as Record<'ak_public' | 'ek_chain', Uint8Array<ArrayBuffer>>;
  const quote = tpm.quote(NONCE, PCR_0_7);
  const alone = await tpmEvidence({ ak_public, ek_chain, ...quote }, given(tpm));
  assert.equal(alone.authentic, false);
  assert.equal(checkOf(alone, 'tpm.ek_chain').outcome, 'proven');
  const stranger = await makeTpm();
  const unknown = { ...tpm.files, ...quote, ek_chain: stranger.files.ek_chain } as EvidenceFiles;
  const verdict = await tpmEvidence(unknown, given(tpm));
  assert.deepEqual([verdict.authentic, checkOf(verdict, 'tpm.ek_chain').outcome], [true, 'not checked']);
  const texts = new TextDecoder().decode(ek_chain).split(/(?<=-----END CERTIFICATE-----)/);
  const [leaf = '', , root = ''] = texts;
  const torn = { ...tpm.files, ...quote, ek_chain: new TextEncoder().encode(leaf + root) };
  assert.equal((await tpmEvidence(torn, given(tpm))).authentic, false);
  const strange = await tpmEvidence({ ...tpm.files, ...quote, ek_chain: Uint8Array.of(0x30, 0) }, given(tpm));
  assert.deepEqual([strange.authentic, checkOf(strange, 'tpm.ek_chain').outcome], [true, 'not checked']);
  const asEk = { ...tpm.files, ...quote, ek_chain: tpm.files.ak_chain } as EvidenceFiles;
  assert.match(checkOf(await tpmEvidence(asEk, given(tpm)), 'tpm.ek_chain').detail, /not for encryption/);
});

test('a software TPM is called one, by what its certificates or its firmware say', async () => {
  for (const device of [
    { manufacturer: 'id:00001014', model: 'swtpm' },
    { manufacturer: 'id:54455354', model: 'SWTPM' },
    { manufacturer: 'id:49424D20', model: 'x' },
  ]) {
    assert.equal((await judged({ device })).root?.assurance, 'software-tpm', JSON.stringify(device));
  }
  assert.equal((await judged({})).root?.assurance, 'unknown');
  const tpm = await shared;
  const quote = tpm.quote(NONCE, PCR_0_7, {}, { firmwareVersion: 0x2019102300163636n });
  const anchors = [{ ...tpm.root, assurance: 'silicon' as const }];
  const verdict = await tpmEvidence({ ...tpm.files, ...quote }, given(tpm, { anchors }));
  assert.equal(verdict.root?.assurance, 'software-tpm');
  const ekOnly = await makeTpm({ device: { manufacturer: 'id:00001014', model: 'swtpm' }, sibling: tpm });
  const files = { ...tpm.files, ...tpm.quote(NONCE, PCR_0_7), ek_chain: ekOnly.files.ek_chain } as EvidenceFiles;
  assert.equal((await tpmEvidence(files, given(tpm, { anchors }))).root?.assurance, 'software-tpm');
});

test('a replayed quote stays authentic and is not acceptable: it answers another challenge [W-01] [D-40]', async () => {
  const tpm = await shared;
  const files = { ...tpm.files, ...tpm.quote(NONCE, PCR_0_7) };
  const other = NONCE.slice();
  other[31] = 0;
  const hex = new TextEncoder().encode(Buffer.from(other).toString('hex'));
  for (const verdict of [
    await tpmEvidence(files, given(tpm, { nonce: other })),
    await tpmEvidence(files, given(tpm, { userData: other })),
    await tpmEvidence({ ...files, nonce: hex }, given(tpm)),
    await tpmEvidence(files, given(tpm, { nonce: new Uint8Array() })),
  ]) {
    assert.deepEqual(verdictOf(verdict), [true, false]);
    assert.equal(checkOf(verdict, 'tpm.extra_data').outcome, 'failed');
  }
  const empty = { ...tpm.files, ...tpm.quote(new Uint8Array(), PCR_0_7) };
  assert.equal((await tpmEvidence(empty, given(tpm, { nonce: new Uint8Array() }))).acceptable, false);
});

test('a challenge is answered by itself or by its SHA-256, and the verdict says which', async () => {
  const tpm = await shared;
  const hashed = new Uint8Array(createHash('sha256').update(NONCE).digest());
  for (const [extraData, said] of [
    [NONCE, /the nonce itself/],
    [hashed, /SHA-256 of the nonce/],
  ] as const) {
    const verdict = await tpmEvidence({ ...tpm.files, ...tpm.quote(extraData, PCR_0_7) }, given(tpm));
    assert.deepEqual(verdictOf(verdict), [true, true]);
    assert.match(checkOf(verdict, 'tpm.extra_data').detail, said);
  }
  const { nonce: _, ...without } = given(tpm);
  const open = await tpmEvidence({ ...tpm.files, ...tpm.quote(NONCE, PCR_0_7) }, without);
  assert.deepEqual([checkOf(open, 'tpm.extra_data').outcome, open.authentic], ['not checked', true]);
});

test('PCR values that do not hash to the quoted digest are not authentic, nor are values that are missing [D-40]', async () => {
  const tpm = await shared;
  const quote = tpm.quote(NONCE, PCR_0_7);
  const json = (change: (values: Record<string, string>) => void): Uint8Array<ArrayBuffer> => {
    const pcrs = JSON.parse(Buffer.from(quote.pcrs).toString()) as Record<string, Record<string, string>>;
    change(pcrs.sha256 ?? {});
    return new TextEncoder().encode(JSON.stringify(pcrs));
  };
  const altered = json((values) => {
    values['5'] = 'ff'.repeat(32);
  });
  const lacking = json((values) => {
    delete values['5'];
  });
  const policy = { tpm: { pcrs: { sha256: { '5': ['ff'.repeat(32)] } } } };
  for (const pcrs of [altered, lacking]) {
    const verdict = await tpmEvidence({ ...tpm.files, ...quote, pcrs }, given(tpm, { policy }));
    assert.equal(checkOf(verdict, 'tpm.reference_pcrs').outcome, 'not checked');
    assert.equal(verdict.authentic, false);
    assert.equal(checkOf(verdict, 'tpm.pcr_digest').outcome, 'failed');
  }
  const { pcrs: _, ...without } = quote;
  const open = await tpmEvidence({ ...tpm.files, ...without }, given(tpm));
  assert.deepEqual([checkOf(open, 'tpm.pcr_digest').outcome, open.authentic], ['not checked', true]);
});

test('the expected measurement is the PCR digest over PCR 0 to 7 of the SHA-256 bank; one digit off is refused [W-02]', async () => {
  const tpm = await shared;
  const files = { ...tpm.files, ...tpm.quote(NONCE, PCR_0_7, { sha256: { 0: 'ab'.repeat(32) } }) };
  const { measurement } = (await tpmEvidence(files, given(tpm))).facts as { measurement: string };
  assert.match(measurement, /^sha256:[0-9a-f]{64}$/);
  for (const same of [measurement, measurement.slice(7)]) {
    assert.deepEqual(verdictOf(await tpmEvidence(files, given(tpm, { measurement: same }))), [true, true]);
  }
  const digit = measurement.endsWith('0') ? '1' : '0';
  for (const other of [measurement.slice(0, -1) + digit, `sha384:${measurement.slice(7)}`, '', 'sha256:']) {
    const verdict = await tpmEvidence(files, given(tpm, { measurement: other }));
    assert.deepEqual(verdictOf(verdict), [true, false], other);
  }
});

test('a quote over other registers, or under another hash, cannot be the measurement, though its digest be equal [W-02]', async () => {
  const tpm = await shared;
  const other = await makeTpm({ hash: 'sha384', sibling: tpm });
  for (const [each, selection] of [
    [tpm, 'sha256:0,1,2,3,4,5,6,16'],
    [tpm, `${PCR_0_7},8`],
    [tpm, 'sha384:0,1,2,3,4,5,6,7'],
    [tpm, ''],
    [other, PCR_0_7],
  ] as const) {
    const files = { ...each.files, ...each.quote(NONCE, selection) };
    const digest = String((await tpmEvidence(files, given(each))).facts.pcr_digest);
    const verdict = await tpmEvidence(files, given(each, { measurement: `sha256:${digest}` }));
    assert.deepEqual(verdictOf(verdict), [true, false], selection);
    assert.match(checkOf(verdict, 'tpm.measurement').detail, /cannot be a measurement/);
  }
});

test('SHA-1 is authentic where it verifies and never acceptable: as signature, as bank, in the chain [D-40]', async () => {
  const tpm = await makeTpm({ scheme: 'rsassa', hash: 'sha1', sibling: await shared });
  const signed = await tpmEvidence({ ...tpm.files, ...tpm.quote(NONCE, PCR_0_7) }, given(tpm));
  assert.deepEqual(verdictOf(signed), [true, false]);
  const sound = await shared;
  const bank = await tpmEvidence({ ...sound.files, ...sound.quote(NONCE, `sha1:0,1+${PCR_0_7}`) }, given(sound));
  assert.deepEqual(verdictOf(bank), [true, false]);
  const ak_chain = await weakChain(sound);
  const chain = await tpmEvidence({ ...sound.quote(NONCE, PCR_0_7), ak_chain }, given(sound));
  assert.deepEqual(verdictOf(chain), [true, false]);
  const alone = await tpmEvidence({ cert_chain: ak_chain }, given(sound));
  assert.deepEqual(verdictOf(alone), [true, false]);
  for (const verdict of [signed, bank, chain, alone]) assert.match(checkOf(verdict, 'tpm.algorithms').detail, /SHA-1/);
});

test('a PCR digest has the length of the hash that signs', async () => {
  const tpm = await shared;
  const quote = tpm.quote(NONCE, PCR_0_7, {}, { pcrDigest: new Uint8Array(48) });
  const { pcrs: _, ...without } = quote;
  const verdict = await tpmEvidence({ ...tpm.files, ...without }, given(tpm));
  assert.equal(verdict.authentic, false);
});

test('the policy names registers, reference values and firmware, and each counts', async () => {
  const tpm = await shared;
  const quote = tpm.quote(NONCE, `${PCR_0_7},11`, { sha256: { 11: 'cd'.repeat(32) } });
  const files = { ...tpm.files, ...quote };
  const judge = (policy: NonNullable<EvidenceGiven['policy']>['tpm'], more: EvidenceFiles = files) =>
    tpmEvidence(more, given(tpm, { policy: policy === undefined ? {} : { tpm: policy } }));
  const zeros = '00'.repeat(32);
  const accepted = { sha256: { '11': ['ff'.repeat(32), 'cd'.repeat(32)], '0': [zeros] } };
  assert.deepEqual(verdictOf(await judge({ pcrs: accepted })), [true, true]);
  assert.deepEqual(verdictOf(await judge({ pcrs: { sha256: { '11': [zeros] } } })), [true, false]);
  assert.deepEqual(verdictOf(await judge({ pcrs: { sha256: { '12': [zeros] } } })), [true, null]);
  assert.deepEqual(verdictOf(await judge({ pcrs: { sha384: { '11': [zeros] } } })), [true, null]);
  const { pcrs: _, ...unknown } = files as typeof files & { pcrs: Uint8Array<ArrayBuffer> };
  assert.deepEqual(verdictOf(await judge({ pcrs: accepted }, unknown)), [true, null]);
  assert.deepEqual(verdictOf(await judge({ selection: 'sha256:11,7,6,5,4,3,2,1,0' })), [true, true]);
  assert.deepEqual(verdictOf(await judge({ selection: PCR_0_7 })), [true, false]);
  assert.deepEqual(verdictOf(await judge({ firmwareVersions: ['0001000200030004'] })), [true, true]);
  assert.deepEqual(verdictOf(await judge({ firmwareVersions: ['0001000200030005'] })), [true, false]);
});

test('a value beside the quoted registers is not a quoted value: it satisfies no reference value', async () => {
  const tpm = await shared;
  const quote = tpm.quote(NONCE, PCR_0_7);
  const values = JSON.parse(Buffer.from(quote.pcrs).toString()) as { sha256: Record<string, string> };
  values.sha256['11'] = 'cd'.repeat(32);
  const pcrs = new TextEncoder().encode(JSON.stringify(values));
  const policy = { tpm: { pcrs: { sha256: { '11': ['cd'.repeat(32)] } } } };
  const verdict = await tpmEvidence({ ...tpm.files, ...quote, pcrs }, given(tpm, { policy }));
  assert.deepEqual(verdictOf(verdict), [true, null]);
});

test('the event log must lead to the registers as they were quoted, with PCR values or without', async () => {
  const tpm = await shared;
  const digest = (text: string) => new Uint8Array(createHash('sha256').update(text).digest());
  const event = (index: number, text: string): EventToWrite => ({ index, digests: { sha256: digest(text) } });
  const extend = (text: string) =>
    createHash('sha256').update(new Uint8Array(32)).update(digest(text)).digest().toString('hex');
  const event_log = writeEventLog(['sha256'], [event(0, 'a'), event(4, 'b')]);
  const all = tpm.quote(NONCE, 'sha256:0,4', { sha256: { 0: extend('a'), 4: extend('b') } });
  const judge = (files: EvidenceFiles) => tpmEvidence({ ...tpm.files, ...files, event_log }, given(tpm));
  assert.deepEqual(verdictOf(await judge({ ...all })), [true, true]);
  const { pcrs: _, ...digestOnly } = all;
  assert.deepEqual(verdictOf(await judge(digestOnly)), [true, true]);
  const partly = await judge({ ...tpm.quote(NONCE, 'sha256:0,4,10', { sha256: { 0: extend('a'), 4: extend('b') } }) });
  assert.deepEqual(verdictOf(partly), [true, true]);
  assert.match(checkOf(partly, 'tpm.event_log').detail, /says nothing about sha256:10/);
  assert.match(checkOf(partly, 'tpm.event_log').detail, /the descriptions beside the digests are not covered/);
  const wrong = tpm.quote(NONCE, 'sha256:0,4', { sha256: { 0: extend('a'), 4: extend('c') } });
  assert.deepEqual(verdictOf(await judge({ ...wrong })), [true, false]);
  const { pcrs: __, ...wrongDigest } = wrong;
  assert.deepEqual(verdictOf(await judge(wrongDigest)), [true, false]);
  assert.deepEqual(verdictOf(await judge({ ...tpm.quote(NONCE, 'sha256:9') })), [true, null]);
  assert.deepEqual(verdictOf(await judge({ ...tpm.quote(NONCE, 'sha384:0') })), [true, false]);
});

test('registers that any program can reset are named', async () => {
  const tpm = await shared;
  const verdict = await tpmEvidence({ ...tpm.files, ...tpm.quote(NONCE, 'sha256:7,16,23') }, given(tpm));
  assert.match(checkOf(verdict, 'tpm.resettable').detail, /PCR 16 and 23/);
});

test('a bare RSASSA value is read when there is no whole signature', async () => {
  const tpm = await makeTpm({ scheme: 'rsassa', sibling: await shared });
  const { signature, ...quote } = tpm.quote(NONCE, PCR_0_7);
  const bare = { ...tpm.files, ...quote, signature_raw: signature.slice(6) };
  assert.deepEqual(verdictOf(await tpmEvidence(bare, given(tpm))), [true, true]);
  const both = await tpmEvidence({ ...bare, signature: signature.slice() }, given(tpm));
  assert.deepEqual([...verdictOf(both), checkOf(both, 'tpm.signature_raw').outcome], [true, true, 'proven']);
});

test('a bare signature beside a whole one must be its RSASSA value', async () => {
  for (const scheme of ['rsassa', 'rsapss', 'ecdsa'] as const) {
    const tpm = await makeTpm({ scheme, sibling: await shared });
    const files = { ...tpm.files, ...tpm.quote(NONCE, PCR_0_7), signature_raw: new Uint8Array(256) };
    const verdict = await tpmEvidence(files, given(tpm));
    assert.equal(verdict.authentic, false);
    assert.equal(checkOf(verdict, 'tpm.signature_raw').outcome, 'failed');
  }
});

test('user data in the role report_data is expected in extraData', async () => {
  const tpm = await shared;
  const judge = (text: string) =>
    tpmEvidence(
      { ...tpm.files, ...tpm.quote(NONCE, PCR_0_7), report_data: new TextEncoder().encode(text) },
      { at: AT, anchors: [tpm.root] },
    );
  assert.deepEqual(verdictOf(await judge(`0x${'5A'.repeat(32)}\n`)), [true, true]);
  for (const text of ['5b'.repeat(32), 'zz', '']) {
    const verdict = await judge(text);
    assert.deepEqual(verdictOf(verdict), [true, false], text);
    assert.equal(checkOf(verdict, 'tpm.extra_data').outcome, 'failed');
  }
});

test('an expectation or an appraisal input that cannot be read is not met, and takes nothing from who signed', async () => {
  const tpm = await shared;
  const files = { ...tpm.files, ...tpm.quote(NONCE, PCR_0_7) };
  const junk = new TextEncoder().encode('zz');
  for (const [role, id] of [
    ['nonce', 'tpm.extra_data'],
    ['report_data', 'tpm.extra_data'],
    ['event_log', 'tpm.event_log'],
    ['pcrs', 'tpm.pcrs'],
  ] as const) {
    const verdict = await tpmEvidence({ ...files, [role]: junk }, given(tpm));
    assert.deepEqual(verdictOf(verdict), [true, false], role);
    assert.equal(checkOf(verdict, id).outcome, 'failed', role);
  }
});

test('a quote over no register is authentic and says nothing that could be accepted', async () => {
  const tpm = await shared;
  const verdict = await tpmEvidence({ ...tpm.files, ...tpm.quote(NONCE, '') }, given(tpm));
  assert.deepEqual(verdictOf(verdict), [true, false]);
  assert.match(checkOf(verdict, 'tpm.selection').detail, /covers no register/);
});

test('a chain may come in any order, and has one leaf', async () => {
  const tpm = await shared;
  const other = await makeTpm({ sibling: tpm });
  const pem = (chain: Uint8Array<ArrayBuffer> | undefined) =>
    new TextDecoder().decode(chain).split(/(?<=-----END CERTIFICATE-----)/);
  const judge = (texts: string[]) => {
    const ak_chain = new TextEncoder().encode(texts.join('\n'));
    return tpmEvidence({ ...tpm.files, ...tpm.quote(NONCE, PCR_0_7), ak_chain }, given(tpm));
  };
  const [leaf = '', issuer = '', root = ''] = pem(tpm.files.ak_chain);
  for (const order of [
    [root, issuer, leaf],
    [issuer, leaf, root],
  ]) {
    assert.deepEqual(verdictOf(await judge(order)), [true, true]);
  }
  const two = await judge([leaf, pem(other.files.ak_chain)[0] ?? '', issuer, root]);
  assert.equal(two.authentic, false);
  assert.match(two.summary, /ak_chain holds more than one leaf/);
  const alone = { cert_chain: new TextEncoder().encode([root, issuer, leaf].join('\n')) };
  assert.deepEqual((await tpmEvidence(alone, given(tpm))).facts.certificate, 'AK');
});

test('certificates alone say that such a TPM exists, and nothing about a platform', async () => {
  const tpm = await shared;
  for (const [role, kind] of [
    ['ak_chain', 'AK'],
    ['ek_chain', 'EK'],
  ] as const) {
    const files = { cert_chain: tpm.files[role] } as EvidenceFiles;
    const verdict = await tpmEvidence(files, given(tpm));
    assert.deepEqual([...verdictOf(verdict), verdict.facts.certificate], [true, null, kind]);
    assert.equal((await tpmEvidence(files, given(tpm, { anchors: VENDOR_ANCHORS }))).authentic, false);
  }
  const ca = { cert_chain: new TextEncoder().encode(tpm.issuer.pem) };
  assert.equal((await tpmEvidence(ca, given(tpm))).authentic, false);
  for (const options of [
    { ekCertificate: { ca: true } },
    { ekPurposes: [2] },
    { ekCertificate: { keyUsage: null, ca: true } },
  ]) {
    const made = await makeTpm({ ...options, sibling: tpm });
    const files = { cert_chain: made.files.ek_chain } as EvidenceFiles;
    assert.equal((await tpmEvidence(files, given(tpm))).authentic, false, JSON.stringify(options));
  }
  const software = await makeTpm({ device: { manufacturer: 'id:00001014', model: 'swtpm' }, sibling: tpm });
  const files = { cert_chain: software.files.ek_chain } as EvidenceFiles;
  assert.equal((await tpmEvidence(files, given(tpm))).root?.assurance, 'software-tpm');
});

test('files that nothing reads are named', async () => {
  const tpm = await shared;
  const files = { ...tpm.files, ...tpm.quote(NONCE, PCR_0_7), vcek: Uint8Array.of(1) };
  const verdict = await tpmEvidence(files, given(tpm));
  assert.equal(verdict.authentic, true);
  assert.match(checkOf(verdict, 'tpm.roles').detail, /vcek/);
});

test('every single bit of a quote and of its signature counts', async () => {
  const tpm = await shared;
  const sound = tpm.quote(NONCE, PCR_0_7);
  for (const role of ['attest', 'signature'] as const) {
    for (let bit = 0; bit < sound[role].length * 8; bit++) {
      const flipped = sound[role].slice();
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      const verdict = await tpmEvidence({ ...sound, [role]: flipped }, given(tpm, { trustedAk: tpm.akSpki }));
      assert.equal(verdict.authentic, false, `${role}, bit ${bit}`);
    }
  }
});

test('every single bit of the genuine quotes counts', async (t) => {
  const cases = vectorCases('tpm', 'tpm');
  if (cases === null) return t.skip('the shared vectors are absent');
  const quotes = cases.filter(({ expect, files }) => expect.authentic && 'attest' in files);
  assert.ok(quotes.length > 0);
  for (const { id, files, at } of quotes) {
    const { attest = new Uint8Array(), signature = new Uint8Array(), ak, ak_chain } = files;
    // Without its chain, which is not altered here, the sweep takes seconds instead of many.
    const trustedAk = ak === undefined ? readCertificates(ak_chain ?? new Uint8Array())[0]?.spki : undefined;
    const trust = { at, anchors: [], ...(trustedAk === undefined ? {} : { trustedAk }) };
    const own: EvidenceFiles = { attest, signature, ...(ak === undefined ? {} : { ak }) };
    assert.equal((await tpmEvidence(own, trust)).authentic, true, id);
    for (let bit = 0; bit < attest.length * 8; bit++) {
      const flipped = attest.slice();
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      assert.equal((await tpmEvidence({ ...own, attest: flipped }, trust)).authentic, false, `${id}, bit ${bit}`);
    }
  }
});

test('any bytes in any role give a verdict, and none of them an authentic one', async () => {
  const tpm = await shared;
  const sound: EvidenceFiles = { ...tpm.files, ...tpm.quote(NONCE, PCR_0_7) };
  const roles = [
    ...Object.keys(sound),
    'signature_raw',
    'ak',
    'nonce',
    'event_log',
    'cert_chain',
    'test_root',
    '__proto__',
  ];
  const bytes = fc.uint8Array({ maxLength: 300 }).map((each) => new Uint8Array(each));
  const file = fc.tuple(fc.constantFrom(...roles), bytes);
  await fc.assert(
    fc.asyncProperty(fc.array(file, { maxLength: 6 }), async (files) => {
      const verdict = await tpmEvidence(Object.fromEntries(files), given(tpm));
      assert.equal(verdict.authentic, false);
    }),
    { numRuns: 200 },
  );
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...Object.keys(sound)),
      fc.nat(),
      fc.nat(255),
      fc.nat(),
      async (role, at, value, cut) => {
        const changed = (sound[role] ?? new Uint8Array()).slice();
        if (changed.length > 0) changed[at % changed.length] = value;
        await tpmEvidence({ ...sound, [role]: changed }, given(tpm));
        await tpmEvidence({ ...sound, [role]: changed.slice(0, cut % (changed.length + 1)) }, given(tpm));
      },
    ),
    { numRuns: 200 },
  );
});

test('a device name that is not in its form is refused, not guessed', async () => {
  const [extension] = deviceName({ manufacturer: 'id:1', model: 'x' });
  assert.ok(extension);
  const broken = { ...extension, value: extension.value.slice(0, -3) };
  const verdict = await judged({ akCertificate: { extensions: [broken] } });
  assert.equal(verdict.authentic, false);
});
