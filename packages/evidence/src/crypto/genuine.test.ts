import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { sharedPath } from '../../../../tests/shared.ts';
import { FormatError } from '../format-error.ts';
import type { AnchorPurpose } from '../hardware/given.ts';
import { VENDOR_ANCHORS } from '../roots/vendor.ts';
import { buildChain, type Chain } from './chain.ts';
import { checkCrl, isRevoked, parseCrl } from './crl.ts';
import { parseSpki, spkiOf } from './key.ts';
import { readPem } from './pem.ts';
import { type Certificate, parseCertificate, readCertificates } from './x509.ts';

interface Case {
  id: string;
  kind: string;
  at: string;
  params?: { trust: string; root?: string };
  files: Record<string, string>;
}

function bytesOf(...parts: string[]): Uint8Array<ArrayBuffer> {
  return new Uint8Array(readFileSync(join(...parts)));
}

/** The folder of the vectors, or null after the test has said that it skips. */
function vectors(t: TestContext): string | null {
  const path = sharedPath('vectors');
  if (path === null) t.skip('the vectors are not there');
  return path;
}

/** Every certificate file among the vectors. */
function certificateFiles(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.pem') || name.endsWith('vcek.der'))
    .filter((name) => !readFileSync(join(folder, name), 'latin1').includes('BEGIN PUBLIC KEY'));
}

test('every genuine certificate is read, and its key is written as it was', (t) => {
  const folder = vectors(t);
  if (folder === null) return;
  const files = certificateFiles(folder);
  assert.ok(files.length > 100);
  for (const file of files) {
    for (const certificate of readCertificates(bytesOf(folder, file))) {
      assert.deepEqual(spkiOf(certificate.key), new Uint8Array(certificate.spki), file);
      assert.ok(certificate.notBefore < certificate.notAfter, file);
    }
  }
});

test('what a genuine VCEK says is read as it stands there', (t) => {
  const folder = vectors(t);
  if (folder === null) return;
  const [vcek] = readCertificates(bytesOf(folder, 'sev-snp/cmcp-azure-milan-v3/vcek.der'));
  assert.ok(vcek !== undefined);
  assert.equal(vcek.serial, '00');
  assert.equal(vcek.subject.commonName, 'SEV-VCEK');
  assert.equal(vcek.issuer.short, 'CN=SEV-Milan');
  assert.equal(vcek.ca, false);
  assert.deepEqual(vcek.signatureScheme, { kind: 'rsassa-pss', hash: 'sha384', saltLength: 48 });
  assert.ok(vcek.key.kind === 'ec' && vcek.key.curve === 'P-384');
  assert.equal(vcek.extensions.get('1.3.6.1.4.1.3704.1.4')?.value.length, 64);
});

/** Which file of a case holds the leaf, and what the chain of that kind must end at. */
const CHAINS: Record<string, { purpose: AnchorPurpose; roles: string[][] }> = {
  'sev-snp': { purpose: 'amd-sev', roles: [['vcek', 'chain']] },
  tdx: { purpose: 'intel-sgx', roles: [['tcb_chain'], ['qe_chain'], ['pck_crl_chain'], ['pck_chain']] },
  tpm: { purpose: 'tpm', roles: [['cert_chain'], ['ak_chain']] },
  'azure-cvm': { purpose: 'amd-sev', roles: [['vcek', 'chain']] },
  nvidia: { purpose: 'nvidia-device', roles: [['chain']] },
};
/** Cases whose chain is what is wrong with them, and what is said about it. */
const WRONG_CHAINS: Record<string, RegExp> = {
  'go-sev-guest-milan-v2-after-expiry': /"CN=SEV-VCEK" expired at 2029-/,
  'cmcp-azure-milan-v3-before-issue': /"CN=SEV-VCEK" is not yet valid: it is from 2026-07-20/,
  'cmcp-azure-genoa-chain': /no certificate of its issuer "CN=SEV-Milan" was given/,
  'cmcp-azure-vlek-chain': /no certificate of its issuer "CN=SEV-Milan" was given/,
  'generated-forged-ark-same-names': /ends in "CN=ARK-Milan", which is not a trusted root/,
  'intel-qvl-synthetic-v4-test-root': /ends in "CN=Intel SGX Root CA", which is not a trusted root/,
  'intel-qvl-synthetic-v4-production-root': /ends in "CN=Intel SGX Root CA", which is not a trusted root/,
  'ms-ref-rsassa-sha256': /not a trusted root/,
  'ms-ref-rsassa-sha384': /not a trusted root/,
  'ms-ref-rsapss-sha256': /not a trusted root/,
  'ms-ref-ecdsa-sha384': /not a trusted root/,
  'ms-ref-ecdsa-sha384-vendor-roots-only': /not a trusted root/,
  'hopper-590-chain-without-intermediates': /no certificate of its issuer "CN=GH100 A01 GSP BROM" was given/,
};

test('genuine chains end at the vendor roots of their purpose, and the wrong ones are refused for what is wrong with them', async (t) => {
  const folder = vectors(t);
  if (folder === null) return;
  let found = 0;
  for (const one of JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8')) as Case[]) {
    const { purpose, roles } = CHAINS[one.kind] ?? { purpose: 'tpm', roles: [] };
    const at = Date.parse(one.at) / 1000;
    for (const names of roles.filter((each) => each.every((role) => one.files[role] !== undefined))) {
      const [leaf, ...pool] = names.flatMap((role) => readCertificates(bytesOf(folder, one.files[role] ?? '')));
      assert.ok(leaf !== undefined);
      const chain = await buildChain(leaf, pool, { anchors: VENDOR_ANCHORS, purpose, at });
      const wrong = WRONG_CHAINS[one.id];
      if (wrong === undefined) assert.ok(chain.ok, `${one.id}: ${chain.ok ? '' : chain.problem}`);
      else assert.match(problemOf(chain), wrong, one.id);
      if (chain.ok) {
        assert.equal(chain.weak, false);
        assert.equal(chain.anchor.source, 'vendor');
        found++;
      }
      const anchors = VENDOR_ANCHORS.filter((anchor) => !anchor.purposes.includes(purpose));
      assert.ok(!(await buildChain(leaf, pool, { anchors, purpose, at })).ok);
    }
  }
  assert.ok(found > 50, `${found} chains`);
});

function problemOf(chain: Chain): string {
  return chain.ok ? 'a chain was found' : chain.problem;
}

test('genuine CRLs are authentic while they are fresh, and the wrong ones are refused for what is wrong with them', async (t) => {
  const folder = vectors(t);
  if (folder === null) return;
  const said = async (id: string, at: string): Promise<string | null> => {
    const [issuer] = readCertificates(bytesOf(folder, 'tdx/phala-v4/pck_crl_chain.pem'));
    assert.ok(issuer !== undefined);
    return checkCrl(parseCrl(bytesOf(folder, 'tdx', id, 'pck_crl.der')), issuer, Date.parse(at) / 1000);
  };
  assert.equal(await said('phala-v4', '2025-07-01T00:00:00Z'), null);
  assert.match((await said('phala-v4', '2025-08-01T00:00:00Z')) ?? '', /expired at 2025-07-19/);
  assert.match((await said('phala-v4', '2025-06-01T00:00:00Z')) ?? '', /is not valid before 2025-06-/);
  assert.match(
    (await said('phala-v4-pckcrl-bad-signature', '2025-07-01T00:00:00Z')) ?? '',
    /a signature that is not of/,
  );
  for (const other of ['phala-v4-pckcrl-of-root-ca', 'phala-v4-pckcrl-of-processor-ca']) {
    assert.match((await said(other, '2025-07-01T00:00:00Z')) ?? '', /is not a list of "CN=Intel SGX PCK Platform CA"/);
  }
  await assert.rejects(said('phala-v4-pckcrl-empty', '2025-07-01T00:00:00Z'), FormatError);
  const crl = parseCrl(bytesOf(folder, 'tdx/phala-v4/pck_crl.der'));
  assert.equal(crl.revoked.size, 44);
  assert.equal(crl.number, 1n);
});

test('a serial number on a genuine CRL is revoked, and so is any certificate of another issuer', (t) => {
  const folder = vectors(t);
  if (folder === null) return;
  const crl = parseCrl(bytesOf(folder, 'tdx/phala-v4/pck_crl.der'));
  const [platform] = readCertificates(bytesOf(folder, 'tdx/phala-v4/pck_crl_chain.pem'));
  assert.ok(platform !== undefined);
  const [listed = ''] = crl.revoked;
  const device: Certificate = { ...platform, issuer: platform.subject };
  assert.equal(isRevoked(crl, { ...device, serial: listed }), true);
  assert.equal(isRevoked(crl, { ...device, serial: '0102' }), false);
  assert.equal(isRevoked(crl, platform), true, 'the list says nothing about the authority itself');
});

test('every bit that an RSASSA-PSS authority signed is covered: flipped, it is another certificate or none', async (t) => {
  const folder = vectors(t);
  if (folder === null) return;
  const der = bytesOf(folder, 'sev-snp/cmcp-azure-milan-v3/vcek.der');
  const pool = readCertificates(bytesOf(folder, 'sev-snp/cmcp-azure-milan-v3/chain.pem'));
  const request = { anchors: VENDOR_ANCHORS, purpose: 'amd-sev' as const, at: Date.UTC(2026, 6, 21) / 1000 };
  const accepted = async (bytes: Uint8Array<ArrayBuffer>): Promise<boolean> => {
    const certificate = tolerant(parseCertificate, bytes);
    return certificate !== null && (await buildChain(certificate, pool, request)).ok;
  };
  assert.ok(await accepted(der));
  for (let bit = 0; bit < der.length * 8; bit++) {
    const flipped = Uint8Array.from(der);
    flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    assert.ok(!(await accepted(flipped)), `bit ${bit}`);
  }
});

/** What `read` gives, or null for the one error that readers throw; anything else fails the test. */
function tolerant<T>(read: (bytes: Uint8Array<ArrayBuffer>) => T, bytes: Uint8Array<ArrayBuffer>): T | null {
  try {
    return read(bytes);
  } catch (error) {
    if (error instanceof FormatError) return null;
    throw error;
  }
}

const READERS: Record<string, (bytes: Uint8Array<ArrayBuffer>) => unknown> = {
  parseCertificate,
  readCertificates,
  parseCrl,
  parseSpki,
  readPem,
};

/** Cuts, repeats, overwrites and flips: what damage and malice do to a file. */
function mutated(bytes: Uint8Array): fc.Arbitrary<Uint8Array<ArrayBuffer>> {
  const at = fc.nat(bytes.length);
  return fc
    .array(fc.tuple(at, at, fc.uint8Array({ maxLength: 6 })), { minLength: 1, maxLength: 4 })
    .map((edits) =>
      edits.reduce((now, [from, skip, patch]) => splice(now, from, skip % 8, patch), Uint8Array.from(bytes)),
    );
}

function splice(bytes: Uint8Array, at: number, skip: number, patch: Uint8Array): Uint8Array<ArrayBuffer> {
  return Uint8Array.from([...bytes.subarray(0, at), ...patch, ...bytes.subarray(at + skip)]);
}

test('readers answer any bytes with a structure or a FormatError, and nothing else', () => {
  const bytes = fc.uint8Array({ maxLength: 300 });
  const tagged = fc.tuple(fc.constantFrom(0x30, 0x02, 0x03, 0x06, 0xa0, 0x31), bytes);
  const der = tagged.map(([tag, body]) => Uint8Array.of(tag, 0x82, body.length >> 8, body.length & 0xff, ...body));
  for (const read of Object.values(READERS)) {
    fc.assert(
      fc.property(fc.oneof(bytes, der), (input) => {
        tolerant(read, Uint8Array.from(input));
      }),
    );
  }
});

test('readers answer damaged genuine files with a structure or a FormatError, and nothing else', (t) => {
  const folder = vectors(t);
  if (folder === null) return;
  const files = [
    'sev-snp/cmcp-azure-milan-v3/vcek.der',
    'tdx/phala-v4/pck_crl.der',
    'nvidia/hopper-driver-590/chain.pem',
  ];
  for (const file of files) {
    const genuine = bytesOf(folder, file);
    for (const read of Object.values(READERS)) {
      fc.assert(
        fc.property(mutated(genuine), (bytes) => {
          tolerant(read, bytes);
        }),
        { numRuns: 150 },
      );
    }
  }
});

test('deep nesting and huge lengths cost nothing', () => {
  const deep = new Uint8Array(200_000);
  for (let i = 0; i + 6 <= deep.length; i += 6) {
    const left = deep.length - i - 6;
    deep.set([0x30, 0x84, (left >>> 24) & 0xff, (left >>> 16) & 0xff, (left >>> 8) & 0xff, left & 0xff], i);
  }
  const claims = Uint8Array.of(0x30, 0x84, 0xff, 0xff, 0xff, 0xff, 0x30);
  const garbage = new TextEncoder().encode('-----BEGIN A-----'.repeat(20_000));
  const spaces = new TextEncoder().encode(`-----BEGIN A-----${' '.repeat(1_000_000)}-----END A-----`);
  for (const read of Object.values(READERS)) {
    for (const input of [deep, claims, garbage, spaces]) tolerant(read, input);
  }
});
