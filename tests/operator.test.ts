import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { canonicalSorted, decodeBase64Url, verify } from '@cmcp/evidence';
import { callMeta, endSession } from './support/calls.ts';
import { AGENT_TOKEN, OPERATOR_TOKEN, type TestBed, withBed } from './support/gateway.ts';
import { pins, sessionFile, verifyStored } from './support/session-files.ts';

const onBed = (run: (bed: TestBed) => Promise<void>): Promise<void> => withBed({ tools: [{ name: 'echo' }] }, run);

const SOME_SESSION = '00000000-0000-4000-8000-000000000000';
const ROUTES: [string, string][] = [
  ['GET', 'readyz'],
  ['GET', 'sessions'],
  ['GET', `sessions/${SOME_SESSION}`],
  ['POST', `sessions/${SOME_SESSION}/close`],
  ['POST', `sessions/${SOME_SESSION}/reset`],
  ['GET', `sessions/${SOME_SESSION}/export`],
  ['GET', 'events'],
  ['GET', 'anything-else'],
];

test('no credential, a wrong one or an agent token opens any operator route; the agent is entered by name [D-01] [D-51] [W-16] [AUTHZ-13] [G1]', () =>
  onBed(async (bed) => {
    const { gateway, started } = await bed.start();
    for (const [method, route] of ROUTES) {
      const path = `/operator/v1/${route}`;
      assert.equal((await bed.operator(method, path, undefined, null)).status, 401, path);
      assert.equal((await bed.operator(method, path, undefined, 'wrong')).status, 401, path);
      const refusal = await bed.operator(method, path, undefined, AGENT_TOKEN);
      assert.deepEqual([refusal.status, refusal.body.error_code], [403, 'FORBIDDEN'], path);
    }
    assert.equal((await bed.operator('GET', '/operator/v1/healthz', undefined, null)).status, 200);
    await gateway.stop();
    const { bundle } = await sessionFile(started, started.gatewaySession);
    const refused = bundle.entries.filter((entry) => entry.action === 'operator.refused');
    assert.equal(refused.length, ROUTES.length);
    assert.ok(refused.every((entry) => entry.detail?.subject === 'agent'));
  }));

test("an operator credential does not open the agents' endpoint [AUTHZ-13]", () =>
  onBed(async (bed) => {
    const { url } = await bed.start();
    await assert.rejects(bed.client(url, OPERATOR_TOKEN));
  }));

test('an operator lists, shows, closes and exports a session; its file verifies', () =>
  onBed(async (bed) => {
    const { started, url } = await bed.start();
    const client = await bed.client(url);
    const { session_id } = callMeta(await client.callTool({ name: 'echo', arguments: {} }));
    const listed = await bed.operator('GET', '/operator/v1/sessions');
    const rows = listed.body.sessions as { session_id: string; state: string; kind: string }[];
    assert.ok(rows.some((row) => row.session_id === session_id && row.state === 'open'));
    assert.ok(rows.some((row) => row.session_id === started.gatewaySession && row.kind === 'gateway'));
    const closed = await bed.operator('POST', `/operator/v1/sessions/${session_id}/close`);
    assert.equal(closed.status, 200);
    const exported = await bed.operator('GET', `/operator/v1/sessions/${session_id}/export`);
    assert.equal((await verify(JSON.stringify(exported.body), pins(started))).verdict, 'verified');
    const again = callMeta(await client.callTool({ name: 'echo', arguments: {} }));
    assert.notEqual(again.session_id, session_id, 'the transport goes on in a successor');
    await endSession(client);
    const { bundle } = await sessionFile(started, again.session_id);
    assert.equal(bundle.entries[0]?.detail?.previous_session, session_id);
  }));

test("the gateway's own chain is signed, stored and verified like a session's", () =>
  onBed(async (bed) => {
    const { gateway, started } = await bed.start();
    await gateway.stop();
    const { bundle } = await sessionFile(started, started.gatewaySession);
    const types = bundle.entries.map((entry) => entry.entry_type);
    assert.deepEqual(types, ['session_start', 'policy_load', 'catalog_load', 'session_end']);
    assert.equal((await verifyStored(started, started.gatewaySession)).verdict, 'verified');
  }));

test('payload digests are salted; an operator can disclose the salt of one call and so show what was asked', () =>
  onBed(async (bed) => {
    const { started, url } = await bed.start();
    const client = await bed.client(url);
    const args = { message: '4111 1111 1111 1111' };
    const { session_id, call_id } = callMeta(await client.callTool({ name: 'echo', arguments: args }));
    await endSession(client);
    const { bundle } = await sessionFile(started, session_id);
    const recorded = bundle.entries.find((entry) => entry.call_id === call_id)?.request_payload_hash;
    const hash = (...parts: (string | Uint8Array)[]): string => {
      const state = createHash('sha256');
      for (const part of parts) state.update(part);
      return `sha256:${state.digest('hex')}`;
    };
    assert.notEqual(recorded, hash(canonicalSorted(args)), 'the bare hash would give the card number away');
    const disclosed = await bed.operator('GET', `/operator/v1/sessions/${session_id}/export?disclose=${call_id}`);
    const salt = decodeBase64Url(String(disclosed.body.salt));
    assert.equal(recorded, hash(salt, canonicalSorted(args)));
  }));
