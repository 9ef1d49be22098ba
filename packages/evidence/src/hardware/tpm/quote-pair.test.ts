import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { VENDOR_ANCHORS } from '../../roots/vendor.ts';
import { makeTpm, type QuoteFields, type TestTpm, type TpmPcrs } from '../../testing/tpm.ts';
import type { EvidenceFiles, EvidenceGiven } from '../given.ts';
import type { EvidenceVerdict } from '../verdict.ts';
import { merkleBatch } from './merkle-path.ts';
import { nvQualifyingData } from './nv-certify.ts';
import { gatewayDigest } from './nv-envelope.ts';
import { quoteBinding, verifyQuotePair } from './quote-pair.ts';

const AT = Date.UTC(2026, 6, 1) / 1000;
const NONCE = Uint8Array.from({ length: 64 }, (_, i) => i + 1);
const OTHER_CHAIN = Uint8Array.from(NONCE, (byte, i) => (i < 32 ? byte : byte ^ 1));
const OTHER_KEY = Uint8Array.from(NONCE, (byte, i) => (i < 32 ? byte ^ 1 : byte));
const FIRST = 'sha256:0,1,2,3,4,5,6,7';
const SECOND = `${FIRST},8,9,10,11,12,13,14,15`;
const LAUNCH = 'cd'.repeat(32);
const PCRS: TpmPcrs = { sha256: { 4: 'ab'.repeat(32), 11: LAUNCH } };

const shared: Promise<TestTpm> = makeTpm();

interface PairOptions {
  nonce?: Uint8Array;
  first?: { extraData?: Uint8Array; selection?: string; fields?: QuoteFields };
  second?: { extraData?: Uint8Array; selection?: string; fields?: QuoteFields; by?: TestTpm };
}

/** The files of a sound pair, but for what `options` change. */
async function pair({ nonce = NONCE, first = {}, second = {} }: PairOptions = {}): Promise<EvidenceFiles> {
  const tpm = await shared;
  const one = tpm.quote(first.extraData ?? nonce.subarray(0, 32), first.selection ?? FIRST, PCRS, first.fields);
  const signer = second.by ?? tpm;
  const two = signer.quote(second.extraData ?? quoteBinding(nonce), second.selection ?? SECOND, PCRS, second.fields);
  return {
    ...tpm.files,
    ...one,
    second_attest: two.attest,
    second_signature: two.signature,
    second_pcrs: two.pcrs,
  };
}

async function judged(
  files: EvidenceFiles,
  more: Partial<EvidenceGiven> = {},
  nonce = NONCE,
): Promise<EvidenceVerdict> {
  return verifyQuotePair(files, nonce, { at: AT, anchors: [(await shared).root], ...more });
}

function failing({ checks }: EvidenceVerdict): string[] {
  return checks.filter(({ outcome }) => outcome === 'failed').map(({ id }) => id);
}

test('both quotes of a session, by one key in one run, prove key and chain', async () => {
  const verdict = await judged(await pair());
  assert.deepEqual(
    [verdict.authentic, verdict.acceptable, verdict.root?.source],
    [true, true, 'test'],
    verdict.summary,
  );
  assert.equal(verdict.facts.second_pcr_selection, SECOND);
  const titles = verdict.checks.map(({ title }) => title);
  assert.equal(new Set(titles).size, titles.length);
  assert.ok(titles.includes('In the second quote: did the attestation key sign the quote?'));
  const production = await judged(await pair(), { anchors: VENDOR_ANCHORS });
  assert.equal(production.authentic, false);
});

test('the binding is SHA-256 over its label and the 64 bytes', () => {
  const expected = createHash('sha256').update('cmcp-tpm-bind-v1').update(NONCE).digest('hex');
  assert.equal(Buffer.from(quoteBinding(NONCE)).toString('hex'), expected);
});

test('without the second quote the chain is not proven, though the first be genuine [W-03]', async () => {
  const { second_attest: _, second_signature: __, second_pcrs: ___, ...first } = await pair();
  const verdict = await judged(first as EvidenceFiles);
  assert.deepEqual([verdict.authentic, verdict.acceptable], [true, null]);
  assert.equal(verdict.checks.find(({ id }) => id === 'tpm-second.quote')?.outcome, 'not checked');
});

test('the quotes of another session with the same key do not prove this chain [W-03]', async () => {
  const verdict = await judged(await pair({ nonce: OTHER_CHAIN }));
  assert.deepEqual([verdict.authentic, verdict.acceptable], [true, false]);
  assert.deepEqual(failing(verdict), ['tpm-second.extra_data']);
});

test('the quotes of another key prove nothing about this one', async () => {
  assert.deepEqual(failing(await judged(await pair({ nonce: OTHER_KEY }))), [
    'tpm.extra_data',
    'tpm-second.extra_data',
  ]);
});

test('nothing supplied is not authentic [D-39]', async () => {
  assert.deepEqual([(await judged({})).authentic, (await judged({})).acceptable], [false, false]);
});

test('the second quote is by the same attestation key', async () => {
  const other = await makeTpm({ sibling: await shared });
  const verdict = await judged(await pair({ second: { by: other } }));
  assert.equal(verdict.authentic, false);
  assert.deepEqual(failing(verdict), ['tpm-second.signature']);
});

test('both quotes are of one run of the machine, and the second is not the older one', async () => {
  for (const fields of [
    { resetCount: 2 },
    { restartCount: 1 },
    { clock: 999n },
    { qualifiedSigner: new Uint8Array(34) },
  ]) {
    const verdict = await judged(await pair({ second: { fields } }));
    assert.equal(verdict.authentic, false);
    assert.deepEqual(failing(verdict), ['tpm-second.same_run'], JSON.stringify(Object.keys(fields)));
  }
  assert.equal((await judged(await pair({ second: { fields: { clock: 1000n } } }))).authentic, true);
});

test('the first covers PCR 0 to 7 and the second PCR 0 to 15, and no others', async () => {
  for (const [options, id] of [
    [{ first: { selection: SECOND } }, 'tpm.selection'],
    [{ second: { selection: FIRST } }, 'tpm-second.selection'],
    [{ second: { selection: `${SECOND},23` } }, 'tpm-second.selection'],
  ] as [PairOptions, string][]) {
    const verdict = await judged(await pair(options));
    assert.deepEqual([verdict.acceptable, failing(verdict)], [false, [id]]);
  }
});

test('the measurement is asked of the first quote, reference values of the second', async () => {
  const files = await pair();
  const { measurement } = (await judged(files)).facts as { measurement: string };
  const wanted = (value: string) => ({ policy: { tpm: { pcrs: { sha256: { '11': [value] } } } } });
  assert.equal((await judged(files, { measurement, ...wanted(LAUNCH) })).acceptable, true);
  assert.deepEqual(failing(await judged(files, { measurement: `sha256:${LAUNCH}` })), ['tpm.measurement']);
  assert.deepEqual(failing(await judged(files, wanted('00'.repeat(32)))), ['tpm-second.reference_pcrs']);
});

/** A tree of RFC 9162 over `values`, and the path of each, by another way than the verifier's. */
function batch(values: readonly Uint8Array[]): { root: Buffer; path(index: number): string[] } {
  const sha256 = (...parts: Uint8Array[]): Buffer => createHash('sha256').update(Buffer.concat(parts)).digest();
  const split = (count: number): number => 2 ** Math.ceil(Math.log2(count) - 1);
  const root = (leaves: readonly Uint8Array[]): Buffer => {
    const [only] = leaves;
    if (only === undefined) throw new RangeError('no leaf');
    if (leaves.length === 1) return sha256(Uint8Array.of(0), only);
    const half = split(leaves.length);
    return sha256(Uint8Array.of(1), root(leaves.slice(0, half)), root(leaves.slice(half)));
  };
  const path = (index: number, leaves: readonly Uint8Array[]): string[] => {
    if (leaves.length === 1) return [];
    const half = split(leaves.length);
    const [left, right] = [leaves.slice(0, half), leaves.slice(half)];
    return index < half
      ? [...path(index, left), root(right).toString('hex')]
      : [...path(index - half, right), root(left).toString('hex')];
  };
  return { root: root(values), path: (index) => path(index, values) };
}

function pathFile(leaf_index: number, leaf_count: number, audit_path: readonly string[]): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(JSON.stringify({ leaf_index, leaf_count, audit_path }));
}

test('one quote over the root of a batch stands for each session of it, by its path, and for no other', async () => {
  for (const count of [1, 2, 3, 5, 8, 13]) {
    const values = Array.from({ length: count }, (_, i) => quoteBinding(Uint8Array.of(i)));
    for (const index of new Set([0, count >> 1, count - 1])) {
      values[index] = quoteBinding(NONCE);
      const { root, path } = batch(values);
      const files = await pair({ second: { extraData: root } });
      const second_path = pathFile(index, count, path(index));
      assert.equal((await judged({ ...files, second_path })).acceptable, true, `${index} of ${count}`);
      assert.equal((await judged({ ...files, second_path }, {}, OTHER_CHAIN)).acceptable, false);
      const longer = pathFile(index, count, [...path(index), '00'.repeat(32)]);
      assert.equal((await judged({ ...files, second_path: longer })).acceptable, false);
      values[index] = quoteBinding(Uint8Array.of(index));
    }
  }
});

test('the batch that a gateway makes is the tree of RFC 9162, and its paths are those that are read', () => {
  for (let count = 1; count <= 17; count++) {
    const values = Array.from({ length: count }, (_, i) => quoteBinding(Uint8Array.of(i)));
    const { root, path } = batch(values);
    const made = merkleBatch(values);
    assert.deepEqual(Buffer.from(made.root), root);
    assert.deepEqual(
      made.paths,
      values.map((_, i) => pathFile(i, count, path(i))),
    );
  }
  assert.throws(() => merkleBatch([]), RangeError);
});

/** An envelope about an NV index, certified by `tpm` for the key with this thumbprint. */
function continuity(tpm: TestTpm, thumbprint: Uint8Array): Uint8Array<ArrayBuffer> {
  const components = { code: 'a'.repeat(64), policy: 'b'.repeat(64), config: 'c'.repeat(64) };
  const gateway_digest = gatewayDigest(components);
  const before = Buffer.alloc(32, 5);
  const after = createHash('sha256').update(before).update(Buffer.from(gateway_digest, 'hex')).digest();
  const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');
  const pre = tpm.certifyNv(nvQualifyingData(thumbprint, 'pre'), before);
  const post = tpm.certifyNv(nvQualifyingData(thumbprint, 'post'), after);
  const certified = { pre_attest: base64(pre.attest), pre_signature: base64(pre.signature) };
  const extended = { post_attest: base64(post.attest), post_signature: base64(post.signature) };
  return new TextEncoder().encode(JSON.stringify({ v: 1, ...certified, ...extended, gateway_digest, components }));
}

test('an NV index certified for the key of the session shows continuity and nothing about code', async () => {
  const verdict = await judged({ ...(await pair()), nv_certify: continuity(await shared, NONCE.subarray(0, 32)) });
  assert.equal(verdict.acceptable, true, verdict.summary);
  const code = verdict.checks.find(({ id }) => id === 'tpm-nv.code');
  assert.equal(code?.outcome, 'asserted');
  assert.match(code?.detail ?? '', /^continuity only/);
});

test('an NV index certified for another key, or by another, is refused', async () => {
  const files = await pair();
  const other = await judged({ ...files, nv_certify: continuity(await shared, OTHER_KEY.subarray(0, 32)) });
  assert.deepEqual([other.acceptable, failing(other)], [false, ['tpm-nv.freshness']]);
  const stranger = await judged({ ...files, nv_certify: continuity(await makeTpm(), NONCE.subarray(0, 32)) });
  assert.deepEqual([stranger.authentic, failing(stranger)], [false, ['tpm-nv.signatures']]);
});

test('a quote over a root without a path, and a path beside a quote of one session, prove nothing', async () => {
  const { root, path } = batch([quoteBinding(NONCE), quoteBinding(OTHER_KEY)]);
  const over = await judged(await pair({ second: { extraData: root } }));
  assert.deepEqual(failing(over), ['tpm-second.extra_data']);
  const beside = await judged({ ...(await pair()), second_path: pathFile(0, 2, path(0)) });
  assert.deepEqual(failing(beside), ['tpm-second.extra_data']);
});

test('a path that has not its form is refused', async () => {
  const files = await pair();
  const texts = ['{}', '[]', '{"leaf_index":0,"leaf_count":1}', '{"leaf_index":1,"leaf_count":1,"audit_path":[]}'];
  const many = JSON.stringify({ leaf_index: 0, leaf_count: 1, audit_path: Array(54).fill('00'.repeat(32)) });
  for (const text of [...texts, '{"leaf_index":-1,"leaf_count":1,"audit_path":[]}', many]) {
    const verdict = await judged({ ...files, second_path: new TextEncoder().encode(text) });
    assert.equal(verdict.authentic, false, text.slice(0, 80));
  }
});

test('any bytes for the second quote give a verdict', async () => {
  const files = await pair();
  const roles = ['second_attest', 'second_signature', 'second_pcrs', 'second_path', 'second_event_log'];
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...roles), fc.uint8Array({ maxLength: 200 }), async (role, bytes) => {
      const verdict = await judged({ ...files, [role]: new Uint8Array(bytes) });
      assert.notEqual(verdict.acceptable, true);
    }),
    { numRuns: 60 },
  );
});
