import assert from 'node:assert/strict';
import { createHash, createPublicKey, randomBytes } from 'node:crypto';
import { after, before, type TestContext, test } from 'node:test';
import { readCertificates } from '../packages/evidence/src/crypto/x509.ts';
import type { EvidenceFiles, EvidenceGiven, TrustAnchor } from '../packages/evidence/src/hardware/given.ts';
import { tpmEvidence } from '../packages/evidence/src/hardware/tpm/evidence.ts';
import { nvQualifyingData } from '../packages/evidence/src/hardware/tpm/nv-certify.ts';
import { gatewayDigest } from '../packages/evidence/src/hardware/tpm/nv-envelope.ts';
import { quoteBinding, verifyQuotePair } from '../packages/evidence/src/hardware/tpm/quote-pair.ts';
import { VENDOR_ANCHORS } from '../packages/evidence/src/roots/vendor.ts';
import { issueCertificate, newKeyPair, testAnchor } from '../packages/evidence/src/testing/pki.ts';
import { noSoftwareTpm, type SoftwareTpm, startSoftwareTpm } from './support/software-tpm.ts';

const PCR_0_7 = 'sha256:0,1,2,3,4,5,6,7';
const PCR_0_15 = `${PCR_0_7},8,9,10,11,12,13,14,15`;
const LAUNCH_PCR = 11;

const absent = noSoftwareTpm();
let tpm: SoftwareTpm | null = null;

before(() => {
  if (absent === null) tpm = startSoftwareTpm();
});
after(() => tpm?.stop());

/** The TPM of these tests; null after a visible skip, where none is installed. */
function present(t: TestContext): SoftwareTpm | null {
  if (tpm === null) t.skip(absent ?? 'no software TPM');
  return tpm;
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const now = (): number => Math.floor(Date.now() / 1000);

/** Makes an endorsement key and an attestation key under `name`; gives the files that speak of them. */
function enrol(device: SoftwareTpm, name: string, kind: 'ecc' | 'rsa', scheme: string): EvidenceFiles {
  device.run('tpm2_createek', '-G', kind, '-c', `${name}-ek.ctx`, '-u', `${name}-ek.pub`);
  const key = ['-G', kind, '-g', 'sha256', '-s', scheme, '-u', `${name}.pub`, '-n', `${name}.name`];
  device.run('tpm2_createak', '-C', `${name}-ek.ctx`, '-c', `${name}.ctx`, ...key);
  device.run('tpm2_readpublic', '-c', `${name}.ctx`, '-f', 'pem', '-o', `${name}.pem`);
  return { ak_public: device.file(`${name}.pub`), ak: device.file(`${name}.pem`) };
}

function quote(
  device: SoftwareTpm,
  name: string,
  selection: string,
  extraData: Uint8Array,
  scheme = 'ecdsa',
): EvidenceFiles {
  const output = ['-m', 'q.msg', '-s', 'q.sig'];
  device.run(
    'tpm2_quote',
    '-c',
    `${name}.ctx`,
    '-l',
    selection,
    '-q',
    hex(extraData),
    ...output,
    '-g',
    'sha256',
    '--scheme',
    scheme,
  );
  return { attest: device.file('q.msg'), signature: device.file('q.sig'), pcrs: pcrs(device, selection) };
}

/** The registers as tpm2_pcrread prints them, in the form of the role `pcrs`. */
function pcrs(device: SoftwareTpm, selection: string): Uint8Array<ArrayBuffer> {
  const printed = device.run('tpm2_pcrread', selection);
  const values = [...printed.matchAll(/(\d+)\s*: 0x([0-9A-F]+)/g)].map(([, index = '', value = '']) => [
    index,
    value.toLowerCase(),
  ]);
  return new TextEncoder().encode(JSON.stringify({ sha256: Object.fromEntries(values) }));
}

/** The certificate chain of the endorsement key, as swtpm's own CA wrote it, and the anchor that trusts its root. */
function endorsement(device: SoftwareTpm): { ek_chain: Uint8Array<ArrayBuffer>; root: TrustAnchor } {
  const leaf = `-----BEGIN CERTIFICATE-----\n${Buffer.from(device.ekCertificate()).toString('base64')}\n-----END CERTIFICATE-----\n`;
  const issuers = [device.file('ca/issuercert.pem'), device.file('ca/swtpm-localca-rootca-cert.pem')];
  const ek_chain = new TextEncoder().encode(leaf + issuers.map((bytes) => new TextDecoder().decode(bytes)).join('\n'));
  const [root] = readCertificates(device.file('ca/swtpm-localca-rootca-cert.pem'));
  assert.ok(root);
  const anchor = {
    name: 'swtpm CA',
    fingerprint: root.fingerprint,
    source: 'operator',
    purposes: ['tpm'],
    assurance: 'unknown',
  } as const;
  return { ek_chain, root: anchor };
}

for (const [kind, scheme] of [
  ['ecc', 'ecdsa'],
  ['rsa', 'rsassa'],
  ['rsa', 'rsapss'],
] as const) {
  test(`a quote of a real TPM implementation, ${scheme}, verifies, and is called one of a software TPM [D-43]`, async (t) => {
    const device = present(t);
    if (device === null) return;
    const nonce = new Uint8Array(randomBytes(32));
    const { ek_chain, root } = endorsement(device);
    const files = {
      ...enrol(device, scheme, kind, scheme),
      ...quote(device, scheme, PCR_0_7, nonce, scheme),
      ek_chain,
    };
    const given: EvidenceGiven = { at: now(), anchors: [root], nonce };
    const verdict = await tpmEvidence(files, given);
    assert.deepEqual([verdict.authentic, verdict.acceptable], [true, true], verdict.summary);
    assert.deepEqual([verdict.root?.source, verdict.root?.assurance], ['key', 'software-tpm']);
    const proven = verdict.checks.filter(({ outcome }) => outcome === 'proven').map(({ id }) => id);
    for (const id of ['tpm.ak_attributes', 'tpm.ek_chain', 'tpm.signature', 'tpm.pcr_digest'])
      assert.ok(proven.includes(id), id);
    const measurement = String(verdict.facts.measurement);
    assert.equal((await tpmEvidence(files, { ...given, measurement })).acceptable, true);
    const replayed = await tpmEvidence(files, { ...given, nonce: new Uint8Array(randomBytes(32)) });
    assert.deepEqual([replayed.authentic, replayed.acceptable], [true, false]);
    const selfPresented = Object.fromEntries(Object.entries(files).filter(([role]) => role !== 'ak'));
    assert.equal((await tpmEvidence(selfPresented, given)).authentic, false);
  });
}

test('a key enrolled by credential activation has the standing of the enroller that certified it, and stays a software TPM [D-44]', async (t) => {
  const device = present(t);
  if (device === null) return;
  const { ak_public } = enrol(device, 'enrolled', 'ecc', 'ecdsa');
  const secret = randomBytes(32);
  device.write('secret', secret);
  const name = hex(device.file('enrolled.name'));
  device.run('tpm2_makecredential', '-e', 'enrolled-ek.pub', '-s', 'secret', '-n', name, '-o', 'credential');
  device.run('tpm2_startauthsession', '--policy-session', '-S', 'session.ctx');
  device.run('tpm2_policysecret', '-S', 'session.ctx', '-c', 'e');
  const activate = ['-c', 'enrolled.ctx', '-C', 'enrolled-ek.ctx', '-i', 'credential', '-o', 'activated'];
  device.run('tpm2_activatecredential', ...activate, '-P', 'session:session.ctx');
  device.run('tpm2_flushcontext', 'session.ctx');
  assert.deepEqual(device.file('activated'), new Uint8Array(secret));
  const enroller = await issueCertificate({ subject: 'CN=enroller', keys: await newKeyPair('p256'), ca: true });
  const spki = createPublicKey(Buffer.from(device.file('enrolled.pem'))).export({ type: 'spki', format: 'der' });
  const keys = { ...(await newKeyPair('p256')), spki: new Uint8Array(spki) };
  const ak = await issueCertificate({ subject: 'CN=ak', keys, issuer: enroller, keyUsage: ['digitalSignature'] });
  const nonce = new Uint8Array(randomBytes(32));
  const ak_chain = new TextEncoder().encode(`${ak.pem}\n${enroller.pem}\n`);
  const files = { ak_chain, ak_public, ...quote(device, 'enrolled', PCR_0_7, nonce) } as EvidenceFiles;
  const anchors = [{ ...testAnchor(enroller, 'tpm'), source: 'operator' as const }];
  const verdict = await tpmEvidence(files, { at: now(), anchors, nonce });
  assert.deepEqual([verdict.authentic, verdict.acceptable], [true, true], verdict.summary);
  assert.deepEqual([verdict.root?.source, verdict.root?.assurance], ['operator', 'software-tpm']);
  assert.equal((await tpmEvidence(files, { at: now(), anchors: VENDOR_ANCHORS, nonce })).authentic, false);
});

test('both quotes of a session, made by a real TPM implementation, prove key, chain and launch register', async (t) => {
  const device = present(t);
  if (device === null) return;
  const { ak, ak_public } = enrol(device, 'pair', 'ecc', 'ecdsa');
  device.run('tpm2_pcrextend', `${LAUNCH_PCR}:sha256=${'ab'.repeat(32)}`);
  const nonce = new Uint8Array(randomBytes(64));
  const first = quote(device, 'pair', PCR_0_7, nonce.slice(0, 32));
  const second = quote(device, 'pair', PCR_0_15, quoteBinding(nonce));
  const seconds = Object.fromEntries(Object.entries(second).map(([role, bytes]) => [`second_${role}`, bytes]));
  const files = { ak, ak_public, ...first, ...seconds } as EvidenceFiles;
  const launch = hex(
    createHash('sha256')
      .update(Buffer.alloc(32))
      .update(Buffer.from('ab'.repeat(32), 'hex'))
      .digest(),
  );
  const policy = { tpm: { pcrs: { sha256: { [LAUNCH_PCR]: [launch] } } } };
  const verdict = await verifyQuotePair(files, nonce, { at: now(), anchors: [], policy });
  assert.deepEqual([verdict.authentic, verdict.acceptable], [true, true], verdict.summary);
  assert.equal(verdict.root?.assurance, 'software-tpm');
  const other = await verifyQuotePair(files, new Uint8Array(randomBytes(64)), { at: now(), anchors: [], policy });
  assert.equal(other.acceptable, false);
});

test('an NV index extended and certified by a real TPM implementation shows the step [D-43]', async (t) => {
  const device = present(t);
  if (device === null) return;
  const { ak } = enrol(device, 'nv', 'ecc', 'ecdsa');
  const nonce = new Uint8Array(randomBytes(32));
  const components = { code: 'a'.repeat(64), policy: 'b'.repeat(64), config: 'c'.repeat(64) };
  const digest = gatewayDigest(components);
  const index = '0x1500432';
  device.run(
    'tpm2_nvdefine',
    index,
    '-C',
    'o',
    '-g',
    'sha256',
    '-a',
    'nt=extend|ownerwrite|ownerread|authread|authwrite',
  );
  device.write('seed', createHash('sha256').update('cmcp-nv-index-initialised-v1').digest());
  device.write('digest', Buffer.from(digest, 'hex'));
  const certify = (phase: 'pre' | 'post'): Record<string, string> => {
    const output = ['-o', 'nv.sig', '--attestation', 'nv.msg', '--size', '32', '--offset', '0'];
    const signing = [
      '-C',
      'nv.ctx',
      '-c',
      'o',
      '-g',
      'sha256',
      '-s',
      'ecdsa',
      '-q',
      hex(nvQualifyingData(nonce, phase)),
    ];
    device.run('tpm2_nvcertify', ...signing, ...output, index);
    const base64 = (name: string) => Buffer.from(device.file(name)).toString('base64');
    return { [`${phase}_attest`]: base64('nv.msg'), [`${phase}_signature`]: base64('nv.sig') };
  };
  device.run('tpm2_nvextend', '-C', 'o', '-i', 'seed', index);
  const pre = certify('pre');
  device.run('tpm2_nvextend', '-C', 'o', '-i', 'digest', index);
  const envelope = { v: 1, ...pre, ...certify('post'), gateway_digest: digest, components };
  const nv_certify = new TextEncoder().encode(JSON.stringify(envelope));
  const verdict = await tpmEvidence({ ak, nv_certify } as EvidenceFiles, { at: now(), anchors: [], nonce });
  assert.deepEqual([verdict.authentic, verdict.acceptable], [true, true], verdict.summary);
  assert.equal(verdict.root?.assurance, 'software-tpm');
});
