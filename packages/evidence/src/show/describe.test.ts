import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import fc from 'fast-check';
import { encodeBase64Url } from '../bytes/base64url.ts';
import { encodeUtf8 } from '../bytes/utf8.ts';
import { writeEventLog } from '../testing/event-log.ts';
import { makeToken, signSpdm, spdmReport } from '../testing/gpu.ts';
import { ed25519Signer, signCose, versionTwo } from '../testing/manifest.ts';
import { issueCertificate, issueCrl, newKeyPair } from '../testing/pki.ts';
import { makeSession, newKey } from '../testing/session.ts';
import { makeSnp } from '../testing/snp.ts';
import { makeTdx } from '../testing/tdx.ts';
import { makeTpm } from '../testing/tpm.ts';
import { describeFile } from './describe.ts';
import { eventTypeText } from './event-type.ts';
import { treeLines } from './tree.ts';

type Bytes = Uint8Array<ArrayBuffer>;
const joined = (...parts: Uint8Array[]): Bytes => Uint8Array.from(parts.flatMap((part) => [...part]));
const u32le = (...values: number[]): Bytes =>
  Uint8Array.from(values.flatMap((value) => [0, 8, 16, 24].map((shift) => (value >>> shift) & 0xff)));
const lines = (bytes: Bytes): string => treeLines(describeFile(bytes).tree).join('\n');

/** One file of each form, with the kind it has to be called and what has to be among its lines. */
const FILES: [kind: string, bytes: Bytes, shown: RegExp][] = [];

before(async () => {
  const keys = await newKeyPair('p384');
  const root = await issueCertificate({ subject: 'CN=shown root', keys, ca: true });
  const crl = await issueCrl({ issuer: root, revoked: ['2a'] });
  const snp = await makeSnp({ measurement: new Uint8Array(48).fill(0x5a) });
  const runtime = encodeUtf8('{}');
  const hcl = joined(encodeUtf8('HCLA'), new Uint8Array(28), snp.files.report, u32le(22, 1, 2, 1, 2), runtime);
  const tpm = await makeTpm();
  const quote = tpm.quote(new Uint8Array(32).fill(0xee), 'sha256:0,1');
  const sized = tpm.quote(new Uint8Array(32), 'sha256:0', {}, { sized: true });
  const tdx = (await makeTdx()).files.quote ?? new Uint8Array();
  const gpu = await signSpdm(spdmReport({}), keys);
  const tdReport = new Uint8Array(1024);
  tdReport[0] = 0x81;
  tdReport.fill(0xcc, 0x210, 0x240);
  const zeros = { sha256: new Uint8Array(32) };
  const log = writeEventLog(['sha256'], [{ index: 4, digests: zeros, data: encodeUtf8('x') }]);
  const manifest = await signCose(versionTwo(), await ed25519Signer());
  const pem = (label: string, der: Uint8Array): Bytes =>
    encodeUtf8(`-----BEGIN ${label}-----\n${Buffer.from(der).toString('base64')}\n-----END ${label}-----\n`);
  const sgx = new Uint8Array(436);
  sgx.set([3, 0, 2, 0]);
  const session = await makeSession(await newKey());
  const entries = encodeUtf8(`${session.bundle.entries.map((entry) => JSON.stringify(entry)).join('\n')}\n`);
  FILES.push(
    ['certificates (PEM)', encodeUtf8(root.pem), /shown root/],
    ['public key (PEM)', pem('PUBLIC KEY', keys.spki), /curve: P-384/],
    ['certificate revocation list (PEM)', pem('X509 CRL', crl), /2a/],
    ['PEM blocks', pem('TSS2 PRIVATE KEY', Uint8Array.of(9)), /label: TSS2 PRIVATE KEY\n.*der: 09/],
    ['hexadecimal text', encodeUtf8(' 00\r\naB'), /length: 2 bytes\n.*bytes: 00ab/],
    ['SGX quote, which is not TDX evidence', sgx, /version: 3\n.*teeType: SGX/],
    ['JSON, an object to a line', entries, /lines: 2\n {2}all\n {4}0\n[\s\S]*entry_type: session_end/],
    ['HCL report of an Azure confidential VM', hcl, /tee: sev-snp/],
    ['TPMS_ATTEST of a TPM 2.0', quote.attest, /eeee/],
    ['TPMS_ATTEST of a TPM 2.0', sized.attest, /extraData/],
    ['TDX quote', tdx, /mrTd/i],
    ['SEV-SNP attestation report', snp.files.report, /measurement: 5a5a/],
    ['SPDM measurements of an NVIDIA GPU', gpu, /aaaa/],
    ['TDREPORT, which shows nothing away from its machine', tdReport, /mrTd: cccc/],
    ['event log', log, /type: EV_/],
    ['Agent Manifest (COSE)', manifest, /spiffe/],
    ['certificate', root.der, /shown root/],
    ['certificate revocation list', crl, /2a/],
    ['TPMT_SIGNATURE of a TPM 2.0', quote.signature, /ecdsa/],
    ['TPMT_PUBLIC of a TPM 2.0', tpm.files.ak_public ?? new Uint8Array(), /restricted: yes/],
    ['JSON', encodeUtf8(' \t\r\n{"a": [true, null, 1.50]}'), /a\n {4}0: yes\n {4}1: \(none\)\n {4}2: 1\.50/],
    ['JSON', await makeToken(keys), /token header[\s\S]*alg: ES384[\s\S]*eat_nonce/],
  );
});

test('every form is called what it is, and shows what is in it', () => {
  for (const [kind, bytes, shown] of FILES) {
    assert.equal(describeFile(bytes).kind, kind);
    assert.match(lines(bytes), shown, kind);
  }
});

test('what only begins like a form is not called that, and why is said', () => {
  for (const [kind, bytes] of FILES) {
    const cut = bytes.slice(0, kind.startsWith('TDREPORT') ? 900 : Math.min(40, bytes.length - 1));
    const found = describeFile(cut);
    assert.notEqual(found.kind, kind);
    if (found.kind !== 'file of a form that is not known') continue;
    const text = lines(cut);
    assert.match(text, new RegExp(`size: ${cut.length} bytes`));
    assert.match(text, /first bytes: /);
  }
  assert.match(lines(encodeUtf8('{"a":')), /is not read as: JSON: .*character/);
  assert.match(lines(encodeUtf8('no evidence at all')), /size: 18 bytes\n {2}first bytes: 6e6f/);
  assert.match(lines(new Uint8Array()), /size: 0 bytes\n {2}first bytes: \(empty\)/);
});

test('of an unknown file no more than its first bytes are shown', () => {
  assert.match(lines(new Uint8Array(5000)), new RegExp(`first bytes: ${'00'.repeat(256)}$`));
});

test('a text that only looks like a token is shown as it is', () => {
  const part = (text: string): string => encodeBase64Url(encodeUtf8(text));
  const texts = [
    `${part('{"a":')}.${part('{}')}.AA`,
    `${part('{"a":1}')}.A.AA`,
    `${part('{"a":1}')}.${part('{}')}`,
    'eyJ',
  ];
  for (const text of texts) assert.match(lines(encodeUtf8(JSON.stringify([text]))), new RegExp(`0: ${text}$`));
  const nested = `${part('{"a":1}')}.${part(JSON.stringify({ inner: `${part('{"b":2}')}.${part('{"c":3}')}.` }))}.AA`;
  assert.match(lines(encodeUtf8(JSON.stringify([nested]))), /token claims[\s\S]*inner[\s\S]*c: 3/);
});

test('of evidence in a session file is shown what it is, and of what is in that no more', async () => {
  const [, quote = new Uint8Array()] = FILES.find(([kind]) => kind === 'TDX quote') ?? [];
  const session = { ...(await makeSession(await newKey())), evidence: [] };
  const item = (data: unknown) => ({ role: 'tdx/quote', media_type: 'x', data });
  const holding = (data: unknown): Bytes => encodeUtf8(JSON.stringify({ ...session, evidence: [item(data)] }));
  const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');
  assert.match(lines(holding(base64(quote))), /role: tdx\/quote\n.*\n +data\n +TDX quote\n[\s\S]*mrTd/);
  assert.match(lines(holding(base64(Uint8Array.of(7)))), /form that is not known\n +size: 1 bytes\n +first bytes: 07/);
  assert.match(lines(holding('no base64')), /data: no base64/);
  assert.match(lines(holding(7)), /data: 7/);
  assert.match(
    lines(encodeUtf8(JSON.stringify({ ...session, evidence: [1, null] }))),
    /evidence\n +0: 1\n +1: \(none\)/,
  );
  const twice = lines(holding(base64(holding(base64(quote)))));
  assert.match(twice, /data\n +JSON\n/);
  assert.doesNotMatch(twice, /TDX quote/);
});

test('a session file may be larger than other JSON', () => {
  const large = encodeUtf8(`{"format":"cmcp-session/1","pad":"${' '.repeat(17 * 1024 * 1024)}"}`);
  assert.equal(describeFile(large).kind, 'JSON');
});

test('of many lines the first hundred are shown, and one that is no strict object is named', () => {
  const many = lines(encodeUtf8('{"a":1}\n'.repeat(101)));
  assert.match(many, /lines: 101\n {2}the first 100\n[\s\S]* {4}99\n {6}a: 1$/);
  const reason = (text: string, why: RegExp) => assert.match(lines(encodeUtf8(text)), why);
  reason('{"a":1}\n{"a":1,"a":2}\n', /is not read as: JSON, an object to a line: line 2 is not strict JSON/);
  reason('{"a":1}\n{"a":1}\n[]\n', /line 3 is not an object/);
  reason('{"a":1}\n{"a":1}', /line 2 is not ended/);
});

test('a type of event is named where it has a name', () => {
  assert.equal(eventTypeText(0x80000008), 'EV_EFI_PLATFORM_FIRMWARE_BLOB (0x80000008)');
  assert.equal(eventTypeText(0x12345), '0x12345');
});

test('hexadecimal text is that up to 4 KiB, and only of whole bytes', () => {
  assert.equal(describeFile(encodeUtf8('ab'.repeat(2048))).kind, 'hexadecimal text');
  assert.notEqual(describeFile(encodeUtf8('ab'.repeat(2049))).kind, 'hexadecimal text');
  assert.match(lines(encodeUtf8('abc')), /is not read as: hexadecimal text: 3 digits are not whole bytes/);
});

test('any bytes, and any damage to a file of any form, give a description', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      assert.ok(describeFile(new Uint8Array(bytes)).tree.name.length > 0);
    }),
  );
  fc.assert(
    fc.property(fc.nat(), fc.nat(), fc.nat(255), fc.nat(), (which, at, value, length) => {
      const [, bytes = new Uint8Array()] = FILES[which % FILES.length] ?? [];
      const copy = bytes.slice(0, 1 + (length % bytes.length));
      copy[at % copy.length] = value;
      assert.ok(treeLines(describeFile(copy).tree).length > 0);
    }),
    { numRuns: 300 },
  );
});
