import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { TPM_MAKER_ANCHORS, VENDOR_ANCHORS } from '@cmcp/evidence';
import { issueCertificate, newKeyPair, type TestCertificate } from '../../../evidence/src/testing/pki.ts';
import { takeApart } from '../arguments.ts';
import { EXPECTATION_OPTIONS } from '../verify/expectations.ts';
import { PURPOSES, readAnchors } from './given.ts';
import { readRootFolder } from './roots.ts';

let folder = '';
let root: TestCertificate;
let issued: TestCertificate;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cmcp-given-'));
  root = await issueCertificate({ subject: 'CN=one', keys: await newKeyPair('p256'), ca: true });
  issued = await issueCertificate({ subject: 'CN=two', keys: await newKeyPair('p256'), issuer: root, ca: true });
  const other = await issueCertificate({ subject: 'CN=three', keys: await newKeyPair('p256'), ca: true });
  await writeFile(join(folder, 'both.pem'), `${root.pem}\n${issued.pem}\n`);
  await writeFile(join(folder, 'other.der'), other.der);
  await writeFile(join(folder, 'readme.txt'), 'no certificate');
});
after(() => rm(folder, { recursive: true, force: true }));

const anchors = async (...argv: string[]) => readAnchors(await takeApart(argv, EXPECTATION_OPTIONS), ['tpm']);

test('without a flag only the pinned roots of the vendors are trusted', async () => {
  assert.deepEqual(await anchors(), VENDOR_ANCHORS);
});

test('roots of TPM makers are trusted only when they are asked for', async () => {
  assert.ok(TPM_MAKER_ANCHORS.length > 0);
  assert.deepEqual(await anchors('--tpm-makers'), [...VENDOR_ANCHORS, ...TPM_MAKER_ANCHORS]);
});

test('a root that is named is the operator’s, and vouches for what it was named for', async () => {
  const named = (await anchors('--root', join(folder, 'other.der'))).slice(VENDOR_ANCHORS.length);
  assert.deepEqual(
    named.map(({ source, purposes }) => [source, purposes]),
    [['operator', ['tpm']]],
  );
});

test('of a folder the certificates that name themselves as issuer are roots, and other files are not looked at', async () => {
  const found = await readRootFolder(folder, PURPOSES.tdx);
  assert.deepEqual(
    found.map(({ source, purposes }) => [source, purposes]),
    [
      ['operator', ['intel-sgx']],
      ['operator', ['intel-sgx']],
    ],
  );
});
