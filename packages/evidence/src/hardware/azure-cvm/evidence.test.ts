import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { VENDOR_ANCHORS } from '../../roots/vendor.ts';
import { type VectorCase, vectorCases } from '../../testing/vectors.ts';
import { reading } from '../files.ts';
import type { EvidenceFiles } from '../given.ts';
import type { EvidenceCheck, EvidenceVerdict } from '../verdict.ts';
import { azureEvidence } from './evidence.ts';
import { partsOf } from './parts.ts';
import { bindingChecks } from './verify.ts';

function checkOf(verdict: EvidenceVerdict, id: string): EvidenceCheck {
  const found = verdict.checks.find((check) => check.id === id);
  assert.ok(found, `no check ${id} among ${verdict.checks.map((check) => check.id).join(', ')}`);
  return found;
}

/** The case of that id; the test skips visibly when it is null. */
function genuine(id: string): VectorCase | null {
  const found = vectorCases('azure-cvm', 'amd-sev')?.find((each) => each.id === id) ?? null;
  return found === null ? null : { ...found, anchors: [...VENDOR_ANCHORS] };
}

function without(files: EvidenceFiles, ...roles: string[]): EvidenceFiles {
  return Object.fromEntries(Object.entries(files).filter(([role]) => !roles.includes(role)));
}

function flipped(bytes: Uint8Array | undefined, bit: number): Uint8Array<ArrayBuffer> {
  const copy = new Uint8Array(bytes ?? []);
  copy[bit >> 3] = (copy[bit >> 3] ?? 0) ^ (1 << (bit & 7));
  return copy;
}

const SNP_CASE = 'trustee-az-snp-v0';
const TDX_CASE = 'trustee-az-tdx-v0';
const ABSENT = 'the shared vectors are absent';

test('all genuine evidence of the shared vectors gets the verdict that its manifest expects [D-39]', async (t) => {
  const cases = vectorCases('azure-cvm', 'amd-sev');
  if (cases === null) return t.skip(ABSENT);
  assert.ok(cases.length > 0);
  for (const { id, files, at, expect } of cases) {
    const verdict = await azureEvidence(files, { at, anchors: VENDOR_ANCHORS });
    assert.equal(verdict.authentic, expect.authentic, `${id}: ${verdict.summary}`);
    assert.equal(verdict.acceptable, expect.acceptable, `${id}: ${verdict.summary}`);
  }
});

test('nothing supplied is not authentic [D-39]', async () => {
  const verdict = await azureEvidence({}, { at: 0, anchors: VENDOR_ANCHORS });
  assert.deepEqual([verdict.authentic, verdict.acceptable], [false, false]);
});

test('without the quote of the virtual TPM nothing is authentic, whatever the processor signed [D-39]', async (t) => {
  const found = genuine(SNP_CASE);
  if (found === null) return t.skip(ABSENT);
  const { files, at, anchors } = found;
  for (const roles of [['attest'], ['signature', 'signature_raw'], ['attest', 'signature', 'signature_raw']]) {
    const verdict = await azureEvidence(without(files, ...roles), { at, anchors });
    assert.equal(verdict.authentic, false);
    assert.equal(checkOf(verdict, 'azure-cvm.quote').outcome, 'not checked');
  }
});

test('without the report of the processor, or its runtime data, nothing is authentic [D-41]', async (t) => {
  const found = genuine('cmcp-azure-cvm-2026-07-20');
  if (found === null) return t.skip(ABSENT);
  const { files, at, anchors } = found;
  for (const role of ['report', 'runtime_data', 'vcek', 'chain']) {
    assert.equal((await azureEvidence(without(files, role), { at, anchors })).authentic, false, role);
  }
});

test('the challenge is asked of the quote alone: the report of the processor holds what the paravisor put there', async (t) => {
  const found = genuine('cmcp-azure-cvm-2026-07-20');
  if (found === null) return t.skip(ABSENT);
  const { files, at, anchors } = found;
  const nonce = new Uint8Array(32);
  for (const supplied of [files, without(files, 'runtime_data')]) {
    const { checks } = await azureEvidence(supplied, { at, anchors, nonce, userData: nonce });
    assert.ok(!checks.some(({ id }) => id === 'sev-snp.nonce'));
    assert.notEqual(checks.find(({ id }) => id === 'sev-snp.report_data')?.outcome, 'failed');
  }
});

test('the virtual TPM of another machine is not that of this one', async (t) => {
  const [one, other] = [genuine(SNP_CASE), genuine('cmcp-azure-cvm-2026-07-20')];
  if (one === null || other === null) return t.skip(ABSENT);
  const { runtime_data, attest, signature } = other.files as Record<string, Uint8Array<ArrayBuffer>>;
  const swapped = {
    ...without(one.files, 'hcl_report', 'pcrs', 'nonce'),
    runtime_data,
    attest,
    signature,
  } as EvidenceFiles;
  const verdict = await azureEvidence(swapped, { at: one.at, anchors: one.anchors });
  assert.equal(verdict.authentic, false);
  assert.equal(checkOf(verdict, 'azure-cvm.runtime_data').outcome, 'failed');
  assert.equal(checkOf(verdict, 'azure-cvm.signature').outcome, 'proven');
});

test('a TDREPORT is no evidence away from its machine: only the TD quote is [D-42]', async (t) => {
  const found = genuine(TDX_CASE);
  if (found === null) return t.skip(ABSENT);
  const { files, at, anchors } = found;
  const whole = await azureEvidence(files, { at, anchors });
  assert.deepEqual([whole.authentic, checkOf(whole, 'azure-cvm.td_report').outcome], [true, 'not checked']);
  const verdict = await azureEvidence(without(files, 'quote'), { at, anchors });
  assert.equal(verdict.authentic, false);
});

test('report and runtime data must be those in the report of the paravisor, where both are supplied', async (t) => {
  const found = genuine(SNP_CASE);
  if (found === null) return t.skip(ABSENT);
  const { files, at, anchors } = found;
  const parts = await azureEvidence(without(files, 'report', 'runtime_data'), { at, anchors });
  assert.deepEqual([parts.authentic, parts.acceptable], [true, true], parts.summary);
  assert.equal(checkOf(await azureEvidence(files, { at, anchors }), 'azure-cvm.parts').outcome, 'proven');
  for (const at8 of [0x20 * 8, 1236 * 8 + 3]) {
    const verdict = await azureEvidence({ ...files, hcl_report: flipped(files.hcl_report, at8) }, { at, anchors });
    assert.equal(verdict.authentic, false);
    assert.equal(checkOf(verdict, 'azure-cvm.parts').outcome, 'failed');
  }
});

test('a report of the paravisor that has not its form is refused', async (t) => {
  const found = genuine(SNP_CASE);
  if (found === null) return t.skip(ABSENT);
  const { files, at, anchors } = found;
  const hcl = new Uint8Array(files.hcl_report ?? []);
  const changed = (offset: number, value: number) => Uint8Array.from(hcl, (byte, i) => (i === offset ? value : byte));
  for (const [hcl_report, said] of [
    [changed(0, 0), /HCLA/],
    [changed(1216, 0), /sizes/],
    [changed(1224, 3), /report type 3/],
    [changed(1228, 2), /hash 2/],
    [changed(1232, 0xff), /sizes/],
    [changed(hcl.length - 1, 1), /not zero/],
    [hcl.slice(0, 1300), /needs/],
  ] as const) {
    const verdict = await azureEvidence({ ...files, hcl_report }, { at, anchors });
    assert.equal(verdict.authentic, false);
    assert.match(verdict.summary, said);
  }
});

test('runtime data must name one RSA attestation key', async (t) => {
  const found = genuine(SNP_CASE);
  if (found === null) return t.skip(ABSENT);
  const { files, at, anchors } = found;
  const { runtime_data, ...rest } = without(files, 'hcl_report') as Record<string, Uint8Array<ArrayBuffer>>;
  const text = new TextDecoder().decode(runtime_data);
  for (const [altered, said] of [
    [text.replace('HCLAkPub', 'HCLBkPub'), /names no attestation key/],
    [text.replace('HCLEkPub', 'HCLAkPub'), /twice/],
    [text.replace('"RSA"', '"EC"'), /type/],
    [text.replace('AQAB', 'AQAC'), /exponent/],
    [text.replace('"keys"', '"kees"'), /no member keys/],
    [text.slice(1), /JSON/],
  ] as const) {
    const verdict = await azureEvidence({ ...rest, runtime_data: new TextEncoder().encode(altered) } as EvidenceFiles, {
      at,
      anchors,
    });
    assert.equal(verdict.authentic, false);
    assert.match(verdict.summary, said);
  }
});

test('a challenge is answered by itself or its SHA-256; another one is a replay [W-01]', async (t) => {
  const found = genuine('cmcp-azure-cvm-2026-07-20');
  if (found === null) return t.skip(ABSENT);
  const { files, at, anchors } = found;
  const nonce = new Uint8Array(Buffer.from(new TextDecoder().decode(files.nonce).trim(), 'hex'));
  const own = without(files, 'nonce');
  for (const given of [
    { nonce },
    { userData: nonce },
    { nonce: new Uint8Array(createHash('sha256').update(nonce).digest()) },
  ]) {
    assert.equal((await azureEvidence(own, { at, anchors, ...given })).acceptable, true);
  }
  const verdict = await azureEvidence(own, { at, anchors, nonce: flipped(nonce, 5) });
  assert.deepEqual([verdict.authentic, verdict.acceptable], [true, false]);
});

test('the measurement is that of the processor, not of the virtual TPM [W-02]', async (t) => {
  const found = genuine(SNP_CASE);
  if (found === null) return t.skip(ABSENT);
  const { files, at, anchors } = found;
  const { facts } = await azureEvidence(files, { at, anchors });
  const measurement = String(facts.measurement);
  assert.match(measurement, /^sha384:[0-9a-f]{96}$/);
  assert.equal((await azureEvidence(files, { at, anchors, measurement })).acceptable, true);
  const other = `${measurement.slice(0, -1)}${measurement.endsWith('0') ? '1' : '0'}`;
  const verdict = await azureEvidence(files, { at, anchors, measurement: other });
  assert.deepEqual([verdict.authentic, verdict.acceptable], [true, false]);
});

test('PCR values must be the quoted ones', async (t) => {
  const found = genuine(SNP_CASE);
  if (found === null) return t.skip(ABSENT);
  const { files, at, anchors } = found;
  const text = new TextDecoder().decode(files.pcrs);
  const pcrs = new TextEncoder().encode(text.replace(/"4": "../, '"4": "00'));
  const verdict = await azureEvidence({ ...files, pcrs }, { at, anchors });
  assert.equal(verdict.authentic, false);
  assert.equal(checkOf(verdict, 'azure-cvm.pcr_digest').outcome, 'failed');
});

test('a key that comes beside the runtime data must be the one in it, and is no pin', async (t) => {
  const [found, other] = [genuine('cmcp-azure-cvm-2026-07-20'), genuine(SNP_CASE)];
  if (found === null || other === null) return t.skip(ABSENT);
  const { files, at, anchors } = found;
  assert.equal(checkOf(await azureEvidence(files, { at, anchors }), 'azure-cvm.ak').outcome, 'proven');
  const verdict = await azureEvidence({ ...other.files, ak: files.ak } as EvidenceFiles, { at: other.at, anchors });
  assert.equal(verdict.authentic, false);
  assert.equal(checkOf(verdict, 'azure-cvm.ak').outcome, 'failed');
  assert.equal((await azureEvidence(without(files, 'vcek'), { at, anchors })).root, null);
});

/** The evidence JSON of a claim, from the genuine files. */
function evidenceJson(files: EvidenceFiles): Record<string, unknown> {
  const base64 = (bytes: Uint8Array | undefined) => Buffer.from(bytes ?? []).toString('base64');
  const leaf = `-----BEGIN CERTIFICATE-----\n${base64(files.vcek)}\n-----END CERTIFICATE-----\n`;
  return {
    v: 1,
    snp_report: base64(files.report),
    runtime_data: base64(files.runtime_data),
    quote_msg: base64(files.attest),
    quote_sig: base64(files.signature),
    vcek_chain_pem: base64(Buffer.from(leaf + new TextDecoder().decode(files.chain))),
    ak_pub_pem: new TextDecoder().decode(files.ak),
  };
}

test('the evidence JSON of a claim is read as its parts are', async (t) => {
  const found = genuine('cmcp-azure-cvm-2026-07-20');
  if (found === null) return t.skip(ABSENT);
  const { files, at, anchors } = found;
  const nonce = files.nonce ?? new Uint8Array();
  const json = evidenceJson(files);
  const judge = (content: unknown, more: EvidenceFiles = {}) =>
    azureEvidence({ nonce, evidence: new TextEncoder().encode(JSON.stringify(content)), ...more }, { at, anchors });
  const verdict = await judge(json);
  assert.deepEqual([verdict.authentic, verdict.acceptable], [true, true], verdict.summary);
  for (const [content, said] of [
    [{ ...json, v: 2 }, /version 1/],
    [{ ...json, snp_report: 1 }, /no text snp_report/],
    [{ ...json, quote_msg: '*' }, /quote_msg/],
    [{ ...json, vcek_chain_pem: '' }, /PEM|certificate/],
    [[], /JSON object/],
  ] as const) {
    const refused = await judge(content);
    assert.equal(refused.authentic, false);
    assert.match(refused.summary, said);
  }
  const twice = await judge(json, { report: files.report ?? new Uint8Array() });
  assert.match(twice.summary, /report is supplied twice/);
});

test('every single bit of the runtime data counts', async (t) => {
  const found = genuine(SNP_CASE);
  if (found === null) return t.skip(ABSENT);
  const { at, anchors } = found;
  const files = without(found.files, 'hcl_report');
  const { report_data } = (await azureEvidence(files, { at, anchors })).facts;
  const bound = (runtime_data: Uint8Array<ArrayBuffer>) => {
    const parts = reading(() => partsOf({ ...files, runtime_data }));
    return parts.value !== null && bindingChecks(parts.value, report_data)[0]?.outcome === 'proven';
  };
  const { runtime_data = new Uint8Array() } = files;
  assert.ok(bound(runtime_data));
  for (let bit = 0; bit < runtime_data.length * 8; bit++) assert.ok(!bound(flipped(runtime_data, bit)), `bit ${bit}`);
});

test('every single bit of the quote of the virtual TPM and of its signature counts', async (t) => {
  const found = genuine(SNP_CASE);
  if (found === null) return t.skip(ABSENT);
  const { at, anchors } = found;
  // Without its certificate the report is not verified again for every bit; what is looked at here does not depend on it.
  const files = without(found.files, 'hcl_report', 'vcek', 'chain', 'signature_raw');
  for (const role of ['attest', 'signature'] as const) {
    for (let bit = 0; bit < (files[role]?.length ?? 0) * 8; bit++) {
      const { checks } = await azureEvidence({ ...files, [role]: flipped(files[role], bit) }, { at, anchors });
      const signed = checks.find(({ id }) => id === 'azure-cvm.signature');
      assert.notEqual(signed?.outcome, 'proven', `${role}, bit ${bit}`);
    }
  }
});

test('any bytes in any role give a verdict', async (t) => {
  const roles = [
    'hcl_report',
    'report',
    'runtime_data',
    'vcek',
    'chain',
    'quote',
    'attest',
    'signature',
    'ak',
    'pcrs',
    'evidence',
  ];
  const file = fc.tuple(fc.constantFrom(...roles), fc.uint8Array({ maxLength: 1500 }));
  await fc.assert(
    fc.asyncProperty(fc.array(file, { maxLength: 5 }), async (files) => {
      const supplied = Object.fromEntries(files.map(([role, bytes]) => [role, new Uint8Array(bytes)]));
      assert.equal((await azureEvidence(supplied, { at: 0, anchors: VENDOR_ANCHORS })).authentic, false);
    }),
    { numRuns: 100 },
  );
  for (const id of [SNP_CASE, TDX_CASE]) {
    const found = genuine(id);
    if (found === null) return t.skip(ABSENT);
    const { files, at, anchors } = found;
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...Object.keys(files)),
        fc.nat(),
        fc.nat(255),
        fc.nat(),
        async (role, where, value, cut) => {
          const changed = new Uint8Array(files[role] ?? []);
          if (changed.length > 0) changed[where % changed.length] = value;
          await azureEvidence({ ...files, [role]: changed }, { at, anchors });
          await azureEvidence({ ...files, [role]: changed.slice(0, cut % (changed.length + 1)) }, { at, anchors });
        },
      ),
      { numRuns: 60 },
    );
  }
});

test('user data and what cannot be read are asked of the quote, and take nothing from who signed', async (t) => {
  const found = genuine('cmcp-azure-cvm-2026-07-20');
  if (found === null) return t.skip(ABSENT);
  const { files, at, anchors } = found;
  const judge = (more: EvidenceFiles) => azureEvidence({ ...files, ...more }, { at, anchors });
  assert.equal((await judge({ report_data: files.nonce ?? new Uint8Array() })).acceptable, true);
  const junk = new TextEncoder().encode('zz');
  for (const more of [{ report_data: new TextEncoder().encode('00') }, { report_data: junk }, { nonce: junk }]) {
    const verdict = await judge(more);
    assert.deepEqual([verdict.authentic, verdict.acceptable], [true, false]);
    assert.equal(checkOf(verdict, 'azure-cvm.extra_data').outcome, 'failed');
  }
});
