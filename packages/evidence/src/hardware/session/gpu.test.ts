import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { encodeUtf8 } from '../../bytes/utf8.ts';
import { type Expectations, encodeHex, type Report, type SessionFile, stringifyJson, verify } from '../../index.ts';
import { keySet, makeToken, signSpdm, spdmReport, type TokenParts } from '../../testing/gpu.ts';
import { boundBytes, CLAIM_SECONDS, gpuChallengeOf, snpSession } from '../../testing/hardware-session.ts';
import { issueCertificate, newKeyPair, testAnchor } from '../../testing/pki.ts';
import { CATALOG_HASH, makeSession, newKey, POLICY_HASH } from '../../testing/session.ts';

const key = await newKey();
const { file, root, measurement } = await snpSession(key);
const service = await newKeyPair('p384');
const PINS: Expectations = {
  anchors: [{ ...root, source: 'vendor', assurance: 'silicon' }],
  policyHash: POLICY_HASH,
  catalogHash: CATALOG_HASH,
  measurement,
};
const KEYS: Expectations = { gpuServiceKeys: keySet(service) };

const item = (role: string, data: Uint8Array) => ({
  role: `nvidia/${role}`,
  media_type: 'x',
  data: Buffer.from(data).toString('base64'),
});
const found = ({ checks }: Report, id: string) => checks.find((each) => each.id === id);

/** The report on the session with these items of evidence beside it. */
function beside(items: SessionFile['evidence'], more: Expectations = {}): Promise<Report> {
  return verify(stringifyJson({ ...file, evidence: [...file.evidence, ...items] }), { ...PINS, ...more });
}

/** The answer of the service, made for this session unless `parts` say otherwise. */
const answer = (parts: TokenParts = {}): Promise<Uint8Array<ArrayBuffer>> =>
  makeToken(service, { nonce: encodeHex(gpuChallengeOf(file)), iat: CLAIM_SECONDS - 1, ...parts });
const token = async (parts: TokenParts = {}) => [item('eat', await answer(parts))];

test('the challenge of a GPU is SHA-256 over a label and the 64 bytes that bind key and chain', () => {
  const expected = createHash('sha256').update('cmcp-gpu-bind-v1').update(boundBytes(file)).digest();
  assert.deepEqual([...gpuChallengeOf(file)], [...expected]);
});

test('a session without evidence of a GPU is asked nothing about one, unless keys to check it are brought', async () => {
  const report = await beside([], {});
  assert.equal(report.verdict, 'verified');
  assert.equal(found(report, 'hardware.gpu'), undefined);
  const idle = await beside([], KEYS);
  assert.equal(idle.verdict, 'unverified');
  assert.equal(found(idle, 'hardware.gpu')?.outcome, 'not checked');
});

test('an answer of the service for this session is authentic under the keys that the relying party brings', async () => {
  const report = await beside(await token(), KEYS);
  assert.equal(report.verdict, 'verified');
  assert.equal(found(report, 'hardware.gpu')?.outcome, 'proven');
  for (const id of ['nvidia.signature', 'nvidia.nonce'])
    assert.equal(found(report, `hardware.${id}`)?.outcome, 'proven');
});

test('without the keys of the service nothing is shown: the session is not verified, and the flag is named', async () => {
  const report = await beside(await token());
  assert.equal(report.verdict, 'unverified');
  assert.equal(found(report, 'hardware.gpu')?.outcome, 'not checked');
  assert.deepEqual(report.lacking, ['--gpu-service-keys FILE']);
  assert.equal(found(report, 'key.pinned')?.outcome, 'proven', 'the platform is another question');
});

test('keys that the session file itself brings are not read', async () => {
  const report = await beside([...(await token()), item('jwks', keySet(service)), item('nonce', encodeUtf8('5a'))]);
  assert.equal(report.verdict, 'unverified');
  assert.equal(found(report, 'hardware.gpu')?.outcome, 'not checked');
  assert.match(found(report, 'file.read')?.detail ?? '', /evidence nvidia\/jwks, evidence nvidia\/nonce/);
});

test('an answer for another session, of another key, or that says no is refused', async () => {
  const other = (await snpSession(key)).file;
  const wrong: [string, string, Promise<SessionFile['evidence']>, Expectations][] = [
    ['another session', 'nvidia.nonce', token({ nonce: encodeHex(gpuChallengeOf(other)) }), KEYS],
    ['the bound bytes themselves', 'nvidia.nonce', token({ nonce: encodeHex(boundBytes(file)) }), KEYS],
    ['another key', 'nvidia.signature', token(), { gpuServiceKeys: keySet(await newKeyPair('p384')) }],
    ['it says no', 'nvidia.result', token({ overall: { 'x-nvidia-overall-att-result': false } }), KEYS],
    ['fewer GPUs than asked for', 'nvidia.gpus', token(), { ...KEYS, evidencePolicy: { nvidia: { gpus: 2 } } }],
    ['years ago', 'nvidia.time', token({ iat: CLAIM_SECONDS - 100_000_000 }), KEYS],
  ];
  for (const [what, id, evidence, more] of wrong) {
    const report = await beside(await evidence, more);
    assert.equal(report.verdict, 'refused', what);
    assert.equal(found(report, 'hardware.gpu')?.outcome, 'failed', what);
    assert.equal(found(report, `hardware.${id}`)?.outcome, 'failed', what);
  }
});

test('the measurements that a GPU signed itself are authentic and stay undecided: nothing compares them', async () => {
  const keys = await newKeyPair('p384');
  const issuer = await issueCertificate({ subject: 'CN=GPU root', keys: await newKeyPair('p384'), ca: true });
  const leaf = await issueCertificate({
    subject: 'CN=GPU',
    keys,
    issuer,
    serial: '02',
    keyUsage: ['digitalSignature'],
  });
  const chain = encodeUtf8(`${leaf.pem}\n${issuer.pem}\n`);
  const signed = async (nonce: Uint8Array) => [
    item('report', await signSpdm(spdmReport({ nonce }), keys)),
    item('chain', chain),
  ];
  const anchors = [...(PINS.anchors ?? []), testAnchor(issuer, 'nvidia-device')];
  const own = await beside(await signed(gpuChallengeOf(file)), { anchors });
  assert.equal(own.verdict, 'verified');
  assert.equal(found(own, 'hardware.gpu')?.outcome, 'not checked');
  const foreign = await beside(await signed(new Uint8Array(32)), { anchors });
  assert.equal(foreign.verdict, 'refused');
  assert.equal(found(foreign, 'hardware.gpu')?.outcome, 'failed');
  const rootless = await beside(await signed(gpuChallengeOf(file)));
  assert.notEqual(rootless.verdict, 'verified');
});

test('evidence of a GPU beside a software session is read by nobody, which keeps it from being verified', async () => {
  const software = await makeSession(key);
  const report = await verify(stringifyJson({ ...software, evidence: await token() }), {
    ...PINS,
    ...KEYS,
    keys: [{ x: key.x, source: 'given' }],
    acceptSoftware: true,
  });
  assert.equal(report.verdict, 'refused', 'the reference value is that of a platform');
  assert.equal(found(report, 'file.read')?.outcome, 'not checked');
});
