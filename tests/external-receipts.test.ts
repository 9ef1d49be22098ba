import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type AuditEntry, controllerKeyId, type JsonObject, verify } from '@cmcp/evidence';
import { newKey, type TestKey } from '../packages/evidence/src/testing/session.ts';
import { signSorted } from '../packages/evidence/src/testing/signed.ts';
import { callMeta, refused } from './support/calls.ts';
import { withBed } from './support/gateway.ts';
import { text } from './support/scripted-server.ts';
import { pins, sessionFile, sessionText } from './support/session-files.ts';

/** What a controller signs of a call. */
function receiptOf(key: TestKey, callId: string): Promise<JsonObject> {
  const unsigned = {
    issuer: 'did:web:controller.example',
    issuer_key_id: controllerKeyId(key.x),
    evidence_hash: `sha256:${'e'.repeat(64)}`,
    evidence_type: 'controller-execution-receipt/v1',
    linked_call_id: callId,
  };
  return signSorted(unsigned, key);
}

type Carry = (receipt: JsonObject) => Record<string, unknown>;
const asText: Carry = (receipt) => text(JSON.stringify({ moved: true, external_execution_evidence: receipt }));
const structured: Carry = (receipt) => ({ content: [], structuredContent: { external_execution_evidence: receipt } });

interface Setting {
  /** Keys that the gateway trusts. */
  trusted: TestKey[];
  required?: boolean;
  answer: (callId: string) => Promise<Record<string, unknown>>;
}

/** One call: what the agent got, the call's entry, and the verifier's word on the receipt under the controller's `key`. */
async function called({ trusted, required = false, answer }: Setting, key: TestKey) {
  const settings = `{ required: ${required}, keys: [${trusted.map(({ x }) => x).join(', ')}] }`;
  const config = `upstreams: { scripted: { receipts: ${settings} } }`;
  const seen: { refused: boolean; entry: AuditEntry; receipt: string }[] = [];
  await withBed({ tools: [{ name: 'move' }, { name: 'look' }], config }, async (bed) => {
    bed.server.answer = async (name, _, id) => (name === 'move' ? await answer(id) : asText(await receiptOf(key, id)));
    const { started, url } = await bed.start();
    const client = await bed.client(url);
    const move = client.callTool({ name: 'move', arguments: {} });
    const code = await move.then(
      () => null,
      async () => (await refused(move)).data.error_code,
    );
    const { session_id } = callMeta(await client.callTool({ name: 'look', arguments: {} }));
    await bed.operator('POST', `/operator/v1/sessions/${session_id}/close`);
    const { bundle } = await sessionFile(started, session_id);
    const entry = bundle.entries.find(({ tool_name }) => tool_name === 'move') ?? assert.fail();
    const expectations = { ...pins(started), controllerKeys: [{ x: key.x, source: 'controller' }] };
    const report = await verify(await sessionText(started, session_id), expectations);
    const receipt = report.checks.find(({ id }) => id === 'controller.signature')?.outcome ?? 'none';
    assert.ok(code === null || code === 'UPSTREAM_PROTOCOL_ERROR');
    seen.push({ refused: code !== null, entry, receipt });
  });
  return seen[0] ?? assert.fail();
}

for (const [where, carry] of Object.entries({ 'a text block': asText, 'structured content': structured })) {
  test(`a receipt that a server returns in ${where} is entered with its call, and verified there and offline [L-06]`, async () => {
    const key = await newKey();
    const answer = async (callId: string) => carry(await receiptOf(key, callId));
    const { refused, entry, receipt } = await called({ trusted: [key], required: true, answer }, key);
    assert.equal(refused, false);
    assert.equal(entry.detail?.receipt, 'genuine');
    assert.equal((entry.external_execution_evidence as JsonObject).linked_call_id, entry.call_id);
    assert.equal(receipt, 'proven');
  });
}

test('one whose issuer the gateway does not know is entered as such, for whoever knows it', async () => {
  const key = await newKey();
  const answer = async (callId: string) => asText(await receiptOf(key, callId));
  const { refused, entry, receipt } = await called({ trusted: [], answer }, key);
  assert.equal(refused, false);
  assert.equal(entry.detail?.receipt, 'unknown-issuer');
  assert.notEqual(entry.external_execution_evidence, null);
  assert.equal(receipt, 'proven');
});

const BAD: [string, string, (key: TestKey, callId: string) => Promise<Record<string, unknown>>][] = [
  ['of another call', 'of-another-call', async (key) => asText(await receiptOf(key, 'another'))],
  [
    'that was altered',
    'forged',
    async (key, callId) => asText({ ...(await receiptOf(key, callId)), issuer: 'did:web:other.example' }),
  ],
  ['that is none', 'malformed', async () => asText({ issuer: 'x' })],
  ['that is missing', 'absent', async () => text('{"moved":true}')],
];

for (const [what, standing, make] of BAD) {
  test(`a receipt ${what} is not entered, and where one is required the answer is withheld [D-37] [L-06]`, async () => {
    const key = await newKey();
    const answer = (callId: string) => make(key, callId);
    const optional = await called({ trusted: [key], answer }, key);
    assert.equal(optional.refused, false);
    assert.equal(optional.entry.detail?.receipt, standing === 'absent' ? undefined : standing);
    assert.equal(optional.entry.external_execution_evidence, null);
    // The session stays verifiable: a server cannot speak against the record.
    assert.equal(optional.receipt, 'proven');
    const required = await called({ trusted: [key], required: true, answer }, key);
    assert.equal(required.refused, true);
    assert.equal(required.entry.entry_type, 'fault');
    assert.equal(required.entry.detail?.receipt, standing);
  });
}
