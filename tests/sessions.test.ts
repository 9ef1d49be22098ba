import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { callMeta, endSession, refused } from './support/calls.ts';
import { AGENT_TOKEN, ALLOW_ALL, OTHER_TOKEN, type TestBed, type TestTool, withBed } from './support/gateway.ts';
import { ManualTime } from './support/manual-time.ts';
import { text } from './support/scripted-server.ts';
import { callEntries, closedFile, sessionFile, verifyStored } from './support/session-files.ts';

const TOOLS: TestTool[] = [
  { name: 'echo' },
  { name: 'customers', catalog: { sensitivity: 'pii', effects: 'read' } },
  { name: 'publish', catalog: { destination_class: 'external' } },
];
const POLICIES = {
  ...ALLOW_ALL,
  'forbid.cedar':
    'forbid (principal, action == Action::"publish", resource) when { context.session.max_class_rank >= 1 };',
};

const onBed = (config: string, run: (bed: TestBed) => Promise<void>): Promise<void> =>
  withBed({ tools: TOOLS, policies: POLICIES, config }, run);

const modern = async (url: URL, token = AGENT_TOKEN): Promise<Client> => {
  const client = new Client({ name: 'modern', version: '1' }, { versionNegotiation: { mode: 'auto' } });
  const requestInit = { headers: { authorization: `Bearer ${token}` } };
  await client.connect(new StreamableHTTPClientTransport(url, { requestInit }));
  return client;
};

test('an idle session closes with a claim; its transport goes on in a successor that names it [LIFE-02] [C-30]', () =>
  onBed('sessions: { idle: 10m, max_age: 12h }', async (bed) => {
    const time = new ManualTime();
    const { started, url } = await bed.start({ clock: time, timers: time });
    const client = await modern(url);
    const first = callMeta(await client.callTool({ name: 'echo', arguments: {} }));
    time.advance(11 * 60_000);
    await closedFile(started, first.session_id);
    const { bundle } = await sessionFile(started, first.session_id);
    assert.equal(bundle.entries.at(-1)?.detail?.reason, 'idle');
    const second = callMeta(await client.callTool({ name: 'echo', arguments: {} }));
    assert.notEqual(second.session_id, first.session_id);
    await client.close();
  }));

test('a session that is used all the time still closes at its maximum age', () =>
  onBed('sessions: { idle: 10m, max_age: 15m }', async (bed) => {
    const time = new ManualTime();
    const { started, url } = await bed.start({ clock: time, timers: time });
    const client = await modern(url);
    const first = callMeta(await client.callTool({ name: 'echo', arguments: {} }));
    time.advance(9 * 60_000);
    assert.equal(callMeta(await client.callTool({ name: 'echo', arguments: {} })).session_id, first.session_id);
    time.advance(7 * 60_000);
    await closedFile(started, first.session_id);
    const { bundle } = await sessionFile(started, first.session_id);
    assert.equal(bundle.entries.at(-1)?.detail?.reason, 'max_age');
    await client.close();
  }));

test('exposure lapses only after carry_over since the last call, counted in a new session', () =>
  onBed('sessions: { idle: 10m, carry_over: 2h }', async (bed) => {
    const time = new ManualTime();
    const { started, url } = await bed.start({ clock: time, timers: time });
    const client = await modern(url);
    const { session_id } = callMeta(await client.callTool({ name: 'customers', arguments: {} }));
    time.advance(60 * 60_000);
    await closedFile(started, session_id);
    const denied = await refused(client.callTool({ name: 'publish', arguments: {} }));
    assert.equal(denied.data.error_code, 'POLICY_DENY');
    const successor = (denied.data['io.cmcp/call'] as { session_id: string }).session_id;
    time.advance(3 * 60 * 60_000);
    await closedFile(started, successor);
    assert.ok(await client.callTool({ name: 'publish', arguments: {} }));
    await client.close();
  }));

test('a handle of the stateless revision names its session; an invented or foreign one is refused [AUTHZ-11] [MCP26-20] [ATK-30] [ASI-03]', () =>
  onBed('', async (bed) => {
    const { url } = await bed.start();
    const mine = await modern(url);
    const theirs = await modern(url, OTHER_TOKEN);
    const { session_id } = callMeta(await mine.callTool({ name: 'echo', arguments: {} }));
    const other = callMeta(await theirs.callTool({ name: 'echo', arguments: {} }));
    assert.notEqual(other.session_id, session_id, 'two subjects never share a session');
    const named = (client: Client, handle: string) =>
      client.callTool({ name: 'echo', arguments: {}, _meta: { 'io.cmcp/session': handle } });
    assert.equal(callMeta(await named(mine, session_id)).session_id, session_id);
    assert.equal((await refused(named(theirs, session_id))).data.error_code, 'SESSION_UNKNOWN');
    const invented = '00000000-0000-4000-8000-000000000000';
    assert.equal((await refused(named(mine, invented))).data.error_code, 'SESSION_UNKNOWN');
    await mine.close();
    await theirs.close();
  }));

test('workflows of one subject have sessions of their own and one exposure [AARM-R2]', () =>
  onBed('', async (bed) => {
    const { url } = await bed.start();
    const client = await modern(url);
    const inWorkflow = (name: string, workflow: string) =>
      client.callTool({ name, arguments: {}, _meta: { 'io.cmcp/call': { workflow_id: workflow } } });
    const a = callMeta(await inWorkflow('customers', 'a'));
    const denied = await refused(inWorkflow('publish', 'b'));
    assert.equal(denied.data.error_code, 'POLICY_DENY', 'a new workflow name does not lower what was seen');
    assert.notEqual((denied.data['io.cmcp/call'] as { session_id: string }).session_id, a.session_id);
    await client.close();
  }));

test('an answer in flight across an operator reset is withheld, and does not raise the new generation [D-47]', () =>
  onBed('', async (bed) => {
    const { started, url } = await bed.start();
    const client = await bed.client(url);
    const { session_id } = callMeta(await client.callTool({ name: 'echo', arguments: {} }));
    const reached = Promise.withResolvers<void>();
    const answer = Promise.withResolvers<Record<string, unknown>>();
    bed.server.answer = () => {
      reached.resolve();
      return answer.promise;
    };
    const reading = refused(client.callTool({ name: 'customers', arguments: {} }));
    await reached.promise;
    await bed.operator('POST', `/operator/v1/sessions/${session_id}/reset`, { reason: 'new case' });
    answer.resolve(text('rows'));
    assert.equal((await reading).data.error_code, 'EGRESS_DENIED');
    bed.server.answer = () => text('ok');
    assert.ok(await client.callTool({ name: 'publish', arguments: {} }));
    await endSession(client);
    assert.equal((await verifyStored(started, session_id)).verdict, 'verified');
  }));

test('a session that is closed while a call is in flight waits for it; the call is in its chain', () =>
  onBed('', async (bed) => {
    const { started, url } = await bed.start();
    const client = await bed.client(url);
    const reached = Promise.withResolvers<void>();
    const answer = Promise.withResolvers<Record<string, unknown>>();
    bed.server.answer = () => {
      reached.resolve();
      return answer.promise;
    };
    const calling = client.callTool({ name: 'echo', arguments: {} });
    await reached.promise;
    const rows = (await bed.operator('GET', '/operator/v1/sessions')).body.sessions as Record<string, string>[];
    const id = rows.find((row) => row.kind === 'session')?.session_id ?? '';
    const closing = bed.operator('POST', `/operator/v1/sessions/${id}/close`);
    answer.resolve(text('late'));
    assert.equal(callMeta(await calling).session_id, id);
    assert.equal((await closing).status, 200);
    assert.equal((await callEntries(started, id)).length, 1);
    assert.equal((await verifyStored(started, id)).verdict, 'verified');
  }));

test('a cancelled call is entered as a fault and the server is told [MCP26-26] [MCP26-32]', () =>
  onBed('', async (bed) => {
    const { started, url } = await bed.start();
    const client = await bed.client(url);
    const reached = Promise.withResolvers<void>();
    bed.server.answer = () => {
      reached.resolve();
      return new Promise(() => undefined);
    };
    const stop = new AbortController();
    const calling = assert.rejects(client.callTool({ name: 'echo', arguments: {} }, { signal: stop.signal }));
    await reached.promise;
    stop.abort();
    await calling;
    bed.server.answer = () => text('ok');
    const { session_id } = callMeta(await client.callTool({ name: 'echo', arguments: {} }));
    await endSession(client);
    const [cancelled] = await callEntries(started, session_id);
    assert.equal(cancelled?.entry_type, 'fault');
    assert.equal(cancelled?.detail?.error_code, 'CALL_CANCELLED');
  }));

test('at the bound on open sessions the longest idle one makes room, with a claim [LIFE-02]', () =>
  onBed('sessions: { max_open: 2 }', async (bed) => {
    const { started, url } = await bed.start();
    const client = await modern(url);
    const inWorkflow = async (workflow: string): Promise<string> => {
      const request = { name: 'echo', arguments: {}, _meta: { 'io.cmcp/call': { workflow_id: workflow } } };
      return callMeta(await client.callTool(request)).session_id;
    };
    const first = await inWorkflow('a');
    await inWorkflow('b');
    await inWorkflow('c');
    assert.equal((await verifyStored(started, first)).verdict, 'verified');
    await client.close();
  }));
