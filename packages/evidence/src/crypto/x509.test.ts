import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { decodeHex, encodeHex } from '../bytes/hex.ts';
import { encodeUtf8 } from '../bytes/utf8.ts';
import { FormatError } from '../format-error.ts';
import { issueCertificate, newKeyPair, type TestCertificate } from '../testing/pki.ts';
import { parseSignatureAlgorithm } from './algorithm.ts';
import { readDer, TAG, writeDer } from './der.ts';
import { sha256Hex } from './sha256.ts';
import { parseCertificate, readCertificates } from './x509.ts';

type Parts = Uint8Array<ArrayBuffer>[];

let made: TestCertificate;

before(async () => {
  const keys = await newKeyPair('p256');
  made = await issueCertificate({
    subject: 'CN=Device 1, O=Test',
    keys,
    serial: '0102ff',
    notBefore: Date.UTC(2024) / 1000,
    notAfter: Date.UTC(2060) / 1000,
    ca: { pathLength: 3 },
    keyUsage: ['keyCertSign', 'digitalSignature'],
    extensions: [
      { oid: '2.5.29.37', critical: false, value: decodeHex('300706056781050803') },
      { oid: '1.3.6.1.4.1.3704.1.1', critical: false, value: decodeHex('020100') },
    ],
  });
});

function refused(read: () => unknown, why: RegExp): void {
  assert.throws(read, (error: Error) => error instanceof FormatError && why.test(error.message));
}

const partsOf = (der: Uint8Array<ArrayBuffer>): Parts =>
  readDer(der, 'test')
    .children()
    .map((each) => each.bytes);

/** The certificate with the parts of its signed half (0 version, 1 serial number, ... 7 extensions) as `change` leaves them. */
function changed(change: (parts: Parts) => Parts): Uint8Array<ArrayBuffer> {
  const [tbs = new Uint8Array(), ...rest] = partsOf(made.der);
  return writeDer(TAG.sequence, writeDer(TAG.sequence, ...change(partsOf(tbs))), ...rest);
}

const withPart = (index: number, part: Uint8Array<ArrayBuffer>) => changed((parts) => parts.with(index, part));

/** The certificate with these extensions. */
function withExtensions(...extensions: Uint8Array[]): Uint8Array<ArrayBuffer> {
  return withPart(7, writeDer(0xa3, writeDer(TAG.sequence, ...extensions)));
}

function extension(oid: string, value: string, critical = ''): Uint8Array {
  const id = writeDer(TAG.oid, decodeHex(oid));
  return writeDer(TAG.sequence, id, decodeHex(critical), writeDer(TAG.octetString, decodeHex(value)));
}

test('a certificate of another library is read as it was written', () => {
  const { certificate, der, keys } = made;
  assert.equal(certificate.version, 3);
  assert.equal(certificate.serial, '0102ff');
  assert.equal(certificate.subject.text, 'CN=Device 1, O=Test');
  assert.equal(certificate.subject.commonName, 'Device 1');
  assert.deepEqual(certificate.issuer, certificate.subject);
  assert.equal(certificate.notBefore, Date.UTC(2024) / 1000);
  assert.equal(certificate.notAfter, Date.UTC(2060) / 1000);
  assert.deepEqual(certificate.spki, keys.spki);
  assert.deepEqual(certificate.signatureScheme, { kind: 'ecdsa', hash: 'sha256' });
  assert.ok(certificate.ca);
  assert.equal(certificate.pathLength, 3);
  assert.deepEqual(certificate.keyUsage, new Set(['digitalSignature', 'keyCertSign']));
  assert.deepEqual(certificate.extendedKeyUsage, ['2.23.133.8.3']);
  assert.deepEqual(certificate.extensions.get('1.3.6.1.4.1.3704.1.1'), { critical: false, value: decodeHex('020100') });
  assert.equal(certificate.extensions.get('2.5.29.19')?.critical, true);
  assert.equal(certificate.fingerprint, sha256Hex(der));
  assert.deepEqual(parseCertificate(der), certificate);
});

test('a certificate that lacks a part, or has one too many, is refused', () => {
  for (let count = 0; count < 7; count++)
    refused(() => parseCertificate(changed((parts) => parts.slice(0, count))), /./);
  refused(() => parseCertificate(changed((parts) => [...parts, writeDer(0x82, Uint8Array.of(0))])), /not the parts/);
  refused(() => parseCertificate(changed((parts) => [...parts.slice(0, 7), writeDer(0x81, Uint8Array.of(0))])), /0xa3/);
  refused(() => parseCertificate(writeDer(TAG.sequence, ...partsOf(made.der).slice(0, 2))), /not a signed structure/);
  const [tbs = new Uint8Array(), ...rest] = partsOf(made.der);
  refused(() => parseCertificate(writeDer(TAG.sequence, tbs, ...rest, decodeHex('0500'))), /not a signed structure/);
});

test('version 3 is read, version 1 without extensions too, and nothing else', () => {
  for (const version of ['a003020100', 'a003020101', 'a003020103']) {
    refused(() => parseCertificate(withPart(0, decodeHex(version))), /version is not 3/);
  }
  refused(() => parseCertificate(changed((parts) => parts.slice(1))), /only version 3 has extensions/);
  const first = parseCertificate(changed((parts) => parts.slice(1, 7)));
  assert.equal(first.version, 1);
  assert.equal(first.ca, false);
});

test('serial numbers are from zero to twenty octets', () => {
  assert.equal(parseCertificate(withPart(1, decodeHex('020100'))).serial, '00');
  assert.equal(parseCertificate(withPart(1, decodeHex('020200ff'))).serial, 'ff');
  assert.equal(parseCertificate(withPart(1, decodeHex(`0214${'11'.repeat(20)}`))).serial, '11'.repeat(20));
  refused(() => parseCertificate(withPart(1, decodeHex(`0215${'11'.repeat(21)}`))), /too long/);
  refused(() => parseCertificate(withPart(1, decodeHex('0201ff'))), /negative/);
});

test('the signed algorithm and the one beside the signature are the same', () => {
  const sha384 = writeDer(TAG.sequence, decodeHex('06082a8648ce3d040303'));
  refused(() => parseCertificate(withPart(2, sha384)), /names two signature algorithms/);
});

test('an extension occurs once, and has its parts', () => {
  refused(() => parseCertificate(withExtensions()), /list is empty/);
  refused(
    () => parseCertificate(withExtensions(extension('2a03', '0500'), extension('2a03', '0500'))),
    /1\.2\.3 occurs twice/,
  );
  refused(() => parseCertificate(withExtensions(writeDer(TAG.sequence, decodeHex('06022a03')))), /not the parts/);
  refused(() => parseCertificate(withExtensions(extension('2a03', '0500', '0101ff0500'))), /not the parts|expected/);
  refused(() => parseCertificate(withExtensions(extension('2a03', '0500', '0400'))), /not the parts/);
  refused(() => parseCertificate(withExtensions(extension('2a03', '0500', '010101'))), /neither/);
  const spelled = parseCertificate(withExtensions(extension('2a03', '0500', '010100'))).extensions.get('1.2.3');
  assert.equal(spelled?.critical, false);
});

test('basic constraints, key usage and extended key usage do not contradict themselves', () => {
  const constraints = (value: string) => parseCertificate(withExtensions(extension('551d13', value)));
  assert.equal(constraints('3000').ca, false);
  assert.equal(constraints('3003010100').ca, false);
  assert.equal(constraints('30030101ff').ca, true);
  assert.equal(constraints('30060101ff020105').pathLength, 5);
  for (const value of [
    '3006010100020100',
    '30060101ff0201ff',
    '30070101ff02020100',
    '30080101ff0201000500',
    '3003020100',
  ]) {
    refused(() => constraints(value), /contradict|0x1 was expected/);
  }
  refused(() => constraints('30030101ff00'), /follow its end/);
  refused(() => parseCertificate(withExtensions(extension('551d0f', '0303000040'))), /key usage bit 9 is not known/);
  refused(() => parseCertificate(withExtensions(extension('551d25', '3000'))), /extended key usage is empty/);
});

test('a name is for people to read: what stands in it cannot feign another part or move the cursor', () => {
  const attribute = (oid: string, text: string) =>
    writeDer(TAG.set, writeDer(TAG.sequence, writeDer(TAG.oid, decodeHex(oid)), writeDer(TAG.utf8, encodeUtf8(text))));
  const subject = (...attributes: Uint8Array[]) =>
    parseCertificate(withPart(5, writeDer(TAG.sequence, ...attributes))).subject;
  const odd = subject(attribute('550403', 'a, O=AMD\n"\u202e\\'), attribute('2a03', 'x'));
  assert.equal(odd.text, 'CN=a\\, O=AMD\\u{a}\\"\\u{202e}\\\\, 1.2.3=x');
  assert.equal(odd.short, 'CN=a\\, O=AMD\\u{a}\\"\\u{202e}\\\\');
  assert.equal(odd.commonName, 'a, O=AMD\n"\u202e\\');
  const two = subject(attribute('550403', 'a'), attribute('550403', 'b'));
  assert.equal(two.commonName, null, 'of two common names neither is the name');
  assert.equal(two.short, 'CN=a, CN=b');
  assert.equal(subject().text, '', 'TPM makers leave the subject empty');
  refused(() => subject(writeDer(TAG.set)), /a part of it is empty/);
  refused(() => subject(writeDer(TAG.set, writeDer(TAG.sequence, decodeHex('0603550403')))), /an attribute is not one/);
});

const algorithm = (hex: string) => parseSignatureAlgorithm(readDer(decodeHex(hex), 'test'));
const PSS = '06092a864886f70d01010a';
const SHA384 = '300d06096086480165030402020500';
const MGF384 = `301a06092a864886f70d010108${SHA384}`;

function pss(...parts: string[]): string {
  const parameters = writeDer(TAG.sequence, ...parts.map((part) => decodeHex(part)));
  return encodeHex(writeDer(TAG.sequence, decodeHex(PSS), parameters));
}

const HASH = `a00f${SHA384}`;
const MASK = `a11c${MGF384}`;
const SALT = 'a203020130';

test('RSASSA-PSS is accepted when hash, mask and salt agree, the trailer left out or spelled out', () => {
  const expected = { kind: 'rsassa-pss', hash: 'sha384', saltLength: 48 };
  assert.deepEqual(algorithm(pss(HASH, MASK, SALT)), expected);
  assert.deepEqual(algorithm(pss(HASH, MASK, SALT, 'a303020101')), expected);
  assert.deepEqual(algorithm(pss('a00d300b0609608648016503040202', MASK, SALT)), expected, 'a hash without parameters');
});

test('RSASSA-PSS with anything else, or with the defaults, which are SHA-1, is refused [ATK-37]', () => {
  const sha256 = '300d06096086480165030402010500';
  const sha1 = '300906052b0e03021a0500';
  for (const parameters of [
    [],
    [HASH],
    [HASH, MASK],
    [MASK, SALT],
    [HASH, SALT],
    [`a00f${sha256}`, MASK, SALT],
    [HASH, `a11c301a06092a864886f70d010108${sha256}`, SALT],
    [`a00b${sha1}`, `a118301606092a864886f70d010108${sha1}`, 'a203020114'],
    [HASH, `a11c301a06092a864886f70d010109${SHA384}`, SALT],
    [HASH, MASK, 'a203020120'],
    [HASH, MASK, 'a203020100'],
    [HASH, MASK, SALT, 'a303020102'],
    [HASH, MASK, SALT, 'a303020101', 'a303020101'],
  ]) {
    refused(() => algorithm(pss(...parameters)), /not accepted|was expected/);
  }
  refused(() => algorithm(`300b${PSS}`), /not accepted/);
});

test('other signature algorithms are accepted only with the parameters that they should have [ATK-37]', () => {
  assert.deepEqual(algorithm('300a06082a8648ce3d040304'), { kind: 'ecdsa', hash: 'sha512' });
  assert.deepEqual(algorithm('300506032b6570'), { kind: 'ed25519' });
  assert.deepEqual(algorithm('300d06092a864886f70d01010b0500'), { kind: 'rsassa-pkcs1', hash: 'sha256' });
  for (const hex of [
    '300c06082a8648ce3d0403020500',
    '300706032b65700500',
    '300b06092a864886f70d01010b',
    '300e06092a864886f70d01010b050100',
    '300d06092a864886f70d0101040500',
    '300906072a8648ce3d0401',
    '300c06082a8648ce3d0403010500',
    '300f06092a864886f70d01010b05000500',
    '3000',
  ]) {
    refused(() => algorithm(hex), /not accepted/);
  }
});

test('certificates are read from PEM with text around, and from DER one after the other', () => {
  const { der, pem } = made;
  const text = encodeUtf8(`subject=CN=x\n${pem}\r\n0 more\n${pem}\0`);
  assert.equal(readCertificates(text).length, 2);
  assert.equal(readCertificates(Uint8Array.of(...der, ...der)).length, 2);
  assert.deepEqual(readCertificates(der)[0], made.certificate);
  refused(() => readCertificates(Uint8Array.of(...der, 0)), /cut short/);
  refused(() => readCertificates(der.subarray(0, der.length - 1)), /cut short/);
  refused(() => readCertificates(new Uint8Array()), /no block/);
  refused(() => readCertificates(encodeUtf8(pem.replaceAll('CERTIFICATE', 'PUBLIC KEY'))), /a block is PUBLIC KEY/);
});
