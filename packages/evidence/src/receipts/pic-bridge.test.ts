import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { digest } from '../crypto/sha256.ts';
import { canonicalJcs } from '../json/canonical.ts';
import { stringifyJson } from '../json/stringify.ts';
import type { JsonObject } from '../json/value.ts';
import { newKey } from '../testing/session.ts';
import { altered, bitFlips, failures, open, outcomeOf, signJcs } from '../testing/signed.ts';
import { type PicGiven, verifyPicBridge } from './pic-bridge.ts';

const NOW = 1_790_000_000;
const DECLARATION: JsonObject = { impact: 'write', intent: 'refund order 7' };
const CALL: JsonObject = { name: 'refund', arguments: { order: 7, amount: 5 } };
const INTENT = `sha256:${'1'.repeat(64)}`;
const ARGS = `sha256:${'2'.repeat(64)}`;

const UNSIGNED: JsonObject = {
  profile: 'tag:agentrust-io.com,2026:pic-trace-bridge-v1',
  authorization: {
    authorization_id: 'a-1',
    decision: 'allow',
    authorizer: 'did:web:bank.example',
    authorizer_key_id: 'key-1',
    authorized_at: NOW - 10,
    expires_at: NOW + 10,
    scope: { tools: ['refund', 'lookup'], impacts: ['write'] },
    pic: { profile: 'PIC-CJSON/1.0', intent_digest: INTENT, args_digest: ARGS },
    declaration_digest: digest(canonicalJcs(DECLARATION)),
    tool_call_digest: digest(canonicalJcs(CALL)),
    transcript_required: false,
  },
};

async function setUp() {
  const key = await newKey();
  const given: PicGiven = {
    key: { x: key.x, source: 'authorizer.jwk', kid: 'key-1' },
    now: NOW,
    declaration: DECLARATION,
    toolCall: CALL,
    intentDigest: INTENT,
    argsDigest: ARGS,
  };
  const ask = async (bridge: JsonObject, more: Partial<PicGiven> = {}) =>
    verifyPicBridge(stringifyJson(await signJcs(bridge, key)), { ...given, ...more });
  return { key, given, ask };
}

test('the wrong and the right key, and a right key under a wrong name', async () => {
  const { ask } = await setUp();
  const other = await newKey();
  const wrong = await ask(UNSIGNED, { key: { x: other.x, source: 'other.jwk', kid: 'key-1' } });
  assert.deepEqual(failures(wrong), ['pic.signature']);
  assert.deepEqual(open(await ask(UNSIGNED)), []);
  assert.deepEqual(failures(await ask(altered(UNSIGNED, 'authorization.authorizer_key_id', 'key-2'))), ['pic.key']);
});

test('only an authorisation that allows, in its time, is one', async () => {
  const { ask } = await setUp();
  assert.deepEqual(failures(await ask(altered(UNSIGNED, 'authorization.decision', 'deny'))), ['pic.decision']);
  const at = async (now: number) => outcomeOf(await ask(UNSIGNED, { now }), 'pic.window');
  assert.deepEqual(
    [await at(NOW - 11), await at(NOW - 10), await at(NOW + 9), await at(NOW + 10)],
    ['failed', 'proven', 'proven', 'failed'],
  );
  assert.equal(await at(Number.NaN), 'failed');
  const backwards = altered(UNSIGNED, 'authorization.expires_at', NOW - 10);
  assert.deepEqual(failures(await ask(backwards, { now: NOW - 10 })), ['pic.window']);
});

test('tool and impact must be ones that were authorised', async () => {
  const { ask } = await setUp();
  assert.deepEqual(failures(await ask(altered(UNSIGNED, 'authorization.scope.tools', ['lookup']))), ['pic.tool']);
  assert.deepEqual(failures(await ask(altered(UNSIGNED, 'authorization.scope.impacts', ['read']))), ['pic.impact']);
  const unnamed = await ask(UNSIGNED, { toolCall: { arguments: {} } });
  assert.deepEqual(failures(unnamed), ['pic.tool', 'pic.tool_call']);
});

test('declaration, call, intent and arguments must be those that were authorised', async () => {
  const { ask } = await setUp();
  const declared = await ask(UNSIGNED, { declaration: { ...DECLARATION, intent: 'refund order 8' } });
  assert.deepEqual(failures(declared), ['pic.declaration']);
  const called = await ask(UNSIGNED, { toolCall: { ...CALL, arguments: { order: 7, amount: 5000 } } });
  assert.deepEqual(failures(called), ['pic.tool_call']);
  assert.deepEqual(failures(await ask(UNSIGNED, { intentDigest: ARGS })), ['pic.intent']);
  assert.deepEqual(failures(await ask(UNSIGNED, { argsDigest: INTENT })), ['pic.args']);
});

test('what no PIC verifier worked out is not checked, and holds the answer up', async () => {
  const { given, key } = await setUp();
  const { intentDigest: _, argsDigest: __, ...bare } = given;
  const checks = await verifyPicBridge(stringifyJson(await signJcs(UNSIGNED, key)), bare);
  assert.deepEqual([failures(checks), open(checks)], [[], ['pic.intent', 'pic.args']]);
});

test('a transcript that is asked for must be whole, and of this call', async () => {
  const { ask } = await setUp();
  const demanding = altered(UNSIGNED, 'authorization.transcript_required', true);
  const whole: JsonObject = { before: { tool_call: CALL }, after: { result: 1 } };
  assert.deepEqual(open(await ask(demanding, { transcript: whole })), []);
  const wrong: (JsonObject | undefined)[] = [
    undefined,
    { before: { tool_call: CALL } },
    { after: {}, before: {} },
    { ...whole, more: 1 },
    { ...whole, after: 'done' },
    { ...whole, before: { tool_call: { ...CALL, name: 'lookup' } } },
  ];
  for (const transcript of wrong) {
    const checks = await ask(demanding, transcript === undefined ? {} : { transcript });
    assert.deepEqual(failures(checks), ['pic.transcript']);
  }
});

test('a bridge has exactly its members, in their forms', async () => {
  const { ask, key, given } = await setUp();
  for (const signature of ['AAAA', `${'A'.repeat(86)}==`, undefined]) {
    const bridge = altered(await signJcs(UNSIGNED, key), 'signature', signature);
    assert.deepEqual(failures(await verifyPicBridge(stringifyJson(bridge), given)), ['pic.form']);
  }
  const cases: [string, unknown][] = [
    ['profile', 'tag:agentrust-io.com,2026:pic-trace-bridge-v2'],
    ['extra', 1],
    ['authorization.extra', 1],
    ['authorization.decision', 'maybe'],
    ['authorization.expires_at', undefined],
    ['authorization.authorized_at', -1],
    ['authorization.authorizer', ''],
    ['authorization.scope.tools', []],
    ['authorization.scope.tools', ['refund', 'refund']],
    ['authorization.scope.impacts', [7]],
    ['authorization.scope.impacts', 'write'],
    ['authorization.pic.profile', 'PIC-CJSON/2.0'],
    ['authorization.pic.args_digest', '2'.repeat(64)],
    ['authorization.transcript_required', 'no'],
  ];
  for (const [path, value] of cases)
    assert.deepEqual(failures(await ask(altered(UNSIGNED, path, value))), ['pic.form'], path);
});

test('what RFC 8785 cannot carry cannot be compared', async () => {
  const { ask } = await setUp();
  assert.deepEqual(failures(await ask(UNSIGNED, { toolCall: { name: '\ud800' } })), ['pic.form']);
});

test('a bridge with any bit flipped authorises nothing', async () => {
  const { key, given } = await setUp();
  for (const bytes of bitFlips(await signJcs(UNSIGNED, key))) {
    assert.notDeepEqual(failures(await verifyPicBridge(bytes, given)), []);
  }
});

test('any input gives checks, never an exception', async () => {
  const { given } = await setUp();
  const any = fc.oneof(
    fc.uint8Array({ maxLength: 100 }),
    fc.json(),
    fc.constantFrom('['.repeat(100_000), '{"__proto__":{}}', ''),
  );
  await fc.assert(
    fc.asyncProperty(any, async (input) => {
      assert.deepEqual(failures(await verifyPicBridge(input, given)), ['pic.form']);
    }),
    { numRuns: 300 },
  );
});
