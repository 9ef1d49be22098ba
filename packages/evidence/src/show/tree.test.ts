import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Tree, treeLines, treeOf } from './tree.ts';

test('every value has one line, and a structure its members in order', () => {
  const value = {
    debug: false,
    smt: true,
    svn: 3,
    bits: 255n,
    name: 'x',
    none: null,
    absent: undefined,
    key: Uint8Array.of(1, 0xab),
    empty: new Uint8Array(),
    list: ['a', { b: 1 }],
    roles: new Map([['ak', new Set(['p', 'q'])]]),
    nothing: [],
  };
  assert.deepEqual(treeLines(treeOf('quote', value)), [
    'quote',
    '  debug: no',
    '  smt: yes',
    '  svn: 3',
    '  bits: 0xff',
    '  name: x',
    '  none: (none)',
    '  absent: (none)',
    '  key: 01ab',
    '  empty: (empty)',
    '  list',
    '    0: a',
    '    1',
    '      b: 1',
    '  roles',
    '    ak',
    '      0: p',
    '      1: q',
    '  nothing: (none)',
  ]);
  assert.deepEqual(treeLines(treeOf('a', 1), 2), ['    a: 1']);
});

test('a long run of bytes is cut, and the cut and the length are said', () => {
  assert.equal(treeOf('bytes', new Uint8Array(256)).value, '00'.repeat(256));
  assert.equal(treeOf('bytes', new Uint8Array(257)).value, `${'00'.repeat(256)}… (257 bytes)`);
});

test('a long list is cut, and what was left out is counted', () => {
  const list = (length: number) => treeOf('list', new Array(length).fill(0)).branches ?? [];
  assert.equal(list(2000).length, 2000);
  assert.deepEqual(list(2000).at(-1), { name: '1999', value: '0' });
  assert.equal(list(2005).length, 2001);
  assert.deepEqual(list(2005).at(-1), { name: '…', value: '5 more' });
});

test('what is nested deeper than a person reads is counted and not shown', () => {
  const nested = (depth: number): unknown => Array.from({ length: depth }).reduce((inner) => [inner], 'core');
  assert.match(treeLines(treeOf('x', nested(24))).at(-1) ?? '', /core/);
  const cut = treeLines(treeOf('x', nested(25)));
  assert.match(cut.at(-1) ?? '', /0: \(1 more inside, deeper than is shown\)$/);
  assert.equal(cut.length, 25);
  assert.equal(treeLines(treeOf('x', nested(2000))).length, 25);
});

test('any value gives a tree whose every node has either a value or branches', () => {
  const whole = (tree: Tree): boolean =>
    (tree.value === undefined) !== (tree.branches === undefined) && (tree.branches ?? []).every(whole);
  fc.assert(
    fc.property(fc.anything({ withBigInt: true, withMap: true, withSet: true, withTypedArray: true }), (value) => {
      const tree = treeOf('x', value);
      assert.ok(whole(tree));
      assert.ok(treeLines(tree).every((line) => typeof line === 'string'));
    }),
  );
});
