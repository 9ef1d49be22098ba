import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FormatError } from './format-error.ts';
import { combine, type JsonObject, type JsonValue, parseJson, stringifyJson } from './index.ts';
import { openSessionDocument } from './session-document.ts';
import { makeSession, newKey, split } from './testing/session.ts';

const key = await newKey();
const file = await makeSession(key);
const plain = (): JsonObject => parseJson(stringifyJson(file)) as JsonObject;
const opened = (change: JsonObject) => openSessionDocument(stringifyJson({ ...plain(), ...change }));
const bundled = (change: JsonObject) => opened({ bundle: { ...(plain().bundle as JsonObject), ...change } });
const item = (role: string, data: JsonValue = 'AA==') => ({ role, media_type: 'application/octet-stream', data });

function without(name: string, object: JsonObject = plain()): JsonObject {
  return Object.fromEntries(Object.entries(object).filter(([member]) => member !== name));
}

test('a session file is opened as text and as bytes, and its evidence is decoded', () => {
  const text = stringifyJson({ ...plain(), evidence: [item('tdx/quote', '_-8'), item('tdx/crl', 'AQI=')] });
  for (const input of [text, new TextEncoder().encode(text)]) {
    const { evidence, embedded, bundleSessionId, entries } = openSessionDocument(input);
    assert.deepEqual(evidence, [
      { role: 'tdx/quote', data: Uint8Array.of(0xff, 0xef) },
      { role: 'tdx/crl', data: Uint8Array.of(1, 2) },
    ]);
    assert.deepEqual(embedded, { policy: null, catalog: null });
    assert.equal(bundleSessionId, file.claim.gateway.session_id);
    assert.ok(Array.isArray(entries));
  }
});

test('what is embedded is text or nothing', () => {
  assert.deepEqual(opened({ policy: '{}', catalog: null }).embedded, { policy: '{}', catalog: null });
  for (const name of ['policy', 'catalog']) {
    assert.throws(() => opened({ [name]: {} }), new FormatError(`file.${name} is not a string`));
  }
});

test('every member of the form is needed, and no other is allowed', () => {
  for (const name of Object.keys(plain())) {
    assert.throws(() => openSessionDocument(stringifyJson(without(name))), FormatError, name);
  }
  assert.throws(() => opened({ note: 'x' }), /not allowed: "note"/);
  for (const name of ['session_id', 'entries', 'bundle_signature']) {
    const bundle = without(name, plain().bundle as JsonObject);
    assert.throws(() => opened({ bundle }), new RegExp(`file\\.bundle has no member ${name}`));
  }
  assert.throws(() => bundled({ more: 1 }), /file\.bundle has a member that is not allowed/);
  for (const name of ['role', 'media_type', 'data']) {
    const evidence = [without(name, item('a/b'))];
    assert.throws(() => opened({ evidence }), new RegExp(`file\\.evidence\\[0\\] has no member ${name}`));
  }
  const [checkpoint] = plain().checkpoints as JsonObject[];
  for (const name of Object.keys(checkpoint ?? {})) {
    assert.throws(() => opened({ checkpoints: [without(name, checkpoint)] }), FormatError, name);
  }
});

test('members have their type', () => {
  const wrong: JsonObject[] = [
    { format: 1 },
    { claim: [] },
    { bundle: 'x' },
    { checkpoints: {} },
    { checkpoints: [1] },
    { evidence: {} },
    { evidence: ['x'] },
    { evidence: [item('a/b', 5)] },
  ];
  for (const change of wrong) assert.throws(() => opened(change), FormatError, JSON.stringify(change));
  for (const change of [{ session_id: 1 }, { entries: {} }, { entries: [1] }, { bundle_signature: null }]) {
    assert.throws(() => bundled(change), FormatError, JSON.stringify(change));
  }
  const [checkpoint = {}] = plain().checkpoints as JsonObject[];
  for (const length of [0, -1, '1']) {
    assert.throws(() => opened({ checkpoints: [{ ...checkpoint, length }] }), /checkpoints\[0\]\.length/);
  }
});

test('two pieces of evidence of one role leave open which was checked, and are refused', () => {
  assert.equal(opened({ evidence: [item('a/b'), item('a/c')] }).evidence.length, 2);
  assert.throws(() => opened({ evidence: [item('a/b'), item('a/b', 'AQ==')] }), /two items of one role/);
});

test('evidence that is no base64 is refused by its place', () => {
  assert.throws(
    () => opened({ evidence: [item('a/b'), item('a/c', '*')] }),
    new FormatError('file.evidence[1].data is not base64'),
  );
});

test('entries beside a file are named by a name without a way out of the folder, and by their digest', () => {
  const { session } = split(file);
  const beside = (session.bundle as JsonObject).entries_file as JsonObject;
  const naming = (change: JsonObject) => {
    const bundle = { ...(session.bundle as JsonObject), entries_file: { ...beside, ...change } };
    return openSessionDocument(stringifyJson({ ...session, bundle }));
  };
  assert.deepEqual({ ...naming({}).entries }, { ...beside });
  const wrong: JsonObject[] = [
    ...['../x.cmcp.ndjson', '/x.cmcp.ndjson', 'a/b.cmcp.ndjson', '.cmcp.ndjson', 'x.ndjson', 'x.cmcp.ndjson\n'].map(
      (name) => ({ name }),
    ),
    { digest: 'sha256:00' },
    { digest: String(beside.digest).slice(7) },
    { entries: 0 },
    { media_type: 'application/json' },
    { more: 1 },
  ];
  for (const change of wrong) assert.throws(() => naming(change), FormatError, JSON.stringify(change));
  assert.throws(() => bundled({ entries_file: beside }), FormatError, 'entries inside and beside');
});

test('claim and bundle of the reference are opened without what that form has not', () => {
  const pair = parseJson(combine(stringifyJson(file.claim), stringifyJson(file.bundle))) as JsonObject;
  const { checkpoints, evidence, embedded } = openSessionDocument(stringifyJson(pair));
  assert.deepEqual([checkpoints, evidence, embedded], [null, [], { policy: null, catalog: null }]);
  for (const more of [{ evidence: [] }, { checkpoints: [] }, { policy: '{}' }]) {
    assert.throws(() => openSessionDocument(stringifyJson({ ...pair, ...more })), /a member that is not allowed/);
  }
  const { bundle } = split(file).session;
  assert.throws(() => openSessionDocument(stringifyJson({ ...pair, bundle: bundle as JsonObject })), FormatError);
});

test('whatever else is refused with the reason', () => {
  const wrong: [string | Uint8Array, RegExp][] = [
    ['', /not strict JSON/],
    ['[]', /file is not an object/],
    ['{}', /its "format" is not cmcp-session\/1/],
    ['{"__proto__": {"format": "cmcp-session/1"}}', /its "format" is not/],
    [stringifyJson({ ...plain(), format: 'cmcp-session/2' }), /its "format" is not/],
    [`${stringifyJson(plain())}x`, /not strict JSON/],
    [Uint8Array.of(0xff), /not strict JSON/],
  ];
  for (const [input, said] of wrong) assert.throws(() => openSessionDocument(input), said);
  for (const input of [null, undefined, 1, {}, []] as unknown as string[]) {
    assert.throws(() => openSessionDocument(input), new FormatError('the input is neither text nor bytes'));
  }
});
