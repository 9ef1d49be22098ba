import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeUtf8 } from '../../bytes/utf8.ts';
import { issueCertificate, issueCrl, newKeyPair, testAnchor } from '../../testing/pki.ts';
import { revocation } from './revocation.ts';

test('a list in PEM is asked as one in DER is', async () => {
  const keys = await newKeyPair('p384');
  const root = await issueCertificate({ subject: 'CN=ARK', keys, ca: true });
  const issuer = await issueCertificate({ subject: 'CN=SEV', keys, issuer: root, ca: true, serial: '05' });
  const leaf = await issueCertificate({ subject: 'CN=VCEK', keys, issuer, serial: '07' });
  const ask = async (revoked: string[]): Promise<string> => {
    const base64 = Buffer.from(await issueCrl({ issuer: root, revoked })).toString('base64');
    const crl = encodeUtf8(`-----BEGIN X509 CRL-----\n${base64}\n-----END X509 CRL-----\n`);
    const chain = { root: root.certificate, issuer: issuer.certificate, anchor: testAnchor(root, 'amd-sev') };
    return (await revocation(crl, leaf.certificate, chain, Date.UTC(2026) / 1000)).outcome;
  };
  assert.deepEqual([await ask([]), await ask(['05'])], ['proven', 'failed']);
});
