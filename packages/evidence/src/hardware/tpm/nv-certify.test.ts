import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { encodeHex } from '../../bytes/hex.ts';
import { VENDOR_ANCHORS } from '../../roots/vendor.ts';
import { makeTpm, type TestTpm, weakChain } from '../../testing/tpm.ts';
import type { EvidenceFiles, EvidenceGiven } from '../given.ts';
import type { EvidenceVerdict } from '../verdict.ts';
import { tpmEvidence } from './evidence.ts';
import { nvQualifyingData } from './nv-certify.ts';
import { gatewayDigest } from './nv-envelope.ts';

const AT = Date.UTC(2026, 6, 1) / 1000;
const NONCE = new Uint8Array(32).fill(3);
const COMPONENTS = { code: 'a'.repeat(64), policy: 'c'.repeat(64), config: 'b'.repeat(64) };
const SEED = createHash('sha256').update('cmcp-nv-index-initialised-v1').digest();

const shared: Promise<TestTpm> = makeTpm();

type Envelope = Record<string, unknown>;

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');

/** A sound envelope, certified by `tpm`. */
function envelope(tpm: TestTpm, nonce: Uint8Array = NONCE): Envelope {
  const digest = gatewayDigest(COMPONENTS);
  const after = createHash('sha256').update(SEED).update(Buffer.from(digest, 'hex')).digest();
  const pre = tpm.certifyNv(nvQualifyingData(nonce, 'pre'), SEED);
  const post = tpm.certifyNv(nvQualifyingData(nonce, 'post'), after);
  return {
    v: 1,
    pre_attest: base64(pre.attest),
    pre_signature: base64(pre.signature),
    post_attest: base64(post.attest),
    post_signature: base64(post.signature),
    gateway_digest: digest,
    components: COMPONENTS,
  };
}

function certified(tpm: TestTpm, phase: 'pre' | 'post', ...args: Parameters<TestTpm['certifyNv']>): Envelope {
  const { attest, signature } = tpm.certifyNv(...args);
  return { [`${phase}_attest`]: base64(attest), [`${phase}_signature`]: base64(signature) };
}

async function judged(
  content: Envelope,
  more: Partial<EvidenceGiven> = {},
  files?: EvidenceFiles,
): Promise<EvidenceVerdict> {
  const tpm = await shared;
  const nv_certify = new TextEncoder().encode(JSON.stringify(content));
  return tpmEvidence({ ...(files ?? tpm.files), nv_certify }, { at: AT, anchors: [tpm.root], nonce: NONCE, ...more });
}

function reasons({ checks }: EvidenceVerdict): string {
  return checks
    .filter(({ outcome }) => outcome === 'failed')
    .map(({ detail }) => detail)
    .join('; ');
}

test('qualifying data and gateway digest are those of the reference', () => {
  const zeros = new Uint8Array(32);
  assert.equal(
    encodeHex(nvQualifyingData(zeros, 'pre')),
    '2d410e4089bd0cdebd7c2c8f8125a2777f66aa916f1085e2f75a4045cc8d9db3',
  );
  assert.equal(
    encodeHex(nvQualifyingData(zeros, 'post')),
    'b71683cd70ab2137f75f524320ecfbe81fa540e7b8349a2b06e65f664069f062',
  );
  assert.equal(gatewayDigest(COMPONENTS), '76e5504ce3f6aebf1ebf68b7276af2f97f8db66948273ba7fc873caa8c236632');
});

test('a certified step of the index holds under its test root, under no production root, and says nothing about code', async () => {
  const content = envelope(await shared);
  const verdict = await judged(content);
  assert.deepEqual([verdict.authentic, verdict.acceptable], [true, true], verdict.summary);
  assert.equal(verdict.checks.find(({ id }) => id === 'tpm-nv.code')?.outcome, 'asserted');
  assert.equal((await judged(content, { anchors: VENDOR_ANCHORS })).authentic, false);
  assert.equal((await judged(content, {}, {})).authentic, false);
  const { attest } = (await shared).quote(NONCE, 'sha256:0');
  const unsigned = await judged(content, {}, { ...(await shared).files, attest });
  assert.equal(unsigned.authentic, false, 'a quote without its signature is not passed over');
});

test('what is not an envelope, or certifies something else, is refused by the name of the reference', async () => {
  const tpm = await shared;
  const sound = envelope(tpm);
  const { pre_attest: _, ...lacking } = sound;
  const quote = tpm.quote(NONCE, 'sha256:0');
  for (const [content, reason] of [
    [{ ...sound, v: 2 }, /unsupported_envelope_version/],
    [lacking, /malformed_envelope/],
    [{ ...sound, pre_attest: '*' }, /malformed_envelope/],
    [{ ...sound, extra: 1 }, /malformed_envelope/],
    [{ ...sound, post_attest: base64(quote.attest) }, /malformed_nv_certify: it is a quote/],
    [{ ...sound, ...certified(tpm, 'pre', NONCE, SEED, { offset: 1 }) }, /malformed_nv_certify: .*whole/],
    [{ ...sound, ...certified(tpm, 'pre', NONCE, SEED.subarray(1)) }, /malformed_nv_certify: .*whole/],
    [{ ...sound, ...certified(tpm, 'pre', NONCE, SEED, { type: 0x801c }) }, /malformed_nv_certify: .*0x801c/],
    [{ ...sound, post_signature: base64(Uint8Array.of(0, 1)) }, /malformed_signature/],
  ] as [Envelope, RegExp][]) {
    const verdict = await judged(content);
    assert.equal(verdict.authentic, false);
    assert.match(reasons(verdict), reason);
  }
});

test('signatures, index, digest and step are each refused by the name of the reference [D-43]', async () => {
  const tpm = await shared;
  const sound = envelope(tpm);
  const other = await makeTpm({ sibling: tpm });
  const foreign = envelope(other);
  const after = Buffer.from('11'.repeat(32), 'hex');
  const post = nvQualifyingData(NONCE, 'post');
  const genuine = createHash('sha256')
    .update(SEED)
    .update(Buffer.from(gatewayDigest(COMPONENTS), 'hex'))
    .digest();
  for (const [content, reason] of [
    [{ ...sound, pre_signature: foreign.pre_signature }, /^signature_invalid/],
    [{ ...sound, post_attest: foreign.post_attest, post_signature: foreign.post_signature }, /^signature_invalid/],
    [{ ...sound, ...certified(tpm, 'post', post, genuine, { indexName: new Uint8Array(34) }) }, /^index_mismatch/],
    [{ ...sound, gateway_digest: 'd'.repeat(64) }, /gateway_digest_mismatch/],
    [{ ...sound, components: { ...COMPONENTS, code: 'd'.repeat(64) } }, /^gateway_digest_mismatch/],
    [{ ...sound, ...certified(tpm, 'post', post, after) }, /^extend_relation_broken/],
  ] as [Envelope, RegExp][]) {
    const verdict = await judged(content);
    assert.equal(verdict.authentic, false);
    assert.match(reasons(verdict), reason);
  }
});

test('a certification that answers another challenge, or is the other of the two, is not acceptable', async () => {
  const tpm = await shared;
  const empty = await judged(envelope(tpm, new Uint8Array()), { nonce: new Uint8Array() });
  assert.deepEqual([empty.authentic, empty.acceptable], [true, false]);
  const old = await judged(envelope(tpm, new Uint8Array(32)));
  assert.deepEqual([old.authentic, old.acceptable], [true, false]);
  assert.match(reasons(old), /^pre_binding_mismatch/);
  const sound = envelope(tpm);
  const genuine = createHash('sha256')
    .update(SEED)
    .update(Buffer.from(gatewayDigest(COMPONENTS), 'hex'))
    .digest();
  const swapped = { ...sound, ...certified(tpm, 'post', nvQualifyingData(NONCE, 'pre'), genuine) };
  assert.match(reasons(await judged(swapped)), /^post_binding_mismatch/);
});

test('a certification signed with SHA-1, or by a key with SHA-1 in its chain, is not acceptable', async () => {
  const sound = await shared;
  const weak = await judged(envelope(sound), {}, { ak_chain: await weakChain(sound) });
  assert.deepEqual([weak.authentic, weak.acceptable], [true, false]);
  const tpm = await makeTpm({ scheme: 'rsassa', hash: 'sha1', sibling: await shared });
  const verdict = await judged(envelope(tpm), {}, tpm.files);
  assert.deepEqual([verdict.authentic, verdict.acceptable], [true, false]);
});

test('any altered envelope gives a verdict, and never a better one', async () => {
  const bytes = new TextEncoder().encode(JSON.stringify(envelope(await shared)));
  const tpm = await shared;
  await fc.assert(
    fc.asyncProperty(fc.nat(bytes.length - 1), fc.nat(255), async (at, value) => {
      const nv_certify = bytes.slice();
      // Either alphabet of base64 says the same.
      if (nv_certify[at] === value || /[-+_/]/.test(String.fromCharCode(value))) return;
      nv_certify[at] = value;
      const given = { at: AT, anchors: [tpm.root], nonce: NONCE };
      assert.notEqual((await tpmEvidence({ ...tpm.files, nv_certify }, given)).acceptable, true);
    }),
    { numRuns: 150 },
  );
});
