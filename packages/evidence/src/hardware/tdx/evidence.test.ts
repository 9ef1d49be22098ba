import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { sharedPath } from '../../../../../tests/shared.ts';
import { VENDOR_ANCHORS } from '../../roots/vendor.ts';
import { makeTdx, TDX_AT } from '../../testing/tdx.ts';
import { joinBytes } from '../../testing/tdx-quote.ts';
import { type VectorCase, vectorCases } from '../../testing/vectors.ts';
import type { EvidenceFiles } from '../given.ts';
import type { EvidenceVerdict } from '../verdict.ts';
import { tdxEvidence } from './evidence.ts';

type Bytes = Uint8Array<ArrayBuffer>;

const SOUND = await makeTdx({ version: 5 });

function judge(files: EvidenceFiles, at = SOUND.at): Promise<EvidenceVerdict> {
  return tdxEvidence(files, { at, anchors: [SOUND.root] });
}

function genuine(id: string): VectorCase | null {
  return vectorCases('tdx', 'intel-sgx')?.find((each) => each.id === id) ?? null;
}

function production(each: VectorCase, files: EvidenceFiles): Promise<EvidenceVerdict> {
  return tdxEvidence(files, { at: each.at, anchors: VENDOR_ANCHORS });
}

/** A copy with one bit of byte `at` turned over. */
function flipped(bytes: Bytes, at: number, bit = at % 8): Bytes {
  const copy = bytes.slice();
  copy[at] = (copy[at] ?? 0) ^ (1 << bit);
  return copy;
}

function range(from: number, to: number, step = 1): number[] {
  return Array.from({ length: Math.ceil((to - from) / step) }, (_, i) => from + i * step);
}

interface Params {
  trust: string;
  tcb_status?: string;
  trailing_bytes?: number;
  trailing_zero?: boolean;
  rtmr_replay?: number[];
}

function paramsOf(id: string): Params {
  const path = join(sharedPath('vectors') ?? '', 'manifest.json');
  const cases = JSON.parse(readFileSync(path, 'utf8')) as { id: string; params: Params }[];
  return cases.find((each) => each.id === id)?.params ?? { trust: '' };
}

test('every genuine quote and every natural negative has the verdict that is known for it', async (t) => {
  const cases = vectorCases('tdx', 'intel-sgx');
  if (cases === null) return t.skip('no shared vectors');
  for (const each of cases) {
    const { authentic, acceptable, facts, root } = await production(each, each.files);
    assert.equal(authentic, each.expect.authentic, each.id);
    if (each.expect.acceptable !== null) assert.equal(acceptable, each.expect.acceptable, each.id);
    else assert.notEqual(acceptable, true, each.id);
    const params = paramsOf(each.id);
    if (params.tcb_status !== undefined) assert.equal(facts.tcb_status, params.tcb_status, each.id);
    if (each.files.tcb_info === undefined && authentic) assert.equal(facts.tcb_status, 'unknown', each.id);
    if (params.trailing_bytes !== undefined) assert.equal(facts.trailing_bytes, params.trailing_bytes, each.id);
    if (params.trailing_zero !== undefined) assert.equal(facts.trailing_zero, params.trailing_zero, each.id);
    if (params.rtmr_replay !== undefined) assert.equal(facts.rtmr_replay, params.rtmr_replay.join(','), each.id);
    if (authentic) assert.equal(root?.source, params.trust === 'test-root' ? 'test' : 'vendor', each.id);
  }
});

test('nothing supplied is neither authentic nor acceptable, and what is lacking is said', async () => {
  const verdict = await judge({});
  assert.deepEqual([verdict.authentic, verdict.acceptable, verdict.root], [false, false, null]);
  assert.deepEqual(
    verdict.checks.map(({ id, outcome, remedy }) => [id, outcome, remedy]),
    [['tdx.quote', 'not checked', '--file quote=FILE']],
  );
  assert.match(verdict.summary, /no quote was supplied/);
  const inherited = Object.create({ quote: SOUND.files.quote }) as EvidenceFiles;
  assert.equal((await judge(inherited)).authentic, false);
});

test('something else than a quote is refused, whatever collateral comes with it', async () => {
  for (const quote of [new Uint8Array(), new Uint8Array(5000), new Uint8Array(Buffer.from('{"quote":1}'))]) {
    const verdict = await judge({ ...SOUND.files, quote });
    assert.deepEqual([verdict.authentic, verdict.acceptable], [false, false]);
    assert.equal(verdict.checks[0]?.outcome, 'failed');
  }
});

test('a made quote is authentic and acceptable under its test root, and nothing under the roots of production', async () => {
  for (const chain of ['pem', 'der', 'beside'] as const) {
    for (const version of [4, 5] as const) {
      const { files, at, root } = await makeTdx({ version, chain });
      const verdict = await tdxEvidence(files, { at, anchors: [root] });
      assert.deepEqual([verdict.authentic, verdict.acceptable, verdict.root?.source], [true, true, 'test']);
      assert.equal(verdict.facts.tcb_status, 'UpToDate');
      const refused = await tdxEvidence(files, { at, anchors: VENDOR_ANCHORS });
      assert.deepEqual([refused.authentic, refused.acceptable, refused.root], [false, false, null]);
      assert.equal(refused.facts.tcb_status, 'unknown');
    }
  }
});

test('a test root that the relying party gives is the only one that is trusted, and the verdict says so', async (t) => {
  const test_root = SOUND.pki.root.der;
  const verdict = await tdxEvidence({ ...SOUND.files, test_root }, { at: TDX_AT, anchors: VENDOR_ANCHORS });
  assert.deepEqual([verdict.authentic, verdict.acceptable, verdict.root?.source], [true, true, 'test']);
  const garbled = await judge({ ...SOUND.files, test_root: Uint8Array.of(1) });
  assert.deepEqual([garbled.authentic, garbled.root], [false, null]);
  assert.equal(garbled.checks.find(({ id }) => id === 'tdx.test_root')?.outcome, 'failed');
  const each = genuine('phala-v4');
  if (each === null) return t.skip('no shared vectors');
  assert.equal((await production(each, { ...each.files, test_root })).authentic, false);
});

test('a root for other evidence vouches for no quote', async () => {
  const { files, at, root } = SOUND;
  const verdict = await tdxEvidence(files, { at, anchors: [{ ...root, purposes: ['amd-sev', 'tpm'] }] });
  assert.equal(verdict.authentic, false);
});

test('a file without a role is named as not read', async () => {
  const verdict = await judge({ ...SOUND.files, vcek: Uint8Array.of(1) });
  const check = verdict.checks.find(({ id }) => id === 'tdx.roles');
  assert.deepEqual([verdict.acceptable, check?.outcome, check?.detail.includes('vcek')], [true, 'not checked', true]);
});

test('a genuine quote with any byte changed that a signature covers is not authentic', async (t) => {
  const [v4, v5] = [genuine('phala-v4'), genuine('go-tdx-guest-v5-td15')];
  if (v4 === null || v5 === null) return t.skip('no shared vectors');
  for (const [each, end, step] of [
    [v4, 632, 3],
    [v5, 702, 7],
  ] as const) {
    const quote = each.files.quote as Bytes;
    const qe = end + 4 + 128 + 6;
    const signed = [
      ...range(0, end, step),
      ...range(end + 4, end + 4 + 128, step),
      ...range(qe, qe + 448 + 2 + 32, step),
    ];
    for (const at of signed) {
      const { authentic } = await production(each, { quote: flipped(quote, at) });
      assert.equal(authentic, false, `${each.id}: byte ${at}`);
    }
  }
});

test('a certificate of the PCK chain with any byte changed makes the quote not authentic', async () => {
  const { files, at, root, pki } = await makeTdx({ chain: 'beside', collateral: false });
  const certificates = joinBytes(pki.pck.der, pki.ca.der);
  const given = { at, anchors: [root] };
  assert.equal((await tdxEvidence({ ...files, pck_chain: certificates }, given)).authentic, true);
  for (const offset of range(0, certificates.length, 3)) {
    const { authentic } = await tdxEvidence({ ...files, pck_chain: flipped(certificates, offset) }, given);
    assert.equal(authentic, false, `byte ${offset}`);
  }
});

test('genuine collateral with any byte changed makes the quote not acceptable', async (t) => {
  const each = genuine('phala-v4');
  if (each === null) return t.skip('no shared vectors');
  const { collateral: _, ...files } = each.files;
  assert.equal((await production(each, files)).acceptable, true);
  const refused = async (role: string, offset: number, bit?: number) => {
    const changed = { ...files, [role]: flipped(files[role] as Bytes, offset, bit) };
    const { authentic, acceptable } = await production(each, changed);
    assert.deepEqual([authentic, acceptable], [true, false], `${role}: byte ${offset}`);
  };
  for (const [role, step] of [
    ['pck_crl', 23],
    ['root_crl', 3],
  ] as const) {
    for (const offset of range(0, files[role]?.length ?? 0, step)) await refused(role, offset);
  }
  for (const [role, step] of [
    ['tcb_info', 19],
    ['qe_identity', 5],
  ] as const) {
    const text = Buffer.from(files[role] ?? []).toString();
    const signature = text.indexOf('"signature":"');
    for (const offset of range(text.indexOf(':') + 1, signature - 1, step)) await refused(role, offset);
    // The other case of a hex digit is the same digit, so one certain bit.
    for (const offset of range(signature + 13, text.length - 2, step)) await refused(role, offset, 0);
  }
});

test('any bytes in any roles give a verdict, and never a good one', async () => {
  const roles = ['quote', 'pck_chain', 'tcb_info', 'tcb_chain', 'qe_identity', 'qe_chain', 'pck_crl', 'root_crl'];
  const all = [...roles, 'pck_crl_chain', 'collateral', 'report_data', 'event_log', 'event_log_table', '__proto__'];
  const files = fc.dictionary(fc.constantFrom(...all), fc.uint8Array({ maxLength: 300 }), { maxKeys: 14 });
  await fc.assert(
    fc.asyncProperty(files, fc.double(), async (random, at) => {
      const bytes = Object.fromEntries(Object.entries(random).map(([role, value]) => [role, new Uint8Array(value)]));
      assert.equal((await judge(bytes, at)).authentic, false);
      const { quote: _, ...others } = bytes;
      const verdict = await judge({ ...SOUND.files, ...others }, at);
      assert.equal(typeof verdict.summary, 'string');
    }),
    { numRuns: 100 },
  );
});

test('sound evidence with bytes overwritten, cut or repeated gives a verdict', async () => {
  const files: Record<string, Bytes> = { ...SOUND.files, collateral: SOUND.bundle };
  const role = fc.constantFrom(...Object.keys(files));
  const edit = fc.tuple(role, fc.nat(6000), fc.uint8Array({ maxLength: 8 }), fc.nat(3));
  await fc.assert(
    fc.asyncProperty(fc.array(edit, { minLength: 1, maxLength: 3 }), async (edits) => {
      const changed = { ...files };
      for (const [name, offset, value, how] of edits) {
        const bytes = (changed[name] as Bytes).slice();
        const at = offset % bytes.length;
        if (how === 0) changed[name] = bytes.slice(0, at);
        else if (how === 1) changed[name] = joinBytes(bytes, bytes);
        else if (how === 2) changed[name] = joinBytes(bytes.slice(0, at), value, bytes.slice(at));
        else bytes.set(value.subarray(0, bytes.length - at), at);
        if (how === 3) changed[name] = bytes;
      }
      const verdict = await judge(changed);
      assert.ok(verdict.checks.length > 0);
    }),
    { numRuns: 150 },
  );
});

test('a challenge in the role nonce is open until user data that holds it is compared', async () => {
  const nonce = (text: string) => ({ ...SOUND.files, nonce: new TextEncoder().encode(text) });
  const open = await judge(nonce('5b'.repeat(64)));
  assert.deepEqual([open.authentic, open.acceptable], [true, null]);
  const userData = new TextEncoder().encode(String((await judge(SOUND.files)).facts.report_data));
  assert.equal((await judge({ ...nonce('5b'.repeat(64)), report_data: userData })).acceptable, null);
  const text = new TextDecoder().decode(userData);
  assert.equal((await judge({ ...nonce(text), report_data: userData })).acceptable, true);
  assert.equal((await judge(nonce('zz'))).acceptable, false);
});
