import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { encodeHex } from '../bytes/hex.ts';
import { sha256, sha256Hex } from '../crypto/sha256.ts';
import { canonicalManifest } from '../json/manifest-form.ts';
import type { JsonObject } from '../json/value.ts';
import { isConsistent } from '../merkle/consistency.ts';
import { merkleRoot } from '../merkle/root.ts';
import {
  AT,
  CATALOG,
  ed25519Signer,
  jsonBytes,
  POLICY,
  signJson,
  trusting,
  wholeManifest,
  withArtifacts,
} from '../testing/manifest.ts';
import { catalogTree } from './catalog-tree.ts';
import type { AuditChainContinuity, ManifestContext, RuntimeArtifacts } from './context.ts';
import type { ManifestReport } from './report.ts';
import { verifyManifest } from './verify.ts';

const signer = await ed25519Signer();
const leaves = Array.from({ length: 21 }, (_, i) => sha256(Uint8Array.of(i)));
const hash = (digit: string): string => `sha256:${digit.repeat(64)}`;

async function verdict(document: JsonObject, context: Partial<ManifestContext> = {}): Promise<ManifestReport> {
  return verifyManifest(jsonBytes(await signJson(document, signer)), { ...trusting(signer), ...context });
}

const BOUND: Record<string, [keyof RuntimeArtifacts, JsonObject]> = {
  system_prompt: ['systemPrompt', { hash: hash('1') }],
  policy_bundle: ['policyBundle', { hash: hash('1') }],
  tool_manifest: ['toolCatalog', { catalog_hash: hash('1') }],
  model_identity: ['modelVersion', { model_hash: hash('1'), version: 'm' }],
  rag_corpus: ['ragCorpus', { merkle_root: hash('1') }],
  memory_baseline: ['memorySnapshot', { snapshot_hash: hash('1') }],
  decision_trace: ['auditChainRoot', { audit_chain_root: hash('1') }],
  supply_chain: ['containerImage', { container_image_digest: hash('1') }],
};

test('each artifact: nothing, the wrong and the right value that runs', async () => {
  for (const [name, [runs, binding]] of Object.entries(BOUND)) {
    const document = withArtifacts({ [name]: binding });
    const field = (report: ManifestReport): string | undefined => (report.fields as Record<string, string>)[name];
    const outcome = (report: ManifestReport): string | undefined =>
      report.checks.find(({ id }) => id === `manifest.${name}`)?.outcome;
    const right = await verdict(document, { runtime: { [runs]: hash('1') } });
    assert.deepEqual([right.result, field(right), outcome(right)], ['VALID', 'MATCH', 'proven'], name);
    for (const wrong of [hash('2'), hash('1').toUpperCase(), '', `${hash('1')} `, '\ud800']) {
      const report = await verdict(document, { runtime: { [runs]: wrong } });
      assert.deepEqual([report.result, field(report), outcome(report)], ['MISMATCH', 'MISMATCH', 'failed'], name);
    }
    const nothing = await verdict(document);
    assert.deepEqual([nothing.result, field(nothing), outcome(nothing)], ['VALID', 'NOT_BOUND', 'not checked'], name);
    const unbound = await verdict(withArtifacts({ [name]: null, supply_chain: { bound_at: '2026-06-01T00:00:00Z' } }), {
      runtime: { [runs]: hash('1') },
    });
    assert.deepEqual([unbound.result, field(unbound), outcome(unbound)], ['VALID', 'NOT_BOUND', 'not checked'], name);
  }
});

test('strict: what is bound and not compared makes the result incomplete', async () => {
  const all = { systemPrompt: hash('a'), policyBundle: POLICY, toolCatalog: CATALOG, modelVersion: 'm-1' };
  assert.equal((await verdict(wholeManifest(), { runtime: all, strictArtifacts: true })).result, 'VALID');
  for (const left of Object.keys(all) as (keyof typeof all)[]) {
    const { [left]: _, ...rest } = all;
    const report = await verdict(wholeManifest(), { runtime: rest, strictArtifacts: true });
    assert.equal(report.result, 'INCOMPLETE', left);
    assert.match(report.summary, /nothing was given to compare/);
  }
});

test('a catalog is bound flat or as a Merkle root, and which of them it was is reported [C-08]', async () => {
  const tools = [
    { tool_id: 'com.example.b', schema_hash: hash('3'), description_hash: hash('4') },
    { tool_id: 'com.example.a', schema_hash: hash('1'), description_hash: hash('2') },
  ];
  const tree = catalogTree(tools);
  const document = withArtifacts({ tool_manifest: { catalog_hash: tree, tools } });
  const merkle = await verdict(document, { runtime: { toolCatalog: hash('9'), toolCatalogTree: tree } });
  assert.deepEqual(
    [merkle.result, merkle.facts?.catalog_form, merkle.facts?.catalog_is_tree_of_tools],
    ['VALID', 'merkle', true],
  );
  const flat = await verdict(wholeManifest(), { runtime: { toolCatalog: CATALOG, toolCatalogTree: tree } });
  assert.deepEqual(
    [flat.result, flat.facts?.catalog_form, flat.facts?.catalog_is_tree_of_tools],
    ['VALID', 'flat', false],
  );
  const neither = await verdict(wholeManifest(), { runtime: { toolCatalog: hash('9'), toolCatalogTree: tree } });
  assert.deepEqual([neither.result, neither.facts?.catalog_form], ['MISMATCH', null]);
  assert.equal(catalogTree([...tools].reverse()), tree);
});

test('the catalog tree is the one that is specified', () => {
  const leaf = (id: string, schema: string, description: string): Buffer =>
    Buffer.from(
      sha256(
        Buffer.concat([
          Buffer.of(0),
          Buffer.from(id),
          Buffer.of(0),
          Buffer.from(schema.repeat(64) + description.repeat(64), 'hex'),
        ]),
      ),
    );
  const node = (left: Buffer, right: Buffer): Buffer => Buffer.from(sha256(Buffer.concat([Buffer.of(1), left, right])));
  const entry = (tool_id: string, schema: string, description: string) => ({
    tool_id,
    schema_hash: hash(schema),
    description_hash: hash(description),
  });
  assert.equal(catalogTree([]), `sha256:${sha256Hex('')}`);
  assert.equal(catalogTree([entry('a', '1', '2')]), `sha256:${leaf('a', '1', '2').toString('hex')}`);
  const three = node(node(leaf('\uffff', '1', '2'), leaf('\u{10000}', '3', '4')), leaf('\u{10001}', '5', '6'));
  const tools = [entry('\u{10001}', '5', '6'), entry('\u{10000}', '3', '4'), entry('\uffff', '1', '2')];
  assert.equal(catalogTree(tools), `sha256:${three.toString('hex')}`);
  assert.throws(() => catalogTree([{ ...entry('a', '1', '2'), schema_hash: `shake256:${'1'.repeat(64)}` }]), {
    name: 'FormatError',
  });
});

test('an assessment that found something refuses, whoever signed it', async () => {
  const prompt = (result: string): JsonObject =>
    withArtifacts({ system_prompt: { hash: hash('a'), assurance_test: { result } } });
  const scan = (result: string): JsonObject => withArtifacts({ rag_corpus: { poisoning_scan: { result } } });
  assert.equal((await verdict(prompt('flagged'))).result, 'MISMATCH');
  assert.equal((await verdict(prompt('passed'))).result, 'VALID');
  assert.equal((await verdict(prompt('not-assessed'))).result, 'VALID');
  assert.equal((await verdict(scan('flagged'))).result, 'MISMATCH');
  assert.equal((await verdict(scan('clean'), { conformanceLevel: 1 })).result, 'VALID');
  assert.equal((await verdict(scan('not-scanned'))).result, 'VALID');
  assert.equal((await verdict(scan('not-scanned'), { conformanceLevel: 1 })).result, 'MISMATCH');
});

test('memory that was approved for a time that is over is not compared any more', async () => {
  const memory = (approved_at: string): JsonObject =>
    withArtifacts({ memory_baseline: { snapshot_hash: hash('1'), approved_at, ttl_seconds: 3600 } });
  const runtime = { memorySnapshot: hash('2') };
  const at = Date.UTC(2026, 8, 20, 13) / 1000;
  const over = await verdict(memory('2026-09-20T11:59:59Z'), { runtime, at });
  assert.deepEqual([over.result, over.fields.memory_baseline], ['VALID', 'EXPIRED']);
  assert.equal((await verdict(memory('2026-09-20T12:00:00Z'), { runtime, at })).fields.memory_baseline, 'MISMATCH');
});

test('the intent is named by the hash of its AMC form, and a challenge by its own nonce [C-10]', async () => {
  const intent = { statement: 'cafe\u0301' };
  const report = await verdict(wholeManifest({ intent }), { challenge: new Uint8Array(16) });
  assert.equal(report.facts?.intent_hash, `sha256:${sha256Hex('{"statement":"caf\u00e9"}')}`);
  assert.equal(report.facts?.runtime_nonce, sha256Hex(`am-runtime-nonce${'\0'.repeat(16)}`));
  assert.equal(
    (await verdict(wholeManifest({ intent: null }), { challenge: new Uint8Array(15) })).facts?.runtime_nonce,
    null,
  );
});

test('an attestation has to name the manifest: nothing, the wrong and the right hash', async () => {
  const signed = await signJson(wholeManifest(), signer);
  const own = `sha256:${sha256Hex(canonicalManifest(signed))}`;
  const attested = (block: unknown, enforceAttestation = false): Promise<ManifestReport> =>
    verifyManifest(jsonBytes({ ...signed, attestation: block as JsonObject }), {
      ...trusting(signer),
      enforceAttestation,
    });
  for (const enforce of [true, false]) {
    const right = await attested({ manifest_hash_in_report: own, platform: 'tpm' }, enforce);
    assert.deepEqual([right.result, right.attestation_verified], ['VALID', true]);
    for (const wrong of [hash('0'), own.toUpperCase(), 1, true, []]) {
      const report = await attested({ manifest_hash_in_report: wrong }, enforce);
      assert.deepEqual([report.result, report.attestation_verified], ['MISMATCH', false], String(wrong));
    }
    for (const nothing of [null, {}, { manifest_hash_in_report: '' }, { manifest_hash_in_report: null }]) {
      assert.equal((await attested(nothing, enforce)).result, enforce ? 'ATTESTATION_UNAVAILABLE' : 'VALID');
    }
  }
});

/** RFC 9162 section 2.1.4.1, by its recursive definition. */
function proof(size: number, of: Uint8Array[], whole = true): Uint8Array[] {
  if (size === of.length) return whole ? [] : [bytes(merkleRoot(of))];
  let split = 1;
  while (split * 2 < of.length) split *= 2;
  const [left, right] = [of.slice(0, split), of.slice(split)];
  return size <= split
    ? [...proof(size, left, whole), bytes(merkleRoot(right))]
    : [...proof(size - split, right, false), bytes(merkleRoot(left))];
}

const bytes = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, 'hex'));
const head = (size: number): { size: number; root: Uint8Array } => ({
  size,
  root: bytes(merkleRoot(leaves.slice(0, size))),
});

test('every tree is consistent with every tree that it grew from, by its proof and by no other', () => {
  for (let later = 1; later <= leaves.length; later++) {
    for (let earlier = 1; earlier <= later; earlier++) {
      const path = proof(earlier, leaves.slice(0, later));
      assert.ok(isConsistent(head(earlier), head(later), path), `${earlier} ${later}`);
      assert.ok(!isConsistent(head(earlier), head(later), [...path, leaves[0] ?? new Uint8Array()]));
      if (earlier < later) assert.ok(!isConsistent(head(earlier), head(later), path.slice(1)));
      if (earlier > 1) assert.ok(!isConsistent({ ...head(earlier), size: earlier - 1 }, head(later), path));
      if (earlier < later)
        assert.ok(!isConsistent({ ...head(earlier), root: sha256(head(earlier).root) }, head(later), path));
    }
  }
  assert.ok(!isConsistent({ ...head(1), size: 0 }, head(2), proof(1, leaves.slice(0, 2))));
  assert.ok(!isConsistent(head(3), head(2), []));
  // Proofs that would hold if sizes were not looked at first.
  const [left = new Uint8Array(), right = new Uint8Array()] = leaves;
  assert.ok(isConsistent({ size: 1, root: left }, head(2), [right]));
  assert.ok(!isConsistent({ size: 0, root: left }, head(2), [left, right]));
  assert.ok(!isConsistent({ size: 3, root: left }, head(2), [left, right]));
  const some = fc.array(fc.uint8Array({ minLength: 32, maxLength: 32 }), { maxLength: 8 });
  fc.assert(
    fc.property(
      fc.nat(),
      fc.nat(),
      some,
      (a, b, path) => !isConsistent({ ...head(5), size: a }, { ...head(9), size: b }, path),
    ),
  );
});

test('an audit chain that grew is EXTENDED only by proof, of the size that was signed, recent and under a new number', async () => {
  const chained = (count: number): string =>
    `sha256:${encodeHex(leaves.slice(1, count).reduce((chain, leaf) => sha256(Buffer.concat([Buffer.of(2), chain, leaf])), leaves[0] ?? new Uint8Array()))}`;
  const hex = (list: Uint8Array[]): string[] => list.map((one) => encodeHex(one));
  const kinds: [string, string, string, Partial<AuditChainContinuity>][] = [
    ['hash-chained', chained(3), chained(5), { appendedEntryLeaves: hex(leaves.slice(3, 5)) }],
    [
      'merkle-log',
      `sha256:${merkleRoot(leaves.slice(0, 3))}`,
      `sha256:${merkleRoot(leaves.slice(0, 5))}`,
      { consistencyProof: hex(proof(3, leaves.slice(0, 5))) },
    ],
  ];
  for (const [trace_type, signed, running, evidence] of kinds) {
    const document = withArtifacts({ decision_trace: { trace_type, audit_chain_root: signed, entry_count: 3 } });
    const growth = { signedTreeSize: 3, currentTreeSize: 5, signedSeq: 1, currentSeq: 2, ...evidence };
    const result = async (change: Partial<AuditChainContinuity> | null, root = running): Promise<string> => {
      const continuity = change === null ? {} : { auditChainContinuity: { ...growth, ...change } };
      const report = await verdict(document, { runtime: { auditChainRoot: root, ...continuity } });
      assert.equal(report.result, report.fields.decision_trace === 'MISMATCH' ? 'MISMATCH' : 'VALID');
      return report.fields.decision_trace;
    };
    assert.equal(await result({}), 'EXTENDED', trace_type);
    assert.equal(await result({}, signed), 'MATCH', trace_type);
    assert.equal(await result({ observedAt: AT - 300 }), 'EXTENDED', trace_type);
    assert.equal(await result(null), 'MISMATCH', trace_type);
    for (const wrong of [
      { signedTreeSize: 2 },
      { signedTreeSize: 0 },
      { currentTreeSize: 4 },
      { currentTreeSize: 2 },
      { currentTreeSize: 2 ** 40 },
      { currentSeq: 1 },
      { currentSeq: 0 },
      { observedAt: AT - 301 },
      { observedAt: Number.NaN },
      { ttlSeconds: -1 },
      { appendedEntryLeaves: [], consistencyProof: [] },
      { appendedEntryLeaves: ['zz'], consistencyProof: ['zz'] },
      { appendedEntryLeaves: ['00', '00'], consistencyProof: ['00'] },
    ]) {
      assert.equal(await result(wrong), 'MISMATCH', `${trace_type} ${JSON.stringify(wrong)}`);
    }
    assert.equal(await result({}, hash('7')), 'MISMATCH', trace_type);
    assert.equal(await result({}, `shake256:${'7'.repeat(64)}`), 'MISMATCH', trace_type);
  }
});

test('a chain whose size nobody signed is held to sizes that chains have, and to leaves that are hashes', async () => {
  const fold = (root: Uint8Array, appended: Uint8Array[]): string => {
    const folded = appended.reduce((chain, leaf) => sha256(Buffer.concat([Buffer.of(2), chain, leaf])), root);
    return `sha256:${encodeHex(folded)}`;
  };
  const [root = new Uint8Array()] = leaves;
  const grown = async (
    appended: Uint8Array[],
    [signedTreeSize, currentTreeSize]: [number, number],
    entry_count: number | null = null,
  ): Promise<string> => {
    const trace = { trace_type: 'hash-chained', audit_chain_root: `sha256:${encodeHex(root)}`, entry_count };
    const appendedEntryLeaves = appended.map((leaf) => encodeHex(leaf));
    const auditChainContinuity = { signedTreeSize, currentTreeSize, signedSeq: 1, currentSeq: 2, appendedEntryLeaves };
    const runtime = { auditChainRoot: fold(root, appended), auditChainContinuity };
    return (await verdict(withArtifacts({ decision_trace: trace }), { runtime })).fields.decision_trace;
  };
  const two = leaves.slice(1, 3);
  assert.equal(await grown(two, [1, 3]), 'EXTENDED');
  assert.equal(await grown(two, [1, 3], 1), 'EXTENDED');
  assert.equal(await grown(two, [1, 3], 2), 'MISMATCH');
  assert.equal(await grown(two, [0, 2]), 'MISMATCH');
  assert.equal(await grown(two, [2.5, 4.5]), 'MISMATCH');
  assert.equal(await grown([new Uint8Array(33), root], [1, 3]), 'MISMATCH');
});
