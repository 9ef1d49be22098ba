import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeUtf8 } from '../../bytes/utf8.ts';
import { issueCertificate, newKeyPair, testAnchor } from '../../testing/pki.ts';
import { makeTdx, pemChain, TDX_AT, TDX_PLATFORM, type TdxOptions } from '../../testing/tdx.ts';
import { type CertificateChanges, makeTdxPki } from '../../testing/tdx-pki.ts';
import { filled, joinBytes, writeQuote } from '../../testing/tdx-quote.ts';
import type { EvidenceFiles } from '../given.ts';
import type { EvidenceVerdict } from '../verdict.ts';
import { tdxEvidence } from './evidence.ts';

const PKI = await makeTdxPki(TDX_PLATFORM);
const ANCHOR = testAnchor(PKI.root, 'intel-sgx');

function judge(files: EvidenceFiles, at = TDX_AT): Promise<EvidenceVerdict> {
  return tdxEvidence(files, { at, anchors: [ANCHOR] });
}

/** The one check that fails, and the only one of those on authenticity: the others hold. */
async function assertOnly(verdict: EvidenceVerdict, id: string, message: RegExp): Promise<void> {
  assert.deepEqual([verdict.authentic, verdict.acceptable], [false, false]);
  const failed = verdict.checks.filter(({ about, outcome }) => about === 'authentic' && outcome === 'failed');
  assert.deepEqual(
    failed.map((check) => check.id),
    [id],
  );
  assert.match(failed[0]?.detail ?? '', message);
}

async function withCertificates(changes: Partial<Record<'ca' | 'pck', CertificateChanges>>): Promise<EvidenceVerdict> {
  const pki = await makeTdxPki(TDX_PLATFORM, changes);
  const { files, root, at } = await makeTdx({ pki });
  return tdxEvidence(files, { at, anchors: [root] });
}

test('a quote without any PCK chain is not authentic, and it is said what is lacking', async () => {
  const { files } = await makeTdx({ pki: PKI, chain: 'beside' });
  const { pck_chain: _, ...rest } = files;
  const verdict = await judge(rest);
  assert.deepEqual([verdict.authentic, verdict.acceptable, verdict.root], [false, false, null]);
  const check = verdict.checks.find(({ id }) => id === 'tdx.pck_chain');
  assert.deepEqual([check?.outcome, check?.remedy], ['not checked', 'the file of role pck_chain']);
});

test('a PCK chain that is no chain of certificates is refused', async () => {
  const { files } = await makeTdx({ pki: PKI, chain: 'beside' });
  await assertOnly(await judge({ ...files, pck_chain: filled(100, 0x30) }), 'tdx.pck_chain', /PEM/);
});

test('evidence that is all signed again with fresh keys is refused: its root only has the name of the pinned one', async () => {
  const { files } = await makeTdx();
  await assertOnly(await judge(files), 'tdx.pck_chain', /SGX Root CA/);
});

test('only a PCK certificate of an Intel PCK CA vouches for a platform', async () => {
  await assertOnly(await withCertificates({ pck: { sgx: null } }), 'tdx.pck_chain', /none .* is a PCK certificate/);
  await assertOnly(await withCertificates({ pck: { sgx: Uint8Array.of(0x30, 0) } }), 'tdx.pck_chain', /missing/);
  const tcbSigning = { commonName: 'Intel SGX TCB Signing' };
  await assertOnly(await withCertificates({ pck: tcbSigning }), 'tdx.pck_chain', /no PCK certificate/);
  await assertOnly(await withCertificates({ ca: { commonName: 'Other CA' } }), 'tdx.pck_chain', /no PCK certificate/);
  assert.equal((await withCertificates({ ca: { commonName: 'Intel SGX PCK Processor CA' } })).acceptable, true);
  await assertOnly(await withCertificates({ pck: { issuer: 'root' } }), 'tdx.pck_chain', /leaf, CA and root/);
  await assertOnly(await withCertificates({ ca: { ca: false } }), 'tdx.pck_chain', /CA|issue/);
});

test('a PCK CA that the root did not certify itself is refused', async () => {
  const named = { keys: await newKeyPair('p256'), ca: true, keyUsage: ['keyCertSign', 'cRLSign'] as const };
  const between = await issueCertificate({ ...named, subject: 'CN=Between', issuer: PKI.root });
  const subject = PKI.ca.certificate.subject.text;
  const ca = await issueCertificate({ ...named, keys: PKI.ca.keys, subject, issuer: between });
  const { files } = await makeTdx({ pki: { ...PKI, ca }, chain: 'beside' });
  const pck_chain = encodeUtf8(pemChain(PKI.pck, ca, between, PKI.root));
  await assertOnly(await judge({ ...files, pck_chain }), 'tdx.pck_chain', /leaf, CA and root/);
});

test('a platform whose key is not on P-256, or a chain with a signature over SHA-1, is refused', async () => {
  const pki = await makeTdxPki(TDX_PLATFORM, { pck: { keys: 'p384' } });
  const signedOnP256 = { ...pki, pck: { ...pki.pck, keys: PKI.pck.keys } };
  const { files, root, at } = await makeTdx({ pki: signedOnP256 });
  await assertOnly(await tdxEvidence(files, { at, anchors: [root] }), 'tdx.qe_report', /did not sign/);
  await assertOnly(await withCertificates({ ca: { keys: 'rsa2048-sha1' } }), 'tdx.pck_chain', /SHA-1/);
});

test('the PCK chain is valid at the time of the relying party', async () => {
  await assertOnly(await withCertificates({ pck: { notAfter: TDX_AT - 1 } }), 'tdx.pck_chain', /expired/);
  await assertOnly(await withCertificates({ ca: { notBefore: TDX_AT + 1 } }), 'tdx.pck_chain', /not yet valid/);
});

test('a quoting enclave that another platform signed is refused', async () => {
  const other = await newKeyPair('p256');
  const pki = { ...PKI, pck: { ...PKI.pck, keys: other } };
  await assertOnly(await judge((await makeTdx({ pki })).files), 'tdx.qe_report', /did not sign/);
});

test('an attestation key that the quoting enclave does not name is refused', async () => {
  const named = async (changes: TdxOptions) => judge((await makeTdx({ pki: PKI, ...changes })).files);
  await assertOnly(await named({ qe: { reportData: filled(64, 1) } }), 'tdx.qe_binding', /another attestation key/);
  const { files } = await makeTdx({ pki: PKI, authData: filled(32, 1) });
  const quote = files.quote as Uint8Array<ArrayBuffer>;
  const authData = 632 + 4 + 128 + 6 + 448 + 2;
  quote[authData] = 2;
  await assertOnly(await judge(files), 'tdx.qe_binding', /another attestation key/);
  assert.equal((await named({ authData: new Uint8Array() })).authentic, true);
  assert.equal((await named({ authData: new Uint8Array(65_535) })).authentic, true);
});

test('the hash of the attestation key is followed by zeros', async () => {
  const { files } = await makeTdx({ pki: PKI, attestationKey: await newKeyPair('p256') });
  const quote = (files.quote as Uint8Array<ArrayBuffer>).slice();
  const report = quote.slice(632 + 4 + 128 + 6, 632 + 4 + 128 + 6 + 384);
  report[383] = 1;
  const again = joinBytes(quote.slice(0, 632 + 4 + 128 + 6), report, await PKI.pck.keys.sign(report));
  await assertOnly(
    await judge({ ...files, quote: joinBytes(again, quote.slice(again.length)) }),
    'tdx.qe_binding',
    /./,
  );
});

test('a quote that the attestation key did not sign is refused, also with a key that is no point of the curve', async () => {
  const [key, other] = [await newKeyPair('p256'), await newKeyPair('p256')];
  const signedByOther = { spki: key.spki, sign: other.sign };
  const verdict = await judge((await makeTdx({ pki: PKI, attestationKey: signedByOther })).files);
  await assertOnly(verdict, 'tdx.signature', /did not sign/);
  const noPoint = { spki: filled(64, 1), sign: other.sign };
  await assertOnly(
    await judge((await makeTdx({ pki: PKI, attestationKey: noPoint })).files),
    'tdx.signature',
    /did not sign/,
  );
});

test('the guest of one quote under the signature data of another is refused', async () => {
  const keys = { attestationKey: await newKeyPair('p256'), pki: PKI };
  const [mine, theirs] = [await makeTdx({ ...keys, reportData: filled(64, 1) }), await makeTdx(keys)];
  const spliced = joinBytes(
    (mine.files.quote ?? new Uint8Array()).slice(0, 632),
    (theirs.files.quote ?? new Uint8Array()).slice(632),
  );
  await assertOnly(await judge({ ...mine.files, quote: spliced }), 'tdx.signature', /did not sign/);
});

test('the quoting enclave of a genuine quote does not vouch for a key of someone else', async () => {
  const mine = await newKeyPair('p256');
  const { files } = await makeTdx({ pki: PKI });
  const genuine = files.quote ?? new Uint8Array();
  const certificates = genuine.slice(632 + 4 + 128 + 6);
  const forged = await writeQuote({
    version: 4,
    tdx15: false,
    certificates: new Uint8Array(),
    attestationKey: mine,
    pck: mine,
  });
  const quote = joinBytes(forged.slice(0, 632 + 4 + 128 + 6), certificates);
  const view = new DataView(quote.buffer);
  view.setUint32(632, quote.length - 636, true);
  view.setUint32(632 + 4 + 128 + 2, certificates.length, true);
  await assertOnly(await judge({ ...files, quote }), 'tdx.qe_binding', /another attestation key/);
});
