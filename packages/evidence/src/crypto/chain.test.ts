import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import type { AnchorPurpose, TrustAnchor } from '../hardware/given.ts';
import {
  type CertificateRequest,
  FROM_2020,
  issueCertificate,
  newKeyPair,
  signAgain,
  type TestCertificate,
  type TestKeyPair,
  testAnchor,
  UNTIL_2040,
} from '../testing/pki.ts';
import { buildChain, type Chain } from './chain.ts';
import { writeDer } from './der.ts';
import { type Certificate, parseCertificate } from './x509.ts';

const AT = Date.UTC(2026) / 1000;
const NULL = Uint8Array.of(5, 0);

let keys: TestKeyPair;
let otherKeys: TestKeyPair;
let root: TestCertificate;
let issuing: TestCertificate;
let leaf: TestCertificate;

before(async () => {
  keys = await newKeyPair('p256');
  otherKeys = await newKeyPair('p384');
  root = await issueCertificate({ subject: 'CN=Test Root, O=Test', keys, ca: true });
  issuing = await issueCertificate({ subject: 'CN=Test Issuing', keys: otherKeys, issuer: root, ca: true });
  leaf = await issueCertificate({ subject: 'CN=Test Device', keys, issuer: issuing });
});

/** The chain of `device` from `pool`, as the test root sees it at 2026. */
function chainOf(
  device: TestCertificate,
  pool: readonly TestCertificate[],
  other: { anchors?: readonly TrustAnchor[]; purpose?: AnchorPurpose; at?: number } = {},
): Promise<Chain> {
  const request = { anchors: [testAnchor(root, 'tpm')], purpose: 'tpm' as const, at: AT, ...other };
  return buildChain(
    device.certificate,
    pool.map((each) => each.certificate),
    request,
  );
}

async function refused(chain: Promise<Chain>, problem: RegExp): Promise<void> {
  const result = await chain;
  assert.ok(!result.ok, 'a chain was found');
  assert.match(result.problem, problem);
  assert.equal(result.unsupported, false);
}

/** A device under an issuing certificate that differs from the good one as `request` says. */
async function under(request: Partial<CertificateRequest>): Promise<[TestCertificate, TestCertificate[]]> {
  const ca = await issueCertificate({
    subject: 'CN=Test Issuing',
    keys: otherKeys,
    issuer: root,
    ca: true,
    ...request,
  });
  return [await issueCertificate({ subject: 'CN=Test Device', keys, issuer: ca }), [ca]];
}

const names = (path: readonly Certificate[]): (string | null)[] => path.map((each) => each.subject.commonName);

test('a chain is found from the leaf to the anchor, whether the root is supplied or comes with the anchor', async () => {
  const { certificate: _, ...bare } = testAnchor(root, 'tpm');
  for (const chain of [
    await chainOf(leaf, [issuing]),
    await chainOf(leaf, [root, issuing, leaf], { anchors: [bare] }),
    await chainOf(leaf, [leaf, issuing, issuing, root]),
  ]) {
    assert.ok(chain.ok);
    assert.deepEqual(names(chain.path), ['Test Device', 'Test Issuing', 'Test Root']);
    assert.equal(chain.anchor.source, 'test');
    assert.equal(chain.weak, false);
  }
});

test('nothing supplied, nothing trusted, or the root nowhere to be found is no chain', async () => {
  const { certificate: _, ...bare } = testAnchor(root, 'tpm');
  await refused(chainOf(leaf, []), /ends in "CN=Test Device".*not a trusted root.*its issuer "CN=Test Issuing"/);
  await refused(
    chainOf(leaf, [issuing, root], { anchors: [] }),
    /ends in "CN=Test Root", which is not a trusted root$/,
  );
  await refused(chainOf(leaf, [issuing], { anchors: [bare] }), /ends in "CN=Test Issuing".*its issuer "CN=Test Root/);
});

test('a forged root of the same name is not the root, alone or beside the genuine one', async () => {
  const forgedRoot = await issueCertificate({ subject: 'CN=Test Root, O=Test', keys: otherKeys, ca: true });
  const forged = await issueCertificate({ subject: 'CN=Test Device', keys, issuer: forgedRoot });
  const { certificate: _, ...bare } = testAnchor(root, 'tpm');
  await refused(chainOf(forged, [forgedRoot]), /ends in "CN=Test Root", which is not a trusted root/);
  await refused(chainOf(forged, [forgedRoot, root]), /ends in "CN=Test Root", which is not a trusted root/);
  await refused(
    chainOf(forged, [root]),
    /"CN=Test Device" is not issued by "CN=Test Root": its signature is not valid/,
  );
  await refused(chainOf(forged, [forgedRoot], { anchors: [bare] }), /not a trusted root/);
});

test('among certificates of one name the one whose key signed is found', async () => {
  const wrong = await issueCertificate({ subject: 'CN=Test Issuing', keys, issuer: root, ca: true, serial: '02' });
  const copies = Array.from({ length: 40 }, () => wrong);
  for (const pool of [
    [wrong, issuing],
    [...copies, issuing],
  ]) {
    const chain = await chainOf(leaf, pool);
    assert.ok(chain.ok);
    assert.equal(chain.path[1]?.fingerprint, issuing.certificate.fingerprint);
  }
});

test('every certificate of the chain must be valid at the time of the verifier, ends included', async () => {
  for (const request of [{ notAfter: AT - 1 }, { notBefore: AT + 1 }]) {
    const problem = 'notAfter' in request ? / expired at 2025-12-31T23:59:59Z/ : / is not yet valid: it is from 2026/;
    await refused(chainOf(...(await under(request))), new RegExp(`"CN=Test Issuing"${problem.source}`));
    const device = await issueCertificate({ subject: 'CN=Test Device', keys, issuer: issuing, ...request });
    await refused(chainOf(device, [issuing]), new RegExp(`"CN=Test Device"${problem.source}`));
  }
  await refused(chainOf(leaf, [issuing], { at: FROM_2020 - 1 }), /not yet valid/);
  await refused(chainOf(leaf, [issuing], { at: UNTIL_2040 + 1 }), /expired/);
  await refused(chainOf(leaf, [issuing], { at: Number.NaN }), /not yet valid/);
  for (const at of [FROM_2020, UNTIL_2040]) assert.ok((await chainOf(leaf, [issuing], { at })).ok);
});

test('an anchor that has expired, or may not issue, trusts nothing', async () => {
  for (const request of [{ notAfter: AT - 1 }, { ca: false }, { keyUsage: ['digitalSignature' as const] }]) {
    const weakRoot = await issueCertificate({ subject: 'CN=Other Root', keys: otherKeys, ca: true, ...request });
    const device = await issueCertificate({ subject: 'CN=Test Device', keys, issuer: weakRoot });
    const anchors = [testAnchor(weakRoot, 'tpm')];
    await refused(chainOf(device, [], { anchors }), /"CN=Other Root" (expired|is not a certification|may not sign)/);
  }
});

test('only a certification authority issues: a leaf, or a key that may not sign certificates, does not', async () => {
  await refused(chainOf(...(await under({ ca: false }))), /"CN=Test Issuing" is not a certification authority/);
  await refused(chainOf(...(await under({ keyUsage: ['cRLSign'] }))), /its key usage lacks keyCertSign/);
  assert.ok((await chainOf(...(await under({ keyUsage: null })))).ok, 'a CA without key usage may sign');
});

test('a path length is kept: it counts the certificates between an issuer and the leaf', async () => {
  assert.ok((await chainOf(...(await under({ ca: { pathLength: 0 } })))).ok);
  const [, [outer]] = await under({ ca: { pathLength: 0 } });
  assert.ok(outer !== undefined);
  const inner = await issueCertificate({ subject: 'CN=Inner', keys, issuer: outer, ca: true });
  const device = await issueCertificate({ subject: 'CN=Test Device', keys, issuer: inner });
  await refused(chainOf(device, [inner, outer]), /"CN=Test Issuing" allows 0 certificates between .*there are 1/);
});

test('a self-issued certificate does not count towards a path length', async () => {
  const [, [outer]] = await under({ ca: { pathLength: 0 } });
  assert.ok(outer !== undefined);
  const renewed = await issueCertificate({ subject: 'CN=Test Issuing', keys, issuer: outer, ca: true });
  const device = await issueCertificate({ subject: 'CN=Test Device', keys, issuer: renewed });
  assert.ok((await chainOf(device, [renewed, outer])).ok);
});

test('names must chain, whoever signed', async () => {
  const renamed = await issueCertificate({
    subject: 'CN=Test Device',
    keys,
    issuer: issuing,
    issuerName: 'CN=Test issuing',
  });
  await refused(chainOf(renamed, [issuing]), /ends in "CN=Test Device".*its issuer "CN=Test issuing"/);
});

test('a critical extension that is not understood is refused in any certificate', async () => {
  const extensions = [{ oid: '1.2.3.4', critical: true, value: NULL }];
  const harmless = [{ oid: '1.2.3.4', critical: false, value: NULL }];
  const device = await issueCertificate({ subject: 'CN=Test Device', keys, issuer: issuing, extensions });
  await refused(
    chainOf(device, [issuing]),
    /"CN=Test Device" has a critical extension that is not understood: 1\.2\.3\.4/,
  );
  const [below, pool] = await under({ extensions });
  await refused(chainOf(below, pool), /"CN=Test Issuing" has a critical extension/);
  assert.ok((await chainOf(...(await under({ extensions: harmless })))).ok);
});

test('a critical extended key usage must fit the purpose', async () => {
  const usage = (...arcs: number[]) => [
    { oid: '2.5.29.37', critical: true, value: writeDer(0x30, writeDer(6, Uint8Array.of(...arcs))) },
  ];
  const endorsement = usage(0x67, 0x81, 0x05, 0x08, 0x01);
  const serverAuth = usage(0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x01);
  assert.ok((await chainOf(...(await under({ extensions: endorsement })))).ok);
  await refused(
    chainOf(...(await under({ extensions: serverAuth }))),
    /is for another purpose.*1\.3\.6\.1\.5\.5\.7\.3\.1/,
  );
  const [below, pool] = await under({ extensions: endorsement });
  await refused(
    chainOf(below, pool, { purpose: 'amd-sev', anchors: [testAnchor(root, 'amd-sev')] }),
    /is for another purpose/,
  );
});

test('a root of one purpose does not vouch for another', async () => {
  const anchors = [testAnchor(root, 'nvidia-device')];
  await refused(
    chainOf(leaf, [issuing, root], { anchors }),
    /"CN=Test Root", which is trusted for nvidia-device, not tpm/,
  );
});

test('a leaf is its own anchor only when an operator or a test pinned it', async () => {
  const pin = testAnchor(leaf, 'tpm');
  for (const source of ['operator', 'test'] as const) {
    const chain = await chainOf(leaf, [], { anchors: [{ ...pin, source }] });
    assert.ok(chain.ok);
    assert.deepEqual(names(chain.path), ['Test Device']);
  }
  await refused(
    chainOf(leaf, [], { anchors: [{ ...pin, source: 'vendor' }] }),
    /is a root, and no certificate of a device/,
  );
  await refused(chainOf(leaf, [], { anchors: [{ ...pin, source: 'test' }], at: UNTIL_2040 + 1 }), /expired/);
});

test('the certificate that an anchor brings counts only when it is the pinned one', async () => {
  const stranger = await issueCertificate({ subject: 'CN=Test Root, O=Test', keys, ca: true, serial: '09' });
  for (const certificate of [stranger.der, Uint8Array.of(0x30, 0x00), new Uint8Array()]) {
    const anchors = [{ ...testAnchor(root, 'tpm'), certificate }];
    await refused(chainOf(leaf, [issuing], { anchors }), /its issuer "CN=Test Root" was given|not a trusted root/);
    assert.ok((await chainOf(leaf, [issuing, root], { anchors })).ok);
  }
});

test('the certificate of an anchor that is not the pinned one, or of another purpose, does not repair a chain', async () => {
  const anchor = testAnchor(root, 'tpm');
  const swapped = { ...anchor, certificate: issuing.der };
  await refused(chainOf(leaf, [root], { anchors: [swapped] }), /issuer "CN=Test Issuing" was given/);
  const other = testAnchor(issuing, 'nvidia-device');
  await refused(chainOf(leaf, [root], { anchors: [anchor, other] }), /issuer "CN=Test Issuing" was given/);
});

test('a link over SHA-1 is found and reported as weak; the signature of the root itself does not count', async () => {
  const old = await newKeyPair('rsa2048-sha1');
  const oldRoot = await issueCertificate({ subject: 'CN=Old Root', keys: old, ca: true });
  const device = await issueCertificate({ subject: 'CN=Old Device', keys, issuer: oldRoot });
  const weak = await chainOf(device, [], { anchors: [testAnchor(oldRoot, 'tpm')] });
  assert.ok(weak.ok && weak.weak);
  const pinned = await chainOf(oldRoot, [], { anchors: [testAnchor(oldRoot, 'tpm')] });
  assert.ok(pinned.ok && !pinned.weak);
});

test('RSA authorities are followed too, with either padding, and the padding is not interchangeable', async () => {
  for (const kind of ['rsa2048-pkcs1', 'rsa2048-pss'] as const) {
    const rsa = await newKeyPair(kind);
    const rsaRoot = await issueCertificate({ subject: 'CN=RSA Root', keys: rsa, ca: true });
    const device = await issueCertificate({ subject: 'CN=Device', keys, issuer: rsaRoot, serial: '00' });
    assert.equal(device.certificate.serial, '00');
    assert.ok((await chainOf(device, [], { anchors: [testAnchor(rsaRoot, 'tpm')] })).ok);
    const scheme = { kind: kind === 'rsa2048-pss' ? ('rsassa-pkcs1' as const) : ('rsassa-pss' as const) };
    const confused = { ...device.certificate, signatureScheme: { ...scheme, hash: 'sha256' as const, saltLength: 32 } };
    const request = { anchors: [testAnchor(rsaRoot, 'tpm')], purpose: 'tpm' as const, at: AT };
    assert.ok(!(await buildChain(confused, [], request)).ok);
  }
});

test('a chain longer than eight certificates is refused, one of eight is not', async () => {
  const path = [root];
  for (let i = 1; i <= 8; i++) {
    const issuer = path[i - 1];
    assert.ok(issuer !== undefined);
    path.push(await issueCertificate({ subject: `CN=Level ${i}`, keys, issuer, ca: true }));
  }
  const [seventh, eighth] = path.slice(7);
  assert.ok(seventh !== undefined && eighth !== undefined);
  assert.ok((await chainOf(seventh, path)).ok);
  await refused(chainOf(eighth, path), /the chain is longer than 8/);
});

test('certificates of one name, and certificates that issue each other in a circle, cost a bounded number of signatures', async () => {
  const crowd: TestCertificate[] = [];
  for (let i = 1; i <= 40; i++) {
    const serial = (i + 16).toString(16);
    crowd.push(await issueCertificate({ subject: 'CN=Crowd', keys, issuer: crowd[0] ?? root, ca: true, serial }));
  }
  const [first] = crowd;
  assert.ok(first !== undefined);
  const device = await issueCertificate({ subject: 'CN=Device', keys, issuer: first });
  const verified = await countSignatures(() =>
    refused(chainOf(device, crowd.slice(1)), /longer than 8|too many certificates|not a trusted root/),
  );
  assert.ok(verified > 8 && verified <= 32, `${verified} signatures`);
});

test('a certificate that signed itself is not tried above itself', async () => {
  const stranger = await issueCertificate({ subject: 'CN=Stranger', keys, ca: true });
  const device = await issueCertificate({ subject: 'CN=Device', keys, issuer: stranger });
  const chain = () => refused(chainOf(device, [stranger]), /ends in "CN=Stranger", which is not a trusted root/);
  assert.equal(await countSignatures(chain), 1);
});

/** How many signatures `work` has checked. */
async function countSignatures(work: () => Promise<void>): Promise<number> {
  const { verify } = crypto.subtle;
  let count = 0;
  crypto.subtle.verify = (...args) => {
    count++;
    return verify.apply(crypto.subtle, args);
  };
  try {
    await work();
  } finally {
    crypto.subtle.verify = verify;
  }
  return count;
}

test('an engine without the algorithm shows nothing to be wrong, and nothing to be right', async () => {
  const { importKey } = crypto.subtle;
  crypto.subtle.importKey = () => Promise.reject(new DOMException('no', 'NotSupportedError'));
  try {
    const chain = await chainOf(leaf, [issuing]);
    assert.ok(!chain.ok && chain.unsupported);
    assert.match(chain.problem, /algorithm that this engine lacks/);
  } finally {
    crypto.subtle.importKey = importKey;
  }
});

test('every bit of a signed certificate is covered: flipped, it is another certificate or none', async () => {
  const { der } = leaf;
  for (let bit = 0; bit < der.length * 8; bit++) {
    const flipped = Uint8Array.from(der);
    flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    assert.ok(!(await accepted(flipped)), `bit ${bit}`);
  }
});

async function accepted(der: Uint8Array<ArrayBuffer>): Promise<boolean> {
  try {
    const request = { anchors: [testAnchor(root, 'tpm')], purpose: 'tpm' as const, at: AT };
    return (await buildChain(parseCertificate(der), [issuing.certificate], request)).ok;
  } catch (error) {
    assert.equal((error as Error).name, 'FormatError');
    return false;
  }
}

test('a certificate that names another algorithm outside its signed part is refused', async () => {
  const outer = await signAgain(leaf.der, otherKeys, (tbs) => tbs);
  const sha256 = [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
  const start = outer.length - 120;
  const at = Buffer.from(outer).indexOf(Buffer.from([...sha256.slice(0, 7), 3]), start);
  assert.ok(at > 0);
  outer[at + 7] = 2;
  assert.throws(() => parseCertificate(outer), /two signature algorithms/);
});
