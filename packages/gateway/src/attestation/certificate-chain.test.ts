import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readCertificates } from '@cmcp/evidence';
import { issueCertificate, newKeyPair, type TestCertificate } from '../../../evidence/src/testing/pki.ts';
import { chainUpwards, isComplete, pemBlock, pemOf } from './certificate-chain.ts';

const keys = () => newKeyPair('p256');

async function authority(subject: string, issuer?: TestCertificate): Promise<TestCertificate> {
  return issueCertificate({ subject, keys: await keys(), ca: true, ...(issuer && { issuer }) });
}

const pool = (...all: TestCertificate[]) => all.map(({ certificate }) => certificate);

test('a chain goes up by signatures, not by names alone, as far as certificates are at hand', async () => {
  const root = await authority('CN=root');
  const impostor = await authority('CN=root');
  const middle = await authority('CN=middle', root);
  const leaf = await issueCertificate({ subject: 'CN=leaf', keys: await keys(), issuer: middle });
  const whole = await chainUpwards(leaf.certificate, pool(impostor, leaf, root, middle));
  assert.deepEqual(whole, pool(leaf, middle, root));
  assert.equal(isComplete(whole), true);
  const part = await chainUpwards(leaf.certificate, pool(impostor, middle));
  assert.deepEqual([part, isComplete(part)], [pool(leaf, middle), false]);
  assert.deepEqual(await chainUpwards(root.certificate, pool(root, impostor)), pool(root));
  assert.equal(isComplete([]), false);
});

test('authorities that certified each other are no endless chain', async () => {
  const [one, two] = [await keys(), await keys()];
  const self = await issueCertificate({ subject: 'CN=two', keys: two, ca: true });
  const first = await issueCertificate({ subject: 'CN=one', keys: one, ca: true, issuer: self });
  const second = await issueCertificate({ subject: 'CN=two', keys: two, ca: true, issuer: first });
  const chain = await chainUpwards(first.certificate, pool(first, second));
  assert.equal(chain.length, 8);
});

test('PEM is what is read again', async () => {
  const root = await authority('CN=root');
  const again = readCertificates(new TextEncoder().encode(pemOf(pool(root, root))));
  assert.deepEqual(
    again.map(({ der }) => der),
    [root.der, root.der],
  );
  assert.ok(
    pemOf(pool(root))
      .split('\n')
      .every((line) => line.length <= 64),
  );
  assert.equal(
    pemBlock('PUBLIC KEY', Uint8Array.of(1)),
    '-----BEGIN PUBLIC KEY-----\nAQ==\n-----END PUBLIC KEY-----\n',
  );
});
