import assert from 'node:assert/strict';
import { generateKeyPairSync, X509Certificate } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { selfSigned } from '../../../../tests/support/certificate.ts';
import { GatewayError } from '../errors.ts';
import { readTlsFiles, spkiOf } from './tls-files.ts';
import { generateTlsIdentity } from './tls-generated.ts';

const NOW = Date.UTC(2026, 5, 1);

async function filesWith(t: TestContext, certificate: string, key: string, clientCa: string | null = null) {
  const folder = await mkdtemp(join(tmpdir(), 'cmcp-tls-'));
  t.after(() => rm(folder, { recursive: true }));
  const own = { kind: 'files', certificate: join(folder, 'server.pem'), key: join(folder, 'server.key') } as const;
  const files = { ...own, clientCa: clientCa === null ? null : join(folder, 'clients.pem') };
  await writeFile(files.certificate, certificate);
  await writeFile(files.key, key);
  if (files.clientCa !== null) await writeFile(files.clientCa, clientCa ?? '');
  return files;
}

const refused = async (reading: Promise<unknown>, why: RegExp): Promise<void> => {
  await assert.rejects(reading, (error) => {
    assert.ok(error instanceof GatewayError);
    assert.equal(error.code, 'TLS_INVALID');
    assert.match(error.detail, why);
    return true;
  });
};

test('certificate and key are read when they belong together and are in force', async (t) => {
  const { cert, key } = selfSigned('gateway');
  const identity = await readTlsFiles(await filesWith(t, cert, key), NOW);
  assert.deepEqual(identity, {
    certificate: cert,
    key,
    spki: spkiOf(new X509Certificate(cert).publicKey),
    expiresMs: Date.UTC(2100, 0, 1),
    clientCa: null,
  });
});

test('authorities of client certificates are read when they are authorities, and one of them is in force', async (t) => {
  const [{ cert, key }, one, other] = [selfSigned('gateway'), selfSigned('one'), selfSigned('other')];
  const both = one.cert + other.cert;
  const read = async (clientCa: string, now = NOW) =>
    (await readTlsFiles(await filesWith(t, cert, key, clientCa), now)).clientCa;
  assert.equal(await read(both), both);
  await refused(read(''), /clients\.pem holds no certificate of an authority that is in force/);
  await refused(read(one.key), /holds no certificate of an authority/);
  await refused(read((await generateTlsIdentity(['x'], NOW)).certificate), /is not one of an authority: CN=/);
  await refused(read(one.cert.replace(/[A-Za-z]{8}/, 'AAAAAAAA')), /clients\.pem (?:cannot be used|holds no)/);
  const files = await filesWith(t, cert, key, both);
  await rm(files.clientCa ?? '');
  await refused(readTlsFiles(files, NOW), /clients\.pem cannot be read/);
});

test('a key of another certificate is refused, and so is a certificate that is not in force', async (t) => {
  const [{ cert, key }, other] = [selfSigned('gateway'), selfSigned('other')];
  await refused(readTlsFiles(await filesWith(t, cert, other.key), NOW), /is not the key of the first certificate/);
  const files = await filesWith(t, cert, key);
  await refused(readTlsFiles(files, Date.UTC(2019, 11, 31)), /is in force from .* only/);
  await refused(readTlsFiles(files, Date.UTC(2100, 0, 1)), /expired on/);
  await refused(readTlsFiles(files, Number.NaN), /in force from/);
  // Leaf first: the certificate that answers is the first one.
  await refused(readTlsFiles(await filesWith(t, other.cert + cert, key), NOW), /is not the key/);
});

test('files that hold something else are refused with their name', async (t) => {
  const { cert, key } = selfSigned('gateway');
  const { privateKey: weak } = generateKeyPairSync('rsa', { modulusLength: 1024 });
  const { privateKey: odd } = generateKeyPairSync('ec', { namedCurve: 'secp256k1' });
  const pem = (secret: typeof weak): string => secret.export({ type: 'pkcs8', format: 'pem' }).toString();
  await refused(readTlsFiles(await filesWith(t, key, key), NOW), /server\.pem holds no certificate in PEM/);
  await refused(readTlsFiles(await filesWith(t, cert, cert), NOW), /server\.key cannot be used/);
  await refused(readTlsFiles(await filesWith(t, cert, ''), NOW), /server\.key cannot be used/);
  await refused(readTlsFiles(await filesWith(t, cert, pem(weak)), NOW), /holds no key of RSA with 2048/);
  await refused(readTlsFiles(await filesWith(t, cert, pem(odd)), NOW), /holds no key of/);
  const broken = `${cert}-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n`;
  await refused(readTlsFiles(await filesWith(t, broken, key), NOW), /server\.pem cannot be used/);
  const files = await filesWith(t, cert, key);
  await rm(files.key);
  await refused(readTlsFiles(files, NOW), /server\.key cannot be read/);
});

test('a generated identity has a fresh key, and a certificate for the names that it is called by', async () => {
  const names = ['localhost', '127.0.0.1', '::1', 'gateway.example', 'localhost'];
  const [one, other] = await Promise.all([generateTlsIdentity(names, NOW), generateTlsIdentity(names, NOW)]);
  assert.notEqual(one.spki, other.spki);
  const certificate = new X509Certificate(one.certificate);
  assert.equal(spkiOf(certificate.publicKey), one.spki);
  assert.equal(certificate.publicKey.asymmetricKeyDetails?.namedCurve, 'prime256v1');
  assert.ok(certificate.verify(certificate.publicKey));
  assert.equal(certificate.ca, false);
  assert.equal(certificate.checkHost('gateway.example'), 'gateway.example');
  assert.equal(certificate.checkIP('::1'), '::1');
  assert.ok(certificate.validFromDate.getTime() <= NOW);
  assert.equal(certificate.validTo, 'Dec 31 23:59:59 9999 GMT');
});
