import assert from 'node:assert/strict';
import { after, before, type TestContext, test } from 'node:test';
import { encodeHex, sha256, verifyCollected, verifyEvidence } from '@cmcp/evidence';
import { noSoftwareTpm, type SoftwareTpm, startSoftwareTpm } from '../../../../../tests/support/software-tpm.ts';
import {
  beside,
  certify,
  collectOne,
  idsOf,
  isFailure,
  judged,
  now,
  openEnrolled,
  openProvider,
  random,
  temporaryFile,
} from '../../../../../tests/support/tpm-provider.ts';
import { newKeyPair } from '../../../../evidence/src/testing/pki.ts';
import type { CollectedEvidence } from '../types.ts';

const absent = noSoftwareTpm();
let device: SoftwareTpm | null = null;
before(() => {
  if (absent === null) device = startSoftwareTpm();
});
after(() => device?.stop());

/** The TPM of these tests; null after a visible skip, where none is installed. */
function present(t: TestContext): SoftwareTpm | null {
  if (device === null) t.skip(absent ?? 'no software TPM');
  return device;
}

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');

test('both quotes of a session, by an enrolled key, verify and are called those of a software TPM', async (t) => {
  const tpm = present(t);
  if (tpm === null) return;
  const { provider, root, heard } = await openEnrolled(t, tpm);
  assert.ok(
    heard.some((detail) => detail.startsWith('the TPM is a software TPM')),
    heard.join(),
  );
  const bound = random(64);
  const evidence = await collectOne(provider, bound);
  assert.equal(evidence.platform, 'tpm2');
  const verdict = await judged(evidence, bound, [root]);
  assert.deepEqual([verdict.authentic, verdict.acceptable], [true, true], verdict.summary);
  assert.deepEqual([verdict.root?.source, verdict.root?.assurance], ['operator', 'software-tpm']);
  for (const id of [
    'tpm.extra_data',
    'tpm-second.extra_data',
    'tpm-second.same_run',
    'tpm.ak_attributes',
    'tpm.measurement',
  ])
    assert.ok(idsOf(verdict, 'proven').includes(id), id);
  assert.equal(verdict.facts.firmware_version, evidence.firmwareVersion);
});

test('a key that nothing certifies still quotes, so that it can be enrolled, and its evidence convinces nobody', async (t) => {
  const tpm = present(t);
  if (tpm === null) return;
  const { provider } = await openProvider(t, tpm);
  const bound = random(64);
  const evidence = await collectOne(provider, bound);
  assert.equal(evidence.evidence.cert_chain, undefined);
  const verdict = await judged(evidence, bound);
  assert.deepEqual([verdict.authentic, verdict.root], [false, null]);
});

test('evidence of one session is not that of another, of another chain, or of another key', async (t) => {
  const tpm = present(t);
  if (tpm === null) return;
  const { provider, root } = await openEnrolled(t, tpm);
  const bound = random(64);
  const evidence = await collectOne(provider, bound);
  const failed = async (given: CollectedEvidence, asked = bound) => idsOf(await judged(given, asked, [root]), 'failed');
  assert.deepEqual(await failed(evidence, random(64)), ['tpm.extra_data', 'tpm-second.extra_data']);
  const otherChain = Uint8Array.of(...bound.subarray(0, 32), ...random(32));
  assert.deepEqual(await failed(evidence, otherChain), ['tpm-second.extra_data']);
  // Relayed: the quotes of a session that came before, in the place of this one's.
  const later = random(64);
  const own = await collectOne(provider, later);
  assert.deepEqual(await failed({ ...own, evidence: evidence.evidence }, later), ['tpm.extra_data']);
  assert.deepEqual(await failed({ ...evidence, beside: own.beside }, bound), ['tpm-second.extra_data']);
});

test('quotes of another key than the certified one are refused', async (t) => {
  const tpm = present(t);
  if (tpm === null) return;
  const { provider, root } = await openEnrolled(t, tpm);
  const bound = random(64);
  const evidence = await collectOne(provider, bound);
  tpm.run('tpm2_createek', '-G', 'ecc', '-c', 'ek.ctx', '-u', 'ek.pub');
  tpm.run(
    'tpm2_createak',
    '-C',
    'ek.ctx',
    '-c',
    'ak.ctx',
    '-G',
    'ecc',
    '-g',
    'sha256',
    '-s',
    'ecdsa',
    '-u',
    'ak.pub',
    '-n',
    'ak.name',
  );
  const challenge = ['-q', encodeHex(bound.subarray(0, 32)), '-m', 'q.msg', '-s', 'q.sig', '-g', 'sha256'];
  tpm.run('tpm2_quote', '-c', 'ak.ctx', '-l', 'sha256:0,1,2,3,4,5,6,7', ...challenge);
  const quoted = { raw_evidence: base64(tpm.file('q.msg')), quote_signature: base64(tpm.file('q.sig')) };
  const verdict = await judged({ ...evidence, evidence: { ...evidence.evidence, ...quoted } }, bound, [root]);
  assert.equal(verdict.authentic, false);
  assert.ok(idsOf(verdict, 'failed').includes('tpm.signature'));
});

test('one quote stands for fifty sessions that start at once, each by its path', async (t) => {
  const tpm = present(t);
  if (tpm === null) return;
  const { provider, root } = await openEnrolled(t, tpm);
  const thumbprint = random(32);
  const bound = Array.from({ length: 50 }, () => Uint8Array.of(...thumbprint, ...random(32)));
  const collected = await provider.collect(bound);
  assert.equal(collected.length, 50);
  const quotes = new Set(
    collected.flatMap((each) => [each.evidence.raw_evidence, encodeHex(beside(each, 'second_attest'))]),
  );
  assert.equal(quotes.size, 2);
  for (const [i, evidence] of collected.entries()) {
    const verdict = await judged(evidence, bound[i] ?? random(64), [root]);
    assert.equal(verdict.acceptable, true, verdict.summary);
  }
  const [first, second] = collected;
  const swapped = { ...first, beside: [...(second?.beside ?? [])] } as CollectedEvidence;
  assert.deepEqual(idsOf(await judged(swapped, bound[0] ?? random(64), [root]), 'failed'), ['tpm-second.extra_data']);
});

test('sessions of two keys in one batch have a first quote each', async (t) => {
  const tpm = present(t);
  if (tpm === null) return;
  const { provider, root } = await openEnrolled(t, tpm);
  const bound = [random(64), random(64), random(64)];
  for (const [i, evidence] of (await provider.collect(bound)).entries())
    assert.equal((await judged(evidence, bound[i] ?? random(64), [root])).acceptable, true);
  assert.deepEqual(await provider.collect([]), []);
  await assert.rejects(provider.collect([random(63)]), RangeError);
});

test('a certificate of another key is refused when the TPM is opened, and so is one that cannot be read', async (t) => {
  const tpm = present(t);
  if (tpm === null) return;
  const stranger = await certify((await newKeyPair('p256')).spki);
  const refused = async (akCertificate: string, why: RegExp) =>
    assert.rejects(openProvider(t, tpm, { akCertificate }), isFailure(why));
  await refused(temporaryFile(t, 'ak.pem', stranger.pem), /no attestation key that is the one in the certificate/);
  await refused('/nowhere/ak.pem', /ENOENT/);
  await refused(temporaryFile(t, 'ak.pem', 'text'), /PEM/);
});

test('a live statement is carried as its hash, over the registers of the launch too', async (t) => {
  const tpm = present(t);
  if (tpm === null) return;
  const { provider, root } = await openEnrolled(t, tpm);
  const statement = random(64);
  const { kind, files } = await provider.collectLive(statement);
  assert.equal(kind, 'tpm');
  const given = {
    at: now(),
    anchors: [root],
    policy: { tpm: { selection: 'sha256:0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15' } },
  };
  const verdict = await verifyEvidence('tpm', files, { ...given, userData: statement });
  assert.deepEqual([verdict.authentic, verdict.acceptable], [true, true], verdict.summary);
  assert.equal(verdict.facts.extra_data, encodeHex(sha256(statement)));
  const other = await verifyEvidence('tpm', files, { ...given, userData: random(64) });
  assert.deepEqual(idsOf(other, 'failed'), ['tpm.extra_data']);
});

test('the launch register is PCR 13: it is extended, not reset, and what resets others changes nothing that is relied on', async (t) => {
  const tpm = present(t);
  if (tpm === null) return;
  const { provider, root } = await openEnrolled(t, tpm);
  const before = await provider.launchRegister();
  assert.deepEqual([before.name, before.value], ['PCR 13', '00'.repeat(32)]);
  const digest = random(32);
  await provider.extend(digest);
  const launched = await provider.launchRegister();
  assert.equal(launched.value, before.after(digest));
  await assert.rejects(provider.extend(random(48)), RangeError);
  // An attacker as root: resets what can be reset, and extends it as the launch did.
  assert.throws(() => tpm.run('tpm2_pcrreset', '13'));
  tpm.run('tpm2_pcrreset', '16', '23');
  tpm.run('tpm2_pcrextend', `23:sha256=${encodeHex(digest)}`, `16:sha256=${encodeHex(digest)}`);
  assert.equal((await provider.launchRegister()).value, launched.value);
  const bound = random(64);
  const evidence = await collectOne(provider, bound);
  const policy = { tpm: { pcrs: { sha256: { '13': [launched.value] } } } };
  const verdict = await verifyCollected(evidence, bound, { at: now(), anchors: [root], policy });
  assert.equal(verdict?.acceptable, true, verdict?.summary);
  await provider.extend(digest);
  const changed = await verifyCollected(await collectOne(provider, bound), bound, {
    at: now(),
    anchors: [root],
    policy,
  });
  assert.deepEqual(changed && idsOf(changed, 'failed'), ['tpm-second.reference_pcrs']);
});

test('after a restart of the TPM the same key quotes again', async (t) => {
  const tpm = present(t);
  if (tpm === null) return;
  const { provider, root } = await openEnrolled(t, tpm);
  await collectOne(provider, random(64));
  tpm.restart();
  const bound = random(64);
  assert.equal((await judged(await collectOne(provider, bound), bound, [root])).acceptable, true);
});
