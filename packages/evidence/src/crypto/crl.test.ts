import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { decodeHex } from '../bytes/hex.ts';
import { encodeUtf8 } from '../bytes/utf8.ts';
import { FormatError } from '../format-error.ts';
import {
  type CrlRequest,
  FROM_2020,
  issueCertificate,
  issueCrl,
  newKeyPair,
  type TestCertificate,
  type TestKeyKind,
  UNTIL_2040,
} from '../testing/pki.ts';
import { checkCrl, isRevoked, parseCrl, readCrl } from './crl.ts';
import { readDer, TAG, writeDer } from './der.ts';
import { parseCertificate } from './x509.ts';

const AT = Date.UTC(2026) / 1000;
type Parts = Uint8Array<ArrayBuffer>[];

let authority: TestCertificate;

before(async () => {
  authority = await newAuthority('p384');
});

async function newAuthority(kind: TestKeyKind): Promise<TestCertificate> {
  return issueCertificate({ subject: 'CN=Test CA', keys: await newKeyPair(kind), ca: true });
}

/** What is wrong with the list that `request` asks for, under the test authority at 2026. */
async function problem(request: Partial<CrlRequest> = {}, at = AT): Promise<string> {
  const crl = parseCrl(await issueCrl({ issuer: authority, ...request }));
  return (await checkCrl(crl, authority.certificate, at)) ?? 'none';
}

test('a list of the authority is read as it was written, and is good while it is fresh', async () => {
  const crl = parseCrl(await issueCrl({ issuer: authority, number: 7, revoked: ['05', '0100', 'ff01'] }));
  assert.deepEqual([...crl.revoked], ['05', '0100', 'ff01']);
  assert.equal(crl.number, 7n);
  assert.equal(crl.thisUpdate, FROM_2020);
  assert.equal(crl.nextUpdate, UNTIL_2040);
  assert.equal(crl.issuer.commonName, 'Test CA');
  for (const at of [FROM_2020, AT, UNTIL_2040]) assert.equal(await checkCrl(crl, authority.certificate, at), null);
  assert.equal(await problem(), 'none', 'a list on which nothing is');
});

test('lists by RSA authorities with either padding are good, over SHA-1 they are not', async () => {
  for (const [kind, expected] of [
    ['rsa2048-pkcs1', /^none$/],
    ['rsa2048-pss', /^none$/],
    ['rsa2048-sha1', /signed over SHA-1/],
  ] as const) {
    const rsa = await newAuthority(kind);
    const crl = parseCrl(await issueCrl({ issuer: rsa }));
    assert.match((await checkCrl(crl, rsa.certificate, AT)) ?? 'none', expected);
  }
});

test('a list with a broken signature, or signed by a stranger of the same name, is refused', async () => {
  assert.match(await problem({ brokenSignature: true }), /"CN=Test CA" has a signature that is not of "CN=Test CA"/);
  assert.match(await problem({ issuer: await newAuthority('p384') }), /a signature that is not of/);
  assert.match(await problem({ issuer: await newAuthority('rsa2048-pkcs1') }), /a signature that is not of/);
});

test('every bit of a list is covered: flipped, it is another list or none', async () => {
  const der = await issueCrl({ issuer: authority, revoked: ['05'] });
  for (let bit = 0; bit < der.length * 8; bit++) {
    const flipped = Uint8Array.from(der);
    flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    assert.ok(!(await good(flipped)), `bit ${bit}`);
  }
  assert.ok(await good(der));
});

async function good(der: Uint8Array<ArrayBuffer>): Promise<boolean> {
  try {
    return (await checkCrl(parseCrl(der), authority.certificate, AT)) === null;
  } catch (error) {
    assert.ok(error instanceof FormatError);
    return false;
  }
}

test('a list of another authority, or by a key that may not sign lists, is refused', async () => {
  const keys = authority.keys;
  const other = await issueCertificate({ subject: 'CN=Other CA', keys, ca: true });
  const mute = await issueCertificate({ subject: 'CN=Test CA', keys, ca: true, keyUsage: ['keyCertSign'] });
  const crl = parseCrl(await issueCrl({ issuer: authority }));
  assert.match((await checkCrl(crl, other.certificate, AT)) ?? '', /is not a list of "CN=Other CA"/);
  assert.match((await checkCrl(crl, mute.certificate, AT)) ?? '', /may not sign CRLs/);
});

test('a list is good from its first to its last second, and not at all without a last one', async () => {
  assert.match(await problem({}, FROM_2020 - 1), /not valid before 2020-01-01T00:00:00Z/);
  assert.match(await problem({}, UNTIL_2040 + 1), /expired at 2040-01-01T00:00:00Z/);
  assert.match(await problem({}, Number.NaN), /not valid before/);
  assert.match(await problem({ nextUpdate: null }), /does not say until when it holds/);
});

test('delta, partial and indirect lists, and critical extensions that are not understood, are refused', async () => {
  const extension = (oid: string, critical: boolean) => ({
    extensions: [{ oid, critical, value: decodeHex('020101') }],
  });
  for (const oid of ['2.5.29.27', '2.5.29.28', '2.5.29.29']) {
    for (const critical of [true, false]) {
      assert.match(await problem(extension(oid, critical)), new RegExp(`not understood: ${oid}`));
    }
  }
  assert.match(await problem(extension('1.2.3.4', true)), /not understood: 1\.2\.3\.4/);
  assert.equal(await problem(extension('1.2.3.4', false)), 'none');
});

test('an engine that cannot check the signature of a list does not find it good', async () => {
  const { importKey } = crypto.subtle;
  const crl = parseCrl(await issueCrl({ issuer: authority }));
  crypto.subtle.importKey = () => Promise.reject(new DOMException('no', 'NotSupportedError'));
  try {
    assert.match((await checkCrl(crl, authority.certificate, AT)) ?? '', /could not be checked/);
  } finally {
    crypto.subtle.importKey = importKey;
  }
});

test('a serial number on the list is revoked, zero too; under the list of another issuer everything is', async () => {
  const { keys } = authority;
  const crl = parseCrl(await issueCrl({ issuer: authority, revoked: ['05', 'ff01'] }));
  const issued = (serial: string, issuerName = 'CN=Test CA') =>
    issueCertificate({ subject: 'CN=Device', keys, issuer: authority, serial, issuerName });
  for (const [serial, revoked] of [
    ['05', true],
    ['ff01', true],
    ['06', false],
    ['00', false],
  ] as const) {
    assert.equal(isRevoked(crl, (await issued(serial)).certificate), revoked, serial);
  }
  assert.equal(isRevoked(crl, (await issued('06', 'CN=Other CA')).certificate), true);
  const zero = parseCrl(
    changed(await issueCrl({ issuer: authority, revoked: ['05'] }), (parts) => {
      parts[5] = decodeHex('3014301202010' + '0170d3230303130313030303030305a');
      return parts;
    }),
  );
  assert.equal(isRevoked(zero, (await issued('00')).certificate), true);
});

/** A list with the parts of its signed half (0 version, 1 algorithm, 2 issuer, 3 and 4 times, 5 entries, 6 extensions) as `change` leaves them. */
function changed(der: Uint8Array<ArrayBuffer>, change: (parts: Parts) => Parts): Uint8Array<ArrayBuffer> {
  const [tbs = new Uint8Array(), ...rest] = partsOf(der);
  return writeDer(TAG.sequence, writeDer(TAG.sequence, ...change(partsOf(tbs))), ...rest);
}

const partsOf = (der: Uint8Array<ArrayBuffer>): Parts =>
  readDer(der, 'test')
    .children()
    .map((each) => each.bytes);

test('what is not a list, or not one that RFC 5280 knows, is not read', async () => {
  const der = await issueCrl({ issuer: authority, revoked: ['05'] });
  const refused = (change: (parts: Parts) => Parts, why: RegExp): void => {
    assert.throws(
      () => parseCrl(changed(der, change)),
      (error: Error) => error instanceof FormatError && why.test(error.message),
    );
  };
  refused((parts) => parts.with(0, decodeHex('020100')), /version is not 2/);
  refused((parts) => parts.slice(1), /not the parts/);
  refused((parts) => parts.slice(0, 3), /not the parts/);
  refused((parts) => [...parts, decodeHex('0500')], /not the parts/);
  refused((parts) => parts.with(1, decodeHex('300a06082a8648ce3d040302')), /two signature algorithms/);
  refused((parts) => parts.with(5, decodeHex('30053003020105')), /not the parts/);
  const date = '170d3230303130313030303030305a';
  const noDate = '170d3230303133323030303030305a';
  refused((parts) => parts.with(5, decodeHex(`30143012020185${date}`)), /negative/);
  refused((parts) => parts.with(5, decodeHex(`30143012020105${noDate}`)), /does not exist/);
  refused(
    (parts) => parts.with(5, decodeHex(`30243022020105${date}300c300a0603551d1504030a01010500`)),
    /not the parts/,
  );
  refused((parts) => parts.with(4, decodeHex('0500')), /another type/);
  for (const garbage of [new Uint8Array(), Uint8Array.of(0x30, 0), authority.der.subarray(1)]) {
    assert.throws(() => parseCrl(garbage), FormatError);
  }
  assert.throws(() => parseCrl(authority.der), FormatError, 'a certificate');
  assert.throws(() => parseCertificate(der), FormatError, 'and the other way round');
});

test('an extension of an entry that hands it to another issuer, or is critical, is not understood', async () => {
  const der = await issueCrl({ issuer: authority, revoked: ['05'] });
  const entry = (extension: string) =>
    writeDer(
      TAG.sequence,
      writeDer(TAG.sequence, decodeHex('020105'), decodeHex('170d3230303130313030303030305a'), decodeHex(extension)),
    );
  const unknown = (extension: string) => parseCrl(changed(der, (parts) => parts.with(5, entry(extension)))).unknown;
  assert.deepEqual(unknown('300c300a0603551d1504030a0101'), [], 'a reason');
  assert.deepEqual(unknown('300b30090603551d1d04020500'), ['2.5.29.29']);
  assert.deepEqual(unknown('300d300b06022a030101ff04020500'), ['1.2.3']);
});

test('a file holds a list as DER or as one block of PEM, and nothing else', async () => {
  const der = await issueCrl({ issuer: authority, revoked: ['05'] });
  const pem = (label: string): string =>
    `-----BEGIN ${label}-----\n${Buffer.from(der).toString('base64')}\n-----END ${label}-----\n`;
  assert.deepEqual(readCrl(der), parseCrl(der));
  assert.deepEqual(readCrl(encodeUtf8(pem('X509 CRL'))), parseCrl(der));
  for (const text of ['', pem('CERTIFICATE'), pem('X509 CRL').repeat(2)]) {
    assert.throws(() => readCrl(encodeUtf8(text)), FormatError, text);
  }
});
