import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import { givenAnchor, readCertificates, verifyEvidence } from '@cmcp/evidence';
import { testRequest } from '../../../../../tests/support/enrolment-request.ts';
import { issueCertificate, newKeyPair, type TestKeyKind } from '../../../../evidence/src/testing/pki.ts';
import { GatewayError } from '../../errors.ts';
import { issueAkCertificate } from './ak-certificate.ts';
import { createCa, readCa } from './ca.ts';

const AT = Date.UTC(2026, 5, 1) / 1000;
const DAY = 86_400;
const SWTPM = { manufacturer: 'id:00001014', model: 'swtpm', version: 'id:20191023' };
const CHIP = { manufacturer: 'id:49465800', model: 'SLB9670', version: 'id:0755' };

const utf8 = (text: string) => new TextEncoder().encode(text);

function refuses(work: Promise<unknown>, said: RegExp): Promise<void> {
  return assert.rejects(
    work,
    (error) => error instanceof GatewayError && error.code === 'ENROLMENT_REFUSED' && said.test(error.detail),
    `${said} was expected`,
  );
}

const made = createCa('Test enroller', { from: AT, days: 3650 });

async function enrolled(device = SWTPM) {
  const { request } = await testRequest();
  const { certificate, key } = await made;
  const ca = await readCa(utf8(certificate), utf8(key));
  const subject = { machine: 'node-1', attestationKey: request.attestationKey, device };
  const pem = await issueAkCertificate(ca, subject, { from: AT, days: 365 });
  return { pem, ca, subject };
}

async function pkcs8Of(keys: Awaited<ReturnType<typeof newKeyPair>>): Promise<Uint8Array<ArrayBuffer>> {
  const der = await crypto.subtle.exportKey('pkcs8', keys.privateKey);
  return utf8(`-----BEGIN PRIVATE KEY-----\n${Buffer.from(der).toString('base64')}\n-----END PRIVATE KEY-----\n`);
}

test('an enroller is a CA on P-256 that may certify keys, and no other CAs', async () => {
  const [certificate, ...more] = readCertificates(utf8((await made).certificate));
  assert.deepEqual(more, []);
  assert.equal(certificate?.subject.text, 'CN=Test enroller');
  assert.deepEqual([certificate.ca, certificate.pathLength], [true, 0]);
  assert.deepEqual([...(certificate.keyUsage ?? [])], ['keyCertSign', 'cRLSign']);
  assert.ok(certificate.key.kind === 'ec' && certificate.key.curve === 'P-256');
  assert.deepEqual([certificate.notBefore, certificate.notAfter], [AT, AT + 3650 * DAY]);
  const another = readCertificates(utf8((await createCa('Test enroller', { from: AT, days: 1 })).certificate));
  assert.notEqual(another[0]?.serial, certificate.serial);
});

test('the certificate of an attestation key is for attestation and nothing else, and names the TPM', async () => {
  const { pem } = await enrolled();
  const [leaf, issuer] = readCertificates(utf8(pem));
  assert.ok(leaf !== undefined && issuer !== undefined);
  assert.deepEqual([leaf.subject.text, leaf.issuer.text], ['CN=node-1', 'CN=Test enroller']);
  assert.deepEqual(
    [leaf.ca, [...(leaf.keyUsage ?? [])], leaf.extendedKeyUsage],
    [false, ['digitalSignature'], ['2.23.133.8.3']],
  );
  assert.deepEqual([leaf.notBefore, leaf.notAfter], [AT, AT + 365 * DAY]);
  assert.match(leaf.serial, /^[4-7][0-9a-f]{31}$/);
});

for (const [device, assurance] of [
  [SWTPM, 'software-tpm'],
  [CHIP, 'unknown'],
  [{ ...CHIP, model: 'swtpm' }, 'software-tpm'],
] as const) {
  test(`a verifier that trusts the enroller takes a ${device.model} (${device.manufacturer}) for ${assurance}`, async () => {
    const { pem, ca } = await enrolled(device);
    const cert_chain = utf8(pem);
    const anchors = [givenAnchor(ca.certificate, ['tpm'])];
    const verdict = await verifyEvidence('tpm', { cert_chain }, { at: AT, anchors });
    assert.equal(verdict.authentic, true, verdict.summary);
    assert.deepEqual([verdict.root?.source, verdict.root?.assurance], ['operator', assurance]);
    assert.deepEqual([verdict.facts.certificate, verdict.facts.manufacturer], ['AK', device.manufacturer]);
    assert.equal((await verifyEvidence('tpm', { cert_chain }, { at: AT + 366 * DAY, anchors })).authentic, false);
    assert.equal((await verifyEvidence('tpm', { cert_chain }, { at: AT, anchors: [] })).authentic, false);
  });
}

test('an enroller may be any CA with a key on P-256 or P-384, also one that another CA certified', async () => {
  const root = await issueCertificate({ subject: 'CN=root', keys: await newKeyPair('p256'), ca: true });
  for (const kind of ['p256', 'p384'] as const) {
    const keys = await newKeyPair(kind);
    const issuer = await issueCertificate({ subject: 'CN=issuing, O=Test', keys, issuer: root, ca: true });
    const ca = await readCa(utf8(issuer.pem + root.pem), await pkcs8Of(keys));
    const { subject } = await enrolled();
    const pem = await issueAkCertificate(ca, subject, { from: AT, days: 30 });
    assert.equal(readCertificates(utf8(pem)).length, 3);
    const anchors = [givenAnchor(root.certificate, ['tpm'])];
    assert.equal((await verifyEvidence('tpm', { cert_chain: utf8(pem) }, { at: AT, anchors })).authentic, true);
  }
});

test('the enroller is named by its own identifier of its key, where it has one', async () => {
  const { subject } = await enrolled();
  const keys = await newKeyPair('p256');
  const named = { oid: '2.5.29.14', critical: false, value: Uint8Array.of(4, 3, 1, 2, 3) };
  for (const extensions of [[named], []]) {
    const issuer = await issueCertificate({ subject: 'CN=own', keys, ca: true, extensions });
    const ca = await readCa(utf8(issuer.pem), await pkcs8Of(keys));
    const [leaf] = readCertificates(utf8(await issueAkCertificate(ca, subject, { from: AT, days: 1 })));
    const identifier = leaf?.extensions.get('2.5.29.35')?.value ?? assert.fail();
    const own = Uint8Array.of(0x30, 5, 0x80, 3, 1, 2, 3);
    assert.equal(identifier.join() === own.join(), extensions.length > 0);
  }
});

test('a CA whose parts do not belong together, or cannot be used, is refused', async () => {
  const { certificate, key } = await made;
  const other = await createCa('Other', { from: AT, days: 1 });
  await refuses(readCa(utf8(certificate), utf8(other.key)), /not that of the CA certificate/);
  await refuses(readCa(utf8('nothing'), utf8(key)), /CA certificate cannot be read/);
  await refuses(readCa(utf8(certificate), utf8('nothing')), /CA key cannot be read/);
  await refuses(readCa(utf8(certificate), utf8(certificate)), /CA key cannot be read/);
  const encrypted = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({
    type: 'pkcs8',
    format: 'pem',
    cipher: 'aes-128-cbc',
    passphrase: 'x',
  });
  await refuses(readCa(utf8(certificate), utf8(String(encrypted))), /not encrypted/);
  const rsa: TestKeyKind = 'rsa2048-pkcs1';
  const keys = await newKeyPair(rsa);
  const issuer = await issueCertificate({ subject: 'CN=RSA', keys, ca: true });
  await refuses(readCa(utf8(issuer.pem), await pkcs8Of(keys)), /another kind than ECDSA/);
});

test('a certificate that no verifier would accept is not issued', async () => {
  const { ca, subject } = await enrolled();
  const validity = { from: AT, days: 365 };
  await refuses(issueAkCertificate(ca, subject, { from: AT + 3600 * DAY, days: 51 }), /valid for 50 more days/);
  await issueAkCertificate(ca, subject, { from: AT + 3600 * DAY, days: 50 });
  for (const usual of [
    { ca: false },
    { ca: true, keyUsage: ['digitalSignature'] },
    { ca: true, notBefore: AT + 1 },
  ] as const) {
    const keys = await newKeyPair('p256');
    const bad = await issueCertificate({ subject: 'CN=bad', keys, ...usual });
    const issuer = await readCa(utf8(bad.pem), await pkcs8Of(keys));
    await refuses(issueAkCertificate(issuer, subject, validity), /no verifier would accept/);
  }
  const { request } = await testRequest({ attributes: 0x00040072 });
  await refuses(issueAkCertificate(ca, { ...subject, attestationKey: request.attestationKey }, validity), /restricted/);
  await refuses(issueAkCertificate(ca, { ...subject, attestationKey: new Uint8Array(5) }, validity), /cannot be read/);
});
