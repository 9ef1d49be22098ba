import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { canonicalSorted } from '@cmcp/evidence';

import type { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { z } from 'zod';
import { callMeta, endSession, refused } from './support/calls.ts';
import { GatedLog } from './support/gated-log.ts';
import { AGENT_TOKEN, ALLOW_ALL, type TestTool, withBed } from './support/gateway.ts';
import { RpcFailure, text } from './support/scripted-server.ts';
import { callEntries, sessionFile, verifyStored } from './support/session-files.ts';

const ECHO: TestTool = {
  name: 'echo',
  inputSchema: { type: 'object', properties: { message: { type: 'string' } } },
};
const CUSTOMERS: TestTool = { name: 'customers', catalog: { sensitivity: 'pii', effects: 'read' } };
const PUBLISH: TestTool = { name: 'publish', catalog: { destination_class: 'external' } };
const NO_PUBLISH_AFTER_PII = {
  ...ALLOW_ALL,
  'forbid.cedar':
    'forbid (principal, action == Action::"publish", resource) when { context.session.max_class_rank >= 1 };',
};

const call = (client: Client, name: string, args: Record<string, unknown> = {}) =>
  client.callTool({ name, arguments: args });

/** A message in the client's own transport session, without the client. */
function post(url: URL, client: Client, message: object): Promise<Response> {
  const { sessionId = '' } = client.transport as StreamableHTTPClientTransport;
  const headers = {
    authorization: `Bearer ${AGENT_TOKEN}`,
    'content-type': 'application/json',
    accept: 'application/json, text/event-stream',
    'mcp-session-id': sessionId,
  };
  return fetch(url, { method: 'POST', headers, body: JSON.stringify(message) });
}

/** The session that a refusal was entered in. */
const sessionOf = (refusal: { data: Record<string, unknown> }): string =>
  (refusal.data['io.cmcp/call'] as { session_id: string }).session_id;

test('an entry says who asked for what, what decided it, and what was answered; nothing of the payload', () =>
  withBed({ tools: [{ ...CUSTOMERS, catalog: { ...CUSTOMERS.catalog, alias: 'people' } }] }, async (bed) => {
    bed.server.answer = () => text('Ada, born 1815');
    const { started, url } = await bed.start();
    const client = await bed.client(url);
    const result = await call(client, 'people');
    await endSession(client);
    const { session_id, call_id } = callMeta(result);
    const [entry] = await callEntries(started, session_id);
    const { latency_us, request_payload_hash, response_payload_hash, ...said } = entry ?? assert.fail('no entry');
    assert.ok(Number.isSafeInteger(latency_us) && Number(latency_us) >= 0);
    assert.match(String(request_payload_hash), /^sha256:[0-9a-f]{64}$/);
    assert.match(String(response_payload_hash), /^sha256:[0-9a-f]{64}$/);
    const expected = {
      call_id,
      entry_type: 'tool_call',
      tool_name: 'customers',
      server_identity: bed.server.url,
      policy_decision: 'allow',
      policy_rule_matched: said.policy_ids.join(','),
      response_inspection_result: 'pass',
      session_sensitivity_before: 'public',
      session_sensitivity_after: 'pii',
      effective_data_class: 'pii',
      detail: {
        compliance_domain: 'external',
        response_bytes: Buffer.byteLength(JSON.stringify(text('Ada, born 1815'))),
        stages: 'size,classification,injection,redaction,links',
      },
      workflow_id: null,
      action: 'call_tool',
      caller: 'agent',
      caller_source: 'bearer',
      digest_salt_ref: call_id,
    };
    for (const [name, value] of Object.entries(expected)) {
      assert.deepEqual((said as Record<string, unknown>)[name], value, name);
    }
    assert.equal(said.policy_ids.length, 1);
    assert.equal(JSON.stringify(entry).includes('Ada'), false);
    assert.equal((await verifyStored(started, session_id)).verdict, 'verified');
  }));

test('a name that is not printable is entered in a printable form, and so is a workflow', () =>
  withBed({ tools: [ECHO] }, async (bed) => {
    const { started, url } = await bed.start();
    const client = await bed.client(url);
    const request = { name: 'écho', arguments: {}, _meta: { 'io.cmcp/call': { workflow_id: 'case ü' } } };
    const refusal = await refused(client.callTool(request));
    await endSession(client);
    const [entry] = await callEntries(started, sessionOf(refusal));
    assert.equal(entry?.tool_name, '%C3%A9cho');
    assert.equal(entry?.workflow_id, 'case %C3%BC');
    assert.equal(entry?.policy_rule_matched, 'catalog_miss');
    const detail = { compliance_domain: 'unknown', error_code: 'TOOL_NOT_IN_CATALOG', workflow_source: 'asserted' };
    assert.deepEqual(entry?.detail, detail);
    assert.equal((await verifyStored(started, sessionOf(refusal))).verdict, 'verified');
  }));

const asking = (decision: string) => ({
  ...ALLOW_ALL,
  'ask.cedar': `@aarm_decision("${decision}") forbid (principal, action == Action::"echo", resource);`,
});

for (const [asked, code, decision] of [
  ['defer', 'DEFERRED', 'defer'],
  ['step_up', 'STEP_UP_REQUIRED', 'step_up'],
] as const) {
  test(`a policy that asks to ${asked} is answered with ${code}, and nothing is sent`, () =>
    withBed({ tools: [ECHO], policies: asking(asked) }, async (bed) => {
      const { started, url } = await bed.start();
      const client = await bed.client(url);
      const refusal = await refused(call(client, 'echo'));
      assert.equal(refusal.data.error_code, code);
      assert.equal(bed.server.calls.length, 0);
      await endSession(client);
      const [entry] = await callEntries(started, sessionOf(refusal));
      assert.equal(entry?.policy_decision, decision);
      assert.equal(entry?.policy_rule_matched, entry?.policy_ids.join(','));
      const { claim } = await sessionFile(started, sessionOf(refusal));
      assert.equal(claim.gateway.call_summary.tool_calls_denied, 1);
      assert.equal((await verifyStored(started, sessionOf(refusal))).verdict, 'verified');
    }));
}

test('any other method is refused and entered, and is no call of the claim [AARM-R1] [MCP26-44]', () =>
  withBed({ tools: [ECHO] }, async (bed) => {
    const { started, url } = await bed.start();
    const client = await bed.client(url);
    const { session_id } = callMeta(await call(client, 'echo'));
    const unknown = client.request({ method: 'resources/delete', params: { uri: 'file:///etc/passwd' } }, z.unknown());
    const error = await refused(unknown);
    assert.equal(error.code, -32601);
    assert.equal(error.data.error_code, 'METHOD_NOT_GOVERNED');
    await endSession(client);
    const { bundle, claim } = await sessionFile(started, session_id);
    const entry = bundle.entries.find((candidate) => candidate.entry_type === 'mcp_request');
    assert.equal(entry?.call_id, error.data.call_id);
    assert.deepEqual(
      [entry?.action, entry?.tool_name, entry?.policy_decision, entry?.policy_rule_matched],
      ['resources/delete', 'resources/delete', 'deny', 'method_not_governed'],
    );
    assert.equal(claim.gateway.call_summary.tool_calls_total, 1);
    assert.equal((await verifyStored(started, session_id)).verdict, 'verified');
  }));

test("a server's own error is passed on as such, and entered as a fault", () =>
  withBed({ tools: [ECHO] }, async (bed) => {
    bed.server.answer = () => {
      throw new RpcFailure(-32050, 'no such message');
    };
    const { started, url } = await bed.start();
    const client = await bed.client(url);
    const refusal = await refused(call(client, 'echo'));
    assert.equal(refusal.data.error_code, 'UPSTREAM_TOOL_ERROR');
    assert.deepEqual(refusal.data.upstream, { code: -32050, message: 'no such message' });
    await endSession(client);
    const [entry] = await callEntries(started, sessionOf(refusal));
    assert.deepEqual(
      [entry?.entry_type, entry?.policy_decision, entry?.policy_rule_matched],
      ['fault', 'fault', 'upstream:UPSTREAM_TOOL_ERROR'],
    );
    assert.equal((await verifyStored(started, sessionOf(refusal))).verdict, 'verified');
  }));

test('an answer that is none is a fault; what was never shown does not count as seen, and is not held for ever [LIFE-05]', () =>
  withBed({ tools: [CUSTOMERS, PUBLISH], policies: NO_PUBLISH_AFTER_PII }, async (bed) => {
    const { started, url } = await bed.start();
    const client = await bed.client(url);
    bed.server.answer = () => ({});
    const refusal = await refused(call(client, 'customers'));
    assert.equal(refusal.data.error_code, 'UPSTREAM_PROTOCOL_ERROR');
    bed.server.answer = () => text('sent');
    assert.ok(await call(client, 'publish'));
    await endSession(client);
    const [entry] = await callEntries(started, sessionOf(refusal));
    assert.deepEqual(
      [entry?.entry_type, entry?.response_payload_hash, entry?.session_sensitivity_after],
      ['fault', null, 'public'],
    );
  }));

test('an answer that policy withholds does not count as seen', () =>
  withBed(
    {
      tools: [CUSTOMERS, PUBLISH],
      policies: {
        ...NO_PUBLISH_AFTER_PII,
        'egress.cedar':
          'forbid (principal, action == Action::"customers", resource) when { context has response && context.response.class_rank >= 1 };',
      },
    },
    async (bed) => {
      const { url } = await bed.start();
      const client = await bed.client(url);
      const refusal = await refused(call(client, 'customers'));
      assert.equal(refusal.data.error_code, 'EGRESS_DENIED');
      assert.equal(bed.server.calls.length, 1);
      assert.ok(await call(client, 'publish'));
    },
  ));

test('in advisory mode an answer that policy would withhold is released and marked [G19]', () =>
  withBed(
    {
      tools: [ECHO],
      policies: {
        ...ALLOW_ALL,
        'egress.cedar': 'forbid (principal, action == Action::"echo", resource) when { context has response };',
      },
      config: 'mode: advisory',
    },
    async (bed) => {
      const { started, url } = await bed.start();
      const client = await bed.client(url);
      const receipt = callMeta(await call(client, 'echo'));
      assert.equal(receipt.would_have_denied, true);
      await endSession(client);
      const [entry] = await callEntries(started, receipt.session_id);
      assert.deepEqual([entry?.policy_decision, entry?.policy_ids.length], ['advisory_deny', 1]);
    },
  ));

test('a policy sees how many calls of the agent are in flight', () =>
  withBed(
    {
      tools: [ECHO],
      policies: {
        ...ALLOW_ALL,
        'forbid.cedar':
          'forbid (principal, action == Action::"echo", resource) when { context.session.in_flight >= 1 };',
      },
    },
    async (bed) => {
      const { url } = await bed.start();
      const client = await bed.client(url);
      const reached = Promise.withResolvers<void>();
      const answer = Promise.withResolvers<Record<string, unknown>>();
      bed.server.answer = () => {
        reached.resolve();
        return answer.promise;
      };
      const first = call(client, 'echo');
      await reached.promise;
      assert.equal((await refused(call(client, 'echo'))).data.error_code, 'POLICY_DENY');
      assert.equal(bed.server.calls.length, 1);
      answer.resolve(text('done'));
      assert.ok(await first, 'a call is not in flight beside itself, also when its answer is decided');
    },
  ));

test('an answer that is too large is entered as such and not released', () =>
  withBed({ tools: [ECHO], config: 'limits: { response_bytes: 2000 }' }, async (bed) => {
    bed.server.answer = () => text('x'.repeat(4000));
    const { started, url } = await bed.start();
    const client = await bed.client(url);
    const refusal = await refused(call(client, 'echo'));
    assert.equal(refusal.data.error_code, 'RESPONSE_SIZE_EXCEEDED');
    await endSession(client);
    const [entry] = await callEntries(started, sessionOf(refusal));
    assert.deepEqual(
      [entry?.entry_type, entry?.policy_decision, entry?.response_inspection_result],
      ['tool_call', 'deny', 'size_exceeded'],
    );
    assert.equal((await verifyStored(started, sessionOf(refusal))).verdict, 'verified');
  }));

test('a call that is cancelled before it is sent never reaches the server', () =>
  withBed({ tools: [ECHO] }, async (bed) => {
    const log = new GatedLog();
    const { started, url } = await bed.start({ openLog: log.openLog });
    const client = await bed.client(url);
    const { session_id } = callMeta(await call(client, 'echo'));
    const intent = log.hold('intent');
    const params = { name: 'echo', arguments: {} };
    const calling = post(url, client, { jsonrpc: '2.0', id: 'c', method: 'tools/call', params });
    await intent.reached;
    const cancelled = { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 'c' } };
    assert.equal((await post(url, client, cancelled)).status, 202);
    intent.letGo();
    await (await calling).text();
    await endSession(client);
    assert.equal(bed.server.calls.length, 1);
    const entries = await callEntries(started, session_id);
    assert.equal(entries[1]?.detail?.error_code, 'CALL_CANCELLED');
  }));

test('a fault of the gateway itself denies the call, is entered, and tells the caller nothing', () =>
  withBed({ tools: [ECHO] }, async (bed) => {
    const log = new GatedLog();
    const { started, url } = await bed.start({ openLog: log.openLog });
    const client = await bed.client(url);
    log.failNext('intent', new Error('internals'));
    const refusal = await refused(call(client, 'echo'));
    assert.equal(refusal.code, -32603);
    assert.equal(refusal.data.error_code, 'INTERNAL_ERROR');
    assert.equal(JSON.stringify(refusal.data).includes('internals'), false);
    assert.ok(bed.reports.some((line) => line.startsWith('INTERNAL_ERROR') && line.includes('internals')));
    assert.equal(bed.server.calls.length, 0);
    await endSession(client);
    const [entry] = await callEntries(started, sessionOf(refusal));
    assert.deepEqual([entry?.entry_type, entry?.detail?.error_code], ['fault', 'INTERNAL_ERROR']);
  }));

test('with plain digests anybody can compute them, and no salt is kept', () =>
  withBed({ tools: [ECHO], config: 'audit: { digests: plain }' }, async (bed) => {
    const { started, url } = await bed.start();
    const client = await bed.client(url);
    const args = { message: 'ü' };
    const { session_id, call_id } = callMeta(await call(client, 'echo', args));
    await endSession(client);
    const [entry] = await callEntries(started, session_id);
    const digest = (words: string): string => `sha256:${createHash('sha256').update(words).digest('hex')}`;
    assert.equal(entry?.request_payload_hash, digest(canonicalSorted(args)));
    assert.equal(entry?.response_payload_hash, digest(JSON.stringify(text('echo {"message":"ü"}'))));
    assert.equal(entry?.digest_salt_ref, null);
    const path = `/operator/v1/sessions/${session_id}/export?disclose=${call_id}`;
    assert.equal((await bed.operator('GET', path)).status, 404);
  }));

test("an answer cannot speak in the gateway's place in the reference's way either [OMCP-06]", () =>
  withBed({ tools: [ECHO] }, async (bed) => {
    bed.server.answer = () => ({ ...text('x'), _cmcp: { audit_entry_hash: 'forged' } });
    const { url } = await bed.start();
    const client = await bed.client(url);
    assert.equal(Object.hasOwn(await call(client, 'echo'), '_cmcp'), false);
  }));
