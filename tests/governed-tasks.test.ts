import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ABLE } from './support/agent.ts';
import { FORM, MAY_ASK } from './support/asks.ts';
import { OTHER_TOKEN } from './support/gateway.ts';
import { but, codeOf, type PeerBed, type PeerSetup, receiptOf, withPeers } from './support/peer-bed.ts';
import type { PeerServer } from './support/peer-server.ts';
import type { Values } from './support/wire.ts';

const OWN_ID = 'CANARY-task-id-of-the-server';
const CALL = { name: 'report', arguments: {} };

const task = (status: string, more: Values = {}): Values => ({
  taskId: OWN_ID,
  status,
  ttlMs: 60_000,
  createdAt: '2026-01-01T00:00:00Z',
  lastUpdatedAt: '2026-01-01T00:00:00Z',
  ...more,
});

/** A server whose call becomes a task; a test says what it is like by now. */
class TaskServer {
  state: Values = task('working');
  readonly script = (peer: PeerServer): void => {
    peer.on('tools/call', () => ({ resultType: 'task', ...task('working') }));
    peer.on('tasks/get', () => this.state);
    peer.on('tasks/update', () => ({}));
    peer.on('tasks/cancel', () => ({}));
  };
}

const tasks = (server: TaskServer, changes: Partial<PeerSetup> = {}): PeerSetup => ({
  servers: { main: { family: 'modern', asks: MAY_ASK, script: server.script } },
  tools: { report: { sensitivity: 'pii' } },
  ...changes,
});

async function made(bed: PeerBed, answer = FORM.answer) {
  const agent = await bed.agent('modern', { capabilities: ABLE, answer: () => answer });
  const reply = await agent.request('tools/call', CALL);
  assert.equal(reply.result?.resultType, 'task');
  return { agent, taskId: String(reply.result?.taskId), session: receiptOf(reply).session_id };
}

test('a call becomes a task, is asked after, and ends, each with one entry under the tool’s name', () => {
  const server = new TaskServer();
  return withPeers(tasks(server), async (bed) => {
    const { agent, taskId, session } = await made(bed);
    assert.notEqual(taskId, OWN_ID);
    const working = await agent.request('tasks/get', { taskId });
    assert.deepEqual([working.result?.taskId, working.result?.status], [taskId, 'working']);
    server.state = task('completed', { result: { content: [{ type: 'text', text: 'CANARY-done' }] } });
    const done = await agent.request('tasks/get', { taskId });
    assert.deepEqual(done.result?.result, { content: [{ type: 'text', text: 'CANARY-done' }] });
    assert.ok((await agent.request('tasks/cancel', { taskId })).result);
    assert.deepEqual(
      bed.peer.received.items.filter(({ method }) => method.startsWith('tasks/')).map(({ params }) => params.taskId),
      [OWN_ID, OWN_ID, OWN_ID],
    );
    assert.equal(agent.bodies.join().includes(OWN_ID), false);
    await bed.endSession(agent, session);
    const entries = await bed.entries(session, 'CANARY', taskId);
    assert.deepEqual(
      entries.map((entry) => [entry.entry_type, entry.action, entry.tool_name, entry.policy_decision]),
      [
        ['tool_call', 'call_tool', 'report', 'allow'],
        ['mcp_request', 'get_task', 'report', 'allow'],
        ['mcp_request', 'get_task', 'report', 'allow'],
        ['mcp_request', 'cancel_task', 'report', 'allow'],
      ],
    );
    assert.equal(entries[0]?.detail?.result_type, 'task');
    assert.equal(entries.at(-1)?.session_sensitivity_after, 'pii');
  });
});

test('a task is nobody else’s, and an invented one is none [MCP25-16]', () => {
  const server = new TaskServer();
  return withPeers(tasks(server), async (bed) => {
    const { agent, taskId } = await made(bed);
    const other = await bed.agent('modern', { capabilities: ABLE, token: OTHER_TOKEN });
    for (const method of ['tasks/get', 'tasks/cancel', 'tasks/update']) {
      const params = method === 'tasks/update' ? { inputResponses: {} } : {};
      assert.equal(codeOf(await other.request(method, { taskId, ...params })), 'INVALID_PARAMS');
      assert.equal(codeOf(await agent.request(method, { taskId: OWN_ID, ...params })), 'INVALID_PARAMS');
      assert.equal(codeOf(await agent.request(method, { taskId: `${taskId}A`, ...params })), 'INVALID_PARAMS');
    }
    assert.deepEqual(bed.peer.sent('tasks/get'), []);
  });
});

test('asking after a task is denied as policy says, before the server is asked, and its answer is decided', () => {
  const server = new TaskServer();
  const policies =
    but(`@id("no-cancel") forbid (principal, action == Action::"cancel_task", resource == Resource::"report");
@id("no-result") forbid (principal, action == Action::"get_task", resource) when { context has response && context.response.size > 300 };`);
  return withPeers(tasks(server, { policies }), async (bed) => {
    const { agent, taskId, session } = await made(bed);
    assert.equal(codeOf(await agent.request('tasks/cancel', { taskId })), 'POLICY_DENY');
    server.state = task('completed', { result: { content: [{ type: 'text', text: 'CANARY'.repeat(100) }] } });
    assert.equal(codeOf(await agent.request('tasks/get', { taskId })), 'EGRESS_DENIED');
    assert.equal(agent.bodies.join().includes('CANARY'), false);
    assert.deepEqual(bed.peer.sent('tasks/cancel'), []);
    await bed.endSession(agent, session);
    assert.deepEqual(
      (await bed.entries(session, 'CANARY')).slice(1).map(({ policy_ids }) => policy_ids),
      [['no-cancel'], ['no-result']],
    );
  });
});

test('the result of a task is held to the rules for links', () => {
  const server = new TaskServer();
  return withPeers(tasks(server), async (bed) => {
    const { agent, taskId, session } = await made(bed);
    const content = [{ type: 'resource_link', uri: 'note:///unknown', name: 'CANARY' }];
    server.state = task('completed', { result: { content } });
    const { result } = await agent.request('tasks/get', { taskId });
    assert.equal(JSON.stringify(result).includes('CANARY'), false);
    await bed.endSession(agent, session);
    assert.equal((await bed.entries(session, 'CANARY'))[1]?.policy_decision, 'redact');
  });
});

test('what a task waits for is decided once, and only answers to what was shown reach the server', () => {
  const server = new TaskServer();
  return withPeers(tasks(server), async (bed) => {
    const { agent, taskId, session } = await made(bed);
    const update = (inputResponses: Values) => agent.request('tasks/update', { taskId, inputResponses });
    await update({ q: FORM.answer });
    const inputRequests = { q: { method: FORM.method, params: FORM.params } };
    server.state = task('input_required', { inputRequests });
    for (let n = 0; n < 2; n += 1) {
      const { result } = await agent.request('tasks/get', { taskId });
      assert.deepEqual(result?.inputRequests, inputRequests);
    }
    await update({ q: FORM.answer, uninvited: { action: 'accept', content: { x: 'CANARY-x' } } });
    assert.deepEqual(
      bed.peer.sent('tasks/update').map(({ inputResponses }) => inputResponses),
      [{}, { q: FORM.answer }],
    );
    await bed.endSession(agent, session);
    assert.deepEqual(
      (await bed.entries(session, 'CANARY')).map(({ action, detail }) => [action, detail?.stage ?? null]),
      [
        ['call_tool', null],
        ['update_task', null],
        ['elicit', 'asked'],
        ['get_task', null],
        ['get_task', null],
        ['elicit', 'answered'],
        ['update_task', null],
      ],
    );
  });
});

test('what a task waits for and policy forbids is not shown', () => {
  const server = new TaskServer();
  const policies = but('@id("nobody") forbid (principal, action == Action::"elicit", resource);');
  return withPeers(tasks(server, { policies }), async (bed) => {
    const { agent, taskId, session } = await made(bed);
    server.state = task('input_required', { inputRequests: { q: { method: FORM.method, params: FORM.params } } });
    assert.equal(codeOf(await agent.request('tasks/get', { taskId })), 'ASK_REFUSED');
    assert.equal(agent.bodies.join().includes('CANARY-question'), false);
    await bed.endSession(agent, session);
    assert.deepEqual(
      (await bed.entries(session, 'CANARY')).slice(1).map(({ action, policy_decision }) => [action, policy_decision]),
      [
        ['elicit', 'deny'],
        ['get_task', 'deny'],
      ],
    );
  });
});

test('a task whose tool was withdrawn by an activation is no longer governed by anything, so it is refused', () => {
  const server = new TaskServer();
  return withPeers(tasks(server, { tools: { report: {}, other: {} } }), async (bed) => {
    const { agent, taskId } = await made(bed);
    await bed.approve(tasks(server, { tools: { other: {} } }));
    await bed.gateway.reload();
    assert.equal(codeOf(await agent.request('tasks/get', { taskId })), 'TOOL_NOT_IN_CATALOG');
    assert.deepEqual(bed.peer.sent('tasks/get'), []);
  });
});

test('an agent that did not say that it can take tasks is given none, and one of the handshake never', () => {
  const server = new TaskServer();
  return withPeers(tasks(server), async (bed) => {
    for (const family of ['modern', 'handshake'] as const) {
      const agent = await bed.agent(family, { capabilities: { ...ABLE, extensions: {} } });
      assert.equal(codeOf(await agent.request('tools/call', CALL)), 'UPSTREAM_PROTOCOL_ERROR');
    }
    const agent = await bed.agent('handshake', { capabilities: ABLE });
    assert.equal(codeOf(await agent.request('tasks/get', { taskId: 'x' })), 'METHOD_NOT_GOVERNED');
  });
});
