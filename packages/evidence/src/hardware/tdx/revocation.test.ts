import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeUtf8 } from '../../bytes/utf8.ts';
import { issueCertificate, issueCrl, newKeyPair } from '../../testing/pki.ts';
import { revocation } from './revocation.ts';

test('a list as Intel answers it, PEM, is asked as one in DER is', async () => {
  const keys = await newKeyPair('p256');
  const ca = await issueCertificate({ subject: 'CN=CA', keys, ca: true });
  const leaf = await issueCertificate({ subject: 'CN=PCK', keys, issuer: ca, serial: '05' });
  const ask = async (revoked: string[]): Promise<string> => {
    const base64 = Buffer.from(await issueCrl({ issuer: ca, revoked })).toString('base64');
    const crl = encodeUtf8(`-----BEGIN X509 CRL-----\n${base64}\n-----END X509 CRL-----\n`);
    const certificates = [leaf.certificate];
    const at = Date.UTC(2026) / 1000;
    return (await revocation({ name: 'the CRL', role: 'pck_crl', crl, issuer: ca.certificate, certificates, at }))
      .outcome;
  };
  assert.deepEqual([await ask([]), await ask(['05'])], ['proven', 'failed']);
});
