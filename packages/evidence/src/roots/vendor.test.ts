import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { sharedPath } from '../../../../tests/shared.ts';
import { equalBytes } from '../bytes/equal.ts';
import { verifySigned } from '../crypto/signature.ts';
import { type Certificate, readCertificates } from '../crypto/x509.ts';
import { TPM_MAKER_ANCHORS, VENDOR_ANCHORS } from './vendor.ts';

/** The self-signed certificates below `folders` of the roots. */
function rootsIn(folder: string, folders: readonly string[]): Certificate[] {
  const files = folders.flatMap((name) => readdirSync(join(folder, name)).map((file) => join(folder, name, file)));
  return files
    .flatMap((file) => readCertificates(new Uint8Array(readFileSync(file))))
    .filter(({ subject, issuer }) => equalBytes(subject.der, issuer.der));
}

test('the pinned fingerprints are those of the self-signed roots that the vendors publish, and no others', async (t) => {
  const folder = sharedPath('vectors', 'roots');
  if (folder === null) return t.skip('the vectors are not there');
  const vendors = rootsIn(folder, ['amd', 'intel', 'nvidia', 'azure', 'gcp']);
  // The root of reference values signs no device.
  const expected = vendors.filter(({ subject }) => subject.commonName !== 'NVIDIA CoRIM signing Root CA');
  assert.deepEqual(fingerprints(VENDOR_ANCHORS), fingerprints(expected));
  const makers = rootsIn(folder, ['tpm-ek']);
  assert.deepEqual(fingerprints(TPM_MAKER_ANCHORS), fingerprints(makers));
  for (const root of [...vendors, ...makers]) {
    assert.equal(await verifySigned(root.key, root), 'valid', root.subject.text);
    assert.ok(root.ca, root.subject.text);
  }
});

function fingerprints(all: readonly { fingerprint: string }[]): string[] {
  return all.map(({ fingerprint }) => fingerprint).toSorted();
}

test('each root vouches for one purpose, and the roots of cloud providers are named as virtual TPMs', () => {
  for (const { purposes, source, name, assurance } of [...VENDOR_ANCHORS, ...TPM_MAKER_ANCHORS]) {
    assert.equal(purposes.length, 1, name);
    assert.equal(source, 'vendor');
    assert.equal(assurance, /Azure|Google/.test(name) ? 'cloud-vtpm' : 'silicon', name);
  }
});
