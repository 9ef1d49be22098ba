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

async function filesWith(t: TestContext, certificate: string, key: string) {
  const folder = await mkdtemp(join(tmpdir(), 'cmcp-tls-'));
  t.after(() => rm(folder, { recursive: true }));
  const files = { kind: 'files', certificate: join(folder, 'server.pem'), key: join(folder, 'server.key') } as const;
  await writeFile(files.certificate, certificate);
  await writeFile(files.key, key);
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
  });
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
