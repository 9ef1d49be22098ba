import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { sharedPath } from '../../../../tests/shared.ts';
import { encodeHex } from '../bytes/hex.ts';
import { parseJson } from '../json/parse.ts';
import { stringifyJson } from '../json/stringify.ts';
import type { JsonObject } from '../json/value.ts';
import { nodeHash } from '../merkle/hash.ts';
import { rootOf } from '../merkle/inclusion.ts';
import { altered, bitFlips, failures, open, outcomeOf } from '../testing/signed.ts';
import { leafHash } from './leaf.ts';
import { verifyAnchor } from './verify.ts';

const RECORD: JsonObject = { eat_profile: 'x', iat: 1_790_000_000, signature: 'AAAA' };
const SECONDS = '2026-09-21T14:13:20Z'; // 1,790,000,000

/** The root of the tree over `leaves`, by the definition: pairs are hashed, an odd last node moves up. */
function levels(leaves: Uint8Array[]): Uint8Array[][] {
  const all = [leaves];
  for (let level = leaves; level.length > 1; ) {
    const next: Uint8Array[] = [];
    for (let i = 0; i < level.length; i += 2) {
      const [left, right] = [level[i] as Uint8Array, level[i + 1]];
      next.push(right === undefined ? left : nodeHash(left, right));
    }
    all.push(next);
    level = next;
  }
  return all;
}

function pathOf(all: Uint8Array[][], index: number): Uint8Array[] {
  return all.slice(0, -1).flatMap((level, depth) => level[Math.floor(index / 2 ** depth) ^ 1] ?? []);
}

const leavesOf = (count: number) => Array.from({ length: count }, (_, i) => leafHash({ a: i }));
const topOf = (all: Uint8Array[][]) => all.at(-1)?.[0] as Uint8Array;

function batch(count: number, index: number): { entry: JsonObject; proof: JsonObject } {
  const leaves: Uint8Array[] = leavesOf(count);
  leaves[index] = leafHash(RECORD);
  const all = levels(leaves);
  return {
    entry: {
      ts: SECONDS,
      merkle_root: `sha256:${encodeHex(topOf(all))}`,
      leaf_count: count,
      producer: 'producer-1',
      batch_id: 'batch-1',
    },
    proof: { leaf_index: index, audit_path: pathOf(all, index).map((node) => `sha256:${encodeHex(node)}`) },
  };
}

const check = (record: JsonObject, entry: JsonObject, proof: JsonObject) =>
  verifyAnchor(record, stringifyJson(entry), stringifyJson(proof));

test('the golden tree of three leaves has its golden root', () => {
  const golden = '7394b118d7b0de44aad4650223d267c99bff5fd416b9c1cf28456481c711b57e';
  const all = levels(leavesOf(3));
  assert.equal(encodeHex(topOf(all)), golden);
  for (const index of [0, 1, 2]) {
    const root = rootOf(leafHash({ a: index }), index, 3, pathOf(all, index));
    assert.equal(encodeHex(root ?? new Uint8Array()), golden);
  }
});

test('the golden leaf of the sample claim is what registries hash', (t) => {
  const path = sharedPath('reference', 'wire-formats.md');
  if (path === null) return t.skip('the shared reference is not here');
  const line = readFileSync(path, 'utf8')
    .split('\n')
    .find((each) => each.startsWith('{"cmcp_version":"1.0"'));
  const claim = parseJson(line ?? '{}') as JsonObject;
  assert.equal(encodeHex(leafHash(claim)), '487767d41b4bd60ad90146955696ae3ff3dc4b5cb93b6e24ba899133219ccfd9');
});

test('every leaf of every tree up to 40 leaves is found in it, and in no place but its own', () => {
  for (let count = 1; count <= 40; count++) {
    const leaves = leavesOf(count);
    const all = levels(leaves);
    const top = encodeHex(topOf(all));
    for (let index = 0; index < count; index++) {
      const leaf = leaves[index] as Uint8Array<ArrayBuffer>;
      const path = pathOf(all, index);
      assert.equal(encodeHex(rootOf(leaf, index, count, path) ?? new Uint8Array()), top);
      for (let other = 0; other < count; other++) {
        const root = rootOf(leaf, other, count, path);
        if (other !== index)
          assert.notEqual(root === null ? '' : encodeHex(root), top, `${index} as ${other} of ${count}`);
      }
    }
  }
});

test('nothing, the wrong and the right proof: only the right one is proven', () => {
  const { entry, proof } = batch(5, 4);
  assert.deepEqual(open(verifyAnchor(RECORD, '', '')), ['anchor.form']);
  assert.deepEqual(failures(check({ ...RECORD, signature: 'AAAB' }, entry, proof)), ['anchor.inclusion']);
  assert.deepEqual(failures(check(RECORD, entry, batch(5, 3).proof)), ['anchor.inclusion']);
  const checks = check(RECORD, entry, proof);
  assert.deepEqual(open(checks), []);
  assert.equal(outcomeOf(checks, 'anchor.inclusion'), 'proven');
  assert.equal(outcomeOf(checks, 'anchor.time'), 'asserted');
});

test('a path that is too long, too short or reordered leads nowhere', () => {
  const { entry, proof } = batch(8, 5);
  const path = proof.audit_path as string[];
  for (const audit_path of [[], path.slice(1), path.slice(0, 2), [...path, path[0] ?? ''], path.toReversed()]) {
    assert.deepEqual(failures(check(RECORD, entry, { ...proof, audit_path })), ['anchor.inclusion']);
  }
});

test('an index outside the batch is refused, and one beyond 32 bits does not wrap around', () => {
  const { entry, proof } = batch(4, 1);
  for (const leaf_index of [4, 5, 2 ** 32 + 1, Number.MAX_SAFE_INTEGER]) {
    assert.deepEqual(failures(check(RECORD, entry, { ...proof, leaf_index })), ['anchor.inclusion']);
  }
  const wide = { ...entry, leaf_count: Number.MAX_SAFE_INTEGER };
  assert.deepEqual(failures(check(RECORD, wide, { ...proof, leaf_index: 2 ** 32 + 1 })), ['anchor.inclusion']);
  assert.equal(rootOf(leafHash(RECORD), 2 ** 32, 2 ** 32, []), null);
  assert.equal(rootOf(leafHash(RECORD), -1, 4, []), null);
  assert.equal(rootOf(leafHash(RECORD), 0.5, 4, []), null);
});

test('in a batch of 2^52 records the path has 52 siblings, and bits above 32 choose their sides', () => {
  const count = 2 ** 52;
  const index = 2 ** 51 + 1;
  const path = Array.from({ length: 52 }, (_, i) => leafHash({ sibling: i }));
  let root = leafHash(RECORD);
  for (const [depth, sibling] of path.entries()) {
    const right = Math.floor(index / 2 ** depth) % 2 === 1;
    root = right ? nodeHash(sibling, root) : nodeHash(root, sibling);
  }
  assert.deepEqual(rootOf(leafHash(RECORD), index, count, path), root);
  assert.equal(rootOf(leafHash(RECORD), index, count, path.slice(1)), null);
});

test('a node is never taken for a leaf, and a leaf never for a node', () => {
  const [a, b] = [leafHash({ a: 0 }), leafHash({ a: 1 })];
  const inner = nodeHash(a, b);
  assert.notDeepEqual(rootOf(inner, 0, 1, []), rootOf(leafHash({ a: 0 }), 0, 1, []));
  // A tree of two whose first leaf is a node of the other has another root than the tree of three or four.
  const three = topOf(levels(leavesOf(3)));
  assert.notDeepEqual(rootOf(a, 0, 2, [b]), three);
  // What a leaf is made of, with the prefix of a node, is another hash.
  const text = new TextEncoder().encode('{"a":0}');
  assert.notDeepEqual(nodeHash(text.subarray(0, 3), text.subarray(3)), a);
});

test('an only record is its own root, with an empty path and no other', () => {
  const { entry, proof } = batch(1, 0);
  assert.deepEqual(open(check(RECORD, entry, proof)), []);
  const longer = { ...proof, audit_path: [String(entry.merkle_root)] };
  assert.deepEqual(failures(check(RECORD, entry, longer)), ['anchor.inclusion']);
});

test('entry and proof have exactly their members, in exactly their forms', () => {
  const { entry, proof } = batch(3, 2);
  const entries: [string, unknown][] = [
    ['ts', '2026-09-21T14:13:20+00:00'],
    ['ts', 'yesterday Z'],
    ['merkle_root', String(entry.merkle_root).toUpperCase()],
    ['merkle_root', String(entry.merkle_root).slice(0, -2)],
    ['leaf_count', 0],
    ['leaf_count', '3'],
    ['producer', ''],
    ['batch_id', undefined],
    ['canonicalization_id', 'as-transmitted'],
  ];
  for (const [path, value] of entries) {
    assert.deepEqual(failures(check(RECORD, altered(entry, path, value), proof)), ['anchor.form'], path);
  }
  const proofs: [string, unknown][] = [
    ['leaf_index', -1],
    ['leaf_index', undefined],
    ['audit_path', 'none'],
    ['audit_path', ['sha256:00']],
    ['root', 'x'],
  ];
  for (const [path, value] of proofs) {
    assert.deepEqual(failures(check(RECORD, entry, altered(proof, path, value))), ['anchor.form'], path);
  }
});

test('a huge path is refused before anything is hashed', () => {
  const { entry, proof } = batch(3, 2);
  for (const length of [54, 900, 100_000]) {
    const audit_path = Array.from({ length }, () => String(entry.merkle_root));
    assert.deepEqual(failures(check(RECORD, entry, { ...proof, audit_path })), ['anchor.form']);
  }
});

test('a record with a number that is not an integer has no leaf', () => {
  const { entry, proof } = batch(2, 0);
  const record = parseJson('{"iat":1790000000,"deep":[{"x":1.5}]}') as JsonObject;
  const finding = check(record, entry, proof).find(({ id }) => id === 'anchor.inclusion');
  assert.match(finding?.detail ?? '', /not an integer/);
  // What no parser gave us is refused as well.
  assert.deepEqual(failures(check({ iat: 1_790_000_000, x: 0.5 }, entry, proof)), ['anchor.inclusion']);
});

test('a record cannot be anchored before it was issued, in either form of a signed record', () => {
  const { entry, proof } = batch(2, 0);
  const at = (record: JsonObject) => outcomeOf(check(record, entry, proof), 'anchor.order');
  assert.equal(at({ iat: 1_790_000_300 }), 'proven');
  assert.equal(at({ iat: 1_790_000_301 }), 'failed');
  assert.equal(at({ trace: { iat: 1_790_000_301 } }), 'failed');
  assert.equal(at({ trace: { iat: 1_789_000_000 } }), 'proven');
  assert.equal(at({}), 'not checked');
});

test('any bytes for entry and proof give checks, never an exception', () => {
  const { entry, proof } = batch(5, 2);
  const texts = [stringifyJson(entry), stringifyJson(proof), '[]', '{"__proto__":1}', `${'['.repeat(10_000)}`];
  fc.assert(
    fc.property(
      fc.oneof(fc.uint8Array({ maxLength: 200 }), fc.constantFrom(...texts), fc.json()),
      fc.oneof(fc.uint8Array({ maxLength: 200 }), fc.constantFrom(...texts), fc.json()),
      (left, right) => {
        const checks = verifyAnchor(RECORD, left, right);
        if (left !== texts[0] || right !== texts[1]) assert.notDeepEqual(failures(checks), []);
      },
    ),
    { numRuns: 500 },
  );
  assert.deepEqual(failures(verifyAnchor(RECORD, null as unknown as string, 7 as unknown as string)), ['anchor.form']);
});

test('a proof with any bit flipped is refused', () => {
  const { entry, proof } = batch(5, 2);
  for (const flipped of bitFlips(proof)) {
    assert.notDeepEqual(failures(verifyAnchor(RECORD, stringifyJson(entry), flipped)), []);
  }
});
