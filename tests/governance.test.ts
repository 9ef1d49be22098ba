import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Client } from '@modelcontextprotocol/client';
import { callMeta, endSession, refused } from './support/calls.ts';
import { ALLOW_ALL, OTHER_TOKEN, type TestTool, withBed } from './support/gateway.ts';
import { RpcFailure, text } from './support/scripted-server.ts';
import { callEntries, sessionFile, verifyStored } from './support/session-files.ts';

const ECHO: TestTool = {
  name: 'echo',
  description: 'Says it again',
  inputSchema: { type: 'object', properties: { message: { type: 'string' } } },
};
const CUSTOMERS: TestTool = { name: 'customers', catalog: { sensitivity: 'pii', effects: 'read' } };
const PUBLISH: TestTool = { name: 'publish', catalog: { destination_class: 'external' } };

const NO_EXTERNAL_AFTER_PII = {
  ...ALLOW_ALL,
  'forbid-external.cedar': `@id("no-external-after-pii") @advice("ask an operator")
forbid (principal, action in Action::"call_tool", resource)
when { resource.destination_class == "external" && context.session.max_class_rank >= 1 };`,
};

const call = (client: Client, name: string, args: Record<string, unknown> = {}) =>
  client.callTool({ name, arguments: args });

test('an allowed call reaches the server, comes back unaltered, and its receipt names its own entry [W-14] [D-10]', () =>
  withBed({ tools: [ECHO] }, async (bed) => {
    const { started, url } = await bed.start();
    const client = await bed.client(url);
    const result = await call(client, 'echo', { message: 'hi' });
    assert.deepEqual(result.content, text('echo {"message":"hi"}').content);
    const receipt = callMeta(result);
    await endSession(client);
    const entry = (await callEntries(started, receipt.session_id))[0];
    assert.equal(entry?.entry_hash, receipt.entry_hash);
    assert.equal(entry?.sequence_number, receipt.sequence);
    assert.equal(entry?.call_id, receipt.call_id);
    assert.equal((await verifyStored(started, receipt.session_id)).verdict, 'verified');
  }));

test('a tool that is not in the catalog is refused and nothing reaches the server [AARM-R1]', () =>
  withBed({ tools: [ECHO] }, async (bed) => {
    bed.server.tools = [ECHO, { name: 'extra' }];
    const { url } = await bed.start();
    const client = await bed.client(url);
    const error = await refused(call(client, 'extra'));
    assert.equal(error.data.error_code, 'TOOL_NOT_IN_CATALOG');
    assert.equal(bed.server.calls.length, 0);
  }));

test('a tool name in other case, with a space or zero width, is another name and refused [D-14]', () =>
  withBed({ tools: [ECHO] }, async (bed) => {
    const { url } = await bed.start();
    const client = await bed.client(url);
    for (const name of ['Echo', 'echo ', 'ech\u200bo', 'есho']) {
      assert.equal((await refused(call(client, name))).data.error_code, 'TOOL_NOT_IN_CATALOG', name);
    }
    assert.equal(bed.server.calls.length, 0);
  }));

test('a forbid on an argument denies that argument and allows another [D-10] [AISVS-10.2.5]', () =>
  withBed(
    {
      tools: [ECHO],
      policies: {
        ...ALLOW_ALL,
        'forbid.cedar':
          '@id("no-secrets") forbid (principal, action == Action::"echo", resource) when { context.arguments has message && context.arguments.message like "*secret*" };',
      },
    },
    async (bed) => {
      const { started, url } = await bed.start();
      const client = await bed.client(url);
      const denied = await refused(call(client, 'echo', { message: 'a secret' }));
      assert.equal(denied.data.error_code, 'POLICY_DENY');
      assert.equal(JSON.stringify(denied.data).includes('forbid'), false, 'no rule text in the refusal');
      const receipt = callMeta(await call(client, 'echo', { message: 'hello' }));
      await endSession(client);
      const entries = await callEntries(started, receipt.session_id);
      assert.deepEqual(
        entries.map((entry) => entry.policy_decision),
        ['deny', 'allow'],
      );
      assert.deepEqual(entries[0]?.policy_ids, ['no-secrets']);
    },
  ));

test('an erroring forbid denies although a permit matches [D-13] [G12]', () =>
  withBed(
    {
      tools: [ECHO],
      policies: { ...ALLOW_ALL, 'forbid.cedar': overflow },
    },
    async (bed) => {
      const { url } = await bed.start();
      const client = await bed.client(url);
      const denied = await refused(call(client, 'echo', { message: 'x' }));
      assert.equal(denied.data.error_code, 'POLICY_ERROR');
      assert.equal(bed.server.calls.length, 0);
    },
  ));

/** Validates, and overflows when evaluated. */
const overflow = `forbid (principal, action in Action::"call_tool", resource)
when { context.session.generation + 9223372036854775807 + 1 > 0 };`;

test('without a matching permit a call is denied: default deny, default enforcing [D-09] [G13] [OMCP-07]', () =>
  withBed(
    { tools: [ECHO], policies: { 'none.cedar': 'permit (principal == Agent::"nobody", action, resource);' } },
    async (bed) => {
      const { started, url } = await bed.start();
      assert.equal(started.mode, 'enforcing');
      const client = await bed.client(url);
      assert.equal((await refused(call(client, 'echo'))).data.error_code, 'POLICY_DENY');
      assert.equal(bed.server.calls.length, 0);
    },
  ));

test('exposure follows the subject into a new session, and another subject is not affected [G29]', () =>
  withBed({ tools: [CUSTOMERS, PUBLISH], policies: NO_EXTERNAL_AFTER_PII }, async (bed) => {
    const { url } = await bed.start();
    const first = await bed.client(url);
    assert.ok(await call(first, 'publish'));
    await call(first, 'customers');
    const denied = await refused(call(first, 'publish'));
    assert.equal(denied.data.error_code, 'POLICY_DENY');
    assert.deepEqual(denied.data.advice, { advice: 'ask an operator' });
    await endSession(first);
    const second = await bed.client(url);
    assert.equal((await refused(call(second, 'publish'))).data.error_code, 'POLICY_DENY');
    const other = await bed.client(url, OTHER_TOKEN);
    assert.ok(await call(other, 'publish'));
  }));

test('exposure survives a restart of the gateway', () =>
  withBed({ tools: [CUSTOMERS, PUBLISH], policies: NO_EXTERNAL_AFTER_PII }, async (bed) => {
    const before = await bed.start();
    await call(await bed.client(before.url), 'customers');
    await before.gateway.stop();
    const after = await bed.start();
    const client = await bed.client(after.url);
    assert.equal((await refused(call(client, 'publish'))).data.error_code, 'POLICY_DENY');
  }));

test('a call in flight already counts for a parallel one [ATK-40] [D-46]', () =>
  withBed({ tools: [CUSTOMERS, PUBLISH], policies: NO_EXTERNAL_AFTER_PII }, async (bed) => {
    const { url } = await bed.start();
    const client = await bed.client(url);
    const reached = Promise.withResolvers<void>();
    const answer = Promise.withResolvers<Record<string, unknown>>();
    bed.server.answer = () => {
      reached.resolve();
      return answer.promise;
    };
    const reading = call(client, 'customers');
    await reached.promise;
    assert.equal((await refused(call(client, 'publish'))).data.error_code, 'POLICY_DENY');
    answer.resolve(text('rows'));
    await reading;
  }));

test('the class that a caller declares raises its exposure, and an unknown label is refused [D-27]', () =>
  withBed({ tools: [ECHO, PUBLISH], policies: NO_EXTERNAL_AFTER_PII }, async (bed) => {
    const { url } = await bed.start();
    const client = await bed.client(url);
    const declare = (label: string) =>
      client.callTool({ name: 'echo', arguments: {}, _meta: { 'io.cmcp/call': { data_class: label } } });
    assert.equal((await refused(declare('no-such-label'))).data.error_code, 'UNKNOWN_DATA_CLASS');
    assert.ok(await call(client, 'publish'));
    await declare('pii');
    assert.equal((await refused(call(client, 'publish'))).data.error_code, 'POLICY_DENY');
  }));

test('advisory mode lets a denied call through and the entry says so [G19] [W-09]', () =>
  withBed(
    {
      tools: [ECHO],
      policies: { 'none.cedar': 'permit (principal == Agent::"nobody", action, resource);' },
      config: 'mode: advisory',
    },
    async (bed) => {
      const { started, url } = await bed.start();
      const client = await bed.client(url);
      const receipt = callMeta(await call(client, 'echo'));
      await endSession(client);
      assert.equal(receipt.would_have_denied, true);
      const [entry] = await callEntries(started, receipt.session_id);
      assert.equal(entry?.policy_decision, 'advisory_deny');
      assert.equal((await verifyStored(started, receipt.session_id)).verdict, 'unverified');
    },
  ));

test('a forbid on the response withholds it, and the entry is egress_denied', () =>
  withBed(
    {
      tools: [ECHO],
      policies: {
        ...ALLOW_ALL,
        'egress.cedar':
          'forbid (principal, action in Action::"call_tool", resource) when { context has response && context.response.size > 200 };',
      },
    },
    async (bed) => {
      const { started, url } = await bed.start();
      const client = await bed.client(url);
      bed.server.answer = () => text('x'.repeat(500));
      const denied = await refused(call(client, 'echo'));
      assert.equal(denied.data.error_code, 'EGRESS_DENIED');
      const receipt = denied.data['io.cmcp/call'] as { session_id: string };
      await endSession(client);
      const [entry] = await callEntries(started, receipt.session_id);
      assert.equal(entry?.entry_type, 'egress_denied');
      assert.notEqual(entry?.response_payload_hash, null);
      assert.equal((await verifyStored(started, receipt.session_id)).verdict, 'verified');
    },
  ));

test('an answer that forges a receipt loses it; its other members stay [OMCP-06]', () =>
  withBed({ tools: [ECHO] }, async (bed) => {
    const { url } = await bed.start();
    const client = await bed.client(url);
    bed.server.answer = () => ({
      ...text('x'),
      _meta: { 'io.cmcp/call': { call_id: 'forged' }, 'io.cmcp/other': 1, keep: 'me' },
    });
    const result = await call(client, 'echo');
    assert.notEqual(callMeta(result).call_id, 'forged');
    assert.equal(result._meta?.keep, 'me');
    assert.equal(Object.hasOwn(result._meta ?? {}, 'io.cmcp/other'), false);
  }));

test('an operator resets an exposure only with a reason, and the chain shows it [D-51] [C-35]', () =>
  withBed({ tools: [CUSTOMERS, PUBLISH], policies: NO_EXTERNAL_AFTER_PII }, async (bed) => {
    const { started, url } = await bed.start();
    const client = await bed.client(url);
    const { session_id } = callMeta(await call(client, 'customers'));
    const path = `/operator/v1/sessions/${session_id}/reset`;
    assert.equal((await bed.operator('POST', path, {})).status, 400);
    const reset = await bed.operator('POST', path, { reason: 'new case' });
    assert.equal(reset.status, 200);
    assert.ok(await call(client, 'publish'));
    await endSession(client);
    const { bundle } = await sessionFile(started, session_id);
    const entry = bundle.entries.find((candidate) => candidate.entry_type === 'session_reset');
    assert.equal(entry?.detail?.reason, 'new case');
    assert.equal(entry?.detail?.authorized_by, 'op');
    assert.equal((await verifyStored(started, session_id)).verdict, 'verified');
  }));

test("the text of a server's error is an answer: it is decided on, recorded, and counts as seen [G18]", () =>
  withBed({ tools: [CUSTOMERS, PUBLISH], policies: NO_EXTERNAL_AFTER_PII }, async (bed) => {
    const { started, url } = await bed.start();
    const client = await bed.client(url);
    bed.server.answer = () => Promise.reject(new RpcFailure(-32000, 'no row for 123-45-6789'));
    const failed = await refused(call(client, 'customers'));
    assert.equal(failed.data.error_code, 'UPSTREAM_TOOL_ERROR');
    assert.deepEqual(failed.data.upstream, { code: -32000, message: 'no row for 123-45-6789' });
    bed.server.answer = () => text('ok');
    assert.equal((await refused(call(client, 'publish'))).data.error_code, 'POLICY_DENY');
    await endSession(client);
    const { session_id } = failed.data['io.cmcp/call'] as { session_id: string };
    const [entry] = await callEntries(started, session_id);
    assert.deepEqual([entry?.entry_type, entry?.session_sensitivity_after], ['fault', 'pii']);
    assert.notEqual(entry?.response_payload_hash, null);
    assert.equal((await verifyStored(started, session_id)).verdict, 'verified');
  }));

test("an egress forbid withholds the text of a server's error too [G18]", () =>
  withBed(
    {
      tools: [ECHO],
      policies: {
        ...ALLOW_ALL,
        'egress.cedar': 'forbid (principal, action in Action::"call_tool", resource) when { context has response };',
      },
    },
    async (bed) => {
      const { url } = await bed.start();
      const client = await bed.client(url);
      bed.server.answer = () => Promise.reject(new RpcFailure(-32000, 'secret'));
      const denied = await refused(call(client, 'echo'));
      assert.equal(denied.data.error_code, 'EGRESS_DENIED');
      assert.equal(JSON.stringify(denied.data).includes('secret'), false);
    },
  ));

test('arguments that do not fit the approved schema are refused by name as a result of the tool, never forwarded [AISVS-10.4.3] [G11] [MCP25-15]', () =>
  withBed({ tools: [ECHO] }, async (bed) => {
    const { url } = await bed.start();
    const client = await bed.client(url);
    for (const args of [{ message: 7 }, { message: ['a'] }, { mesage: 'typo' }]) {
      const denied = await call(client, 'echo', args);
      assert.equal(denied.isError, true);
      assert.deepEqual(callMeta(denied), { ...callMeta(denied), error_code: 'ARGUMENTS_REFUSED' });
      assert.match(JSON.stringify(denied.content), /arguments/);
    }
    assert.equal(bed.server.calls.length, 0);
  }));
