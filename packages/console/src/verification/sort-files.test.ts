import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { GivenFile } from './given-file.ts';
import { type Sorted, sortFiles } from './sort-files.ts';

const KEY = { kty: 'OKP', crv: 'Ed25519', x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo' };
const CLAIM = { trace: {}, gateway: { session_id: 's-1' }, signature: '' };
const BUNDLE = { session_id: 's-1', entries: [], bundle_signature: '' };
const RECEIPT = { call_id: 'c', session_id: 's-1' };

function sorted(files: Record<string, unknown>): Sorted {
  return sortFiles(
    Object.entries(files).map(([name, content], id): GivenFile => {
      const text = typeof content === 'string' ? content : JSON.stringify(content);
      return { id, name, bytes: new TextEncoder().encode(text) };
    }),
  );
}

test('files are told apart by what is in them, not by their names', () => {
  const found = sorted({
    'a.txt': { format: 'cmcp-session/1' },
    'b.json': KEY,
    'c.pem': KEY.x,
    'd.json': RECEIPT,
    'e.json': [{ 'io.cmcp/call': RECEIPT }, RECEIPT],
  });
  assert.deepEqual(
    found.sessions.map(({ name }) => name),
    ['a.txt'],
  );
  assert.deepEqual(
    found.keys.map(({ name }) => name),
    ['b.json', 'c.pem'],
  );
  assert.equal(found.receipts.length, 3);
  assert.deepEqual(found.strangers, []);
});

test('a claim and the bundle of its session are one input; one without the other is said to be missing it', () => {
  assert.deepEqual(
    sorted({ 'c.json': CLAIM, 'b.json': BUNDLE }).sessions.map(({ name }) => name),
    ['c.json + b.json'],
  );
  const apart = sorted({ 'c.json': CLAIM, 'b.json': { ...BUNDLE, session_id: 's-2' } });
  assert.deepEqual(apart.sessions, []);
  assert.deepEqual(apart.strangers, [
    { name: 'c.json', why: 'the audit bundle of its session is missing' },
    { name: 'b.json', why: 'the claim of its session is missing' },
  ]);
  const doubled = JSON.stringify(CLAIM).replace('"trace":', '"trace":0,"trace":');
  assert.match(sorted({ 'c.json': doubled, 'b.json': BUNDLE }).strangers[0]?.why ?? '', /not strict JSON/);
});

test('the entries of a long session go to the session that names them, and to no other', () => {
  const session = { format: 'cmcp-session/1', bundle: { entries_file: { name: 'a.cmcp.ndjson' } } };
  const found = sorted({ 'a.cmcp.json': session, 'a.cmcp.ndjson': '{}\n', 'b.cmcp.ndjson': '{}\n' });
  assert.equal(found.sessions[0]?.places.entries?.name, 'a.cmcp.ndjson');
  assert.deepEqual(
    found.strangers.map(({ name }) => name),
    ['b.cmcp.ndjson'],
  );
});

test('what was meant as a session is handed to the verifier even when it cannot be read', () => {
  const found = sorted({ 'a.cmcp.json': 'no', 'b.json': '{"format":', 'c.cmcp.json': [], 'd.md': 'no' });
  assert.deepEqual(
    found.sessions.map(({ name }) => name),
    ['a.cmcp.json', 'b.json', 'c.cmcp.json'],
  );
  assert.deepEqual(
    found.strangers.map(({ name }) => name),
    ['d.md'],
  );
});

test('no file is lost and none is an error, whatever is in it', () => {
  const name = fc.constantFrom('a.json', 'a.cmcp.json', 'a.ndjson', 'a');
  const members = fc.constantFrom(
    'format',
    'trace',
    'gateway',
    'entries',
    'bundle_signature',
    'call_id',
    'session_id',
    'kty',
  );
  const content = fc.oneof(fc.string(), fc.json(), fc.dictionary(members, fc.jsonValue({ maxDepth: 1 })));
  fc.assert(
    fc.property(name, content, (each, text) => {
      const { sessions, keys, receipts, strangers } = sorted({ [each]: text });
      assert.ok(sessions.length + keys.length + receipts.length + strangers.length > 0);
    }),
    { numRuns: 500 },
  );
});
