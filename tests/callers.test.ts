import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AuditEntry } from '@cmcp/evidence';
import { reportText } from '../packages/cli/src/report-text.ts';
import type { Caller } from '../packages/gateway/src/caller.ts';
import { ABLE, Agent } from './support/agent.ts';
import { asking, FORM, MAY_ASK } from './support/asks.ts';
import { anyCaller, tokenOf } from './support/callers.ts';
import { but, codeOf, type PeerBed, type PeerSetup, receiptOf, withPeers } from './support/peer-bed.ts';
import { sessionFile, verifyStored } from './support/session-files.ts';
import { FAMILIES, type Family, type Values } from './support/wire.ts';

/** An agent that acts for a user. Everybody else below differs from it in one thing. */
const MINE: Caller = { subject: 'agent', source: 'oauth', onBehalfOf: 'anna' };
const FOREIGN: Record<string, Caller> = {
  'another agent': { ...MINE, subject: 'thief' },
  'the same subject by another kind of credential': { ...MINE, source: 'bearer' },
  'the same agent for another user': { ...MINE, onBehalfOf: 'bert' },
  'the same agent for nobody': { subject: 'agent', source: 'oauth' },
  'the same agent in a signed workflow': { ...MINE, workflow: 'w' },
};

const setup = (changes: Partial<PeerSetup> = {}): PeerSetup => ({
  servers: { main: { script: (peer) => peer.on('tools/call', () => ({ content: [{ type: 'text', text: 'done' }] })) } },
  tools: {
    echo: { effects: 'read' },
    customers: { sensitivity: 'pii', effects: 'read' },
    publish: { destination_class: 'external' },
  },
  deps: { identity: [anyCaller] },
  ...changes,
});

const as = (bed: PeerBed, family: Family, caller: Caller): Promise<Agent> =>
  bed.agent(family, { token: tokenOf(caller), capabilities: ABLE, answer: () => FORM.answer });
const call = (agent: Agent, name = 'echo', meta: Values = {}) =>
  agent.request('tools/call', { name, arguments: {} }, meta);

/** What the gateway entered of what happened outside sessions. */
async function gatewayEntries(bed: PeerBed, action: string): Promise<AuditEntry[]> {
  await bed.gateway.stop();
  const { bundle } = await sessionFile(bed.started, bed.started.gatewaySession);
  return bundle.entries.filter((entry) => entry.action === action);
}

/** The status of a bare request with an agent's credential and session id. */
async function statusOf(bed: PeerBed, method: string, caller: Caller, session: string): Promise<number> {
  const message = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'echo', arguments: {} } };
  const headers = {
    authorization: `Bearer ${tokenOf(caller)}`,
    accept: 'application/json, text/event-stream',
    'content-type': 'application/json',
    'mcp-session-id': session,
  };
  const response = await fetch(bed.url, {
    method,
    headers,
    ...(method === 'POST' && { body: JSON.stringify(message) }),
  });
  await response.body?.cancel();
  return response.status;
}

test('a session id is nobody else’s: whoever differs from its owner in anything is told that there is none, and is entered [AUTHZ-11] [MCP25-08] [ATK-30] [ASI-03]', () =>
  withPeers(setup(), async (bed) => {
    const agent = await as(bed, 'handshake', MINE);
    const { session_id } = receiptOf(await call(agent));
    const id = String(agent.session);
    for (const [who, caller] of Object.entries(FOREIGN))
      for (const method of ['POST', 'GET', 'DELETE'])
        assert.equal(await statusOf(bed, method, caller, id), 404, `${method} by ${who}`);
    assert.equal(await statusOf(bed, 'POST', MINE, 'invented'), 404);
    assert.equal(receiptOf(await call(agent)).session_id, session_id, 'the owner goes on as before');
    // Fixation: an id that a client brings along opens nothing under that id.
    agent.session = 'chosen-by-the-client';
    await agent.open();
    assert.notEqual(agent.session, 'chosen-by-the-client');
    assert.equal(await statusOf(bed, 'POST', MINE, 'chosen-by-the-client'), 404);
    await agent.end();
    assert.equal(await statusOf(bed, 'POST', MINE, String(agent.session)), 404, 'an id that ended stays so');
    const entries = await gatewayEntries(bed, 'session.foreign');
    assert.deepEqual(
      entries.map(({ caller, caller_source, on_behalf_of }) => [caller, caller_source, on_behalf_of]),
      Object.values(FOREIGN).flatMap(({ subject, source, onBehalfOf }) => {
        const entered = [subject, source, onBehalfOf ?? null];
        return [entered, entered, entered];
      }),
    );
    assert.ok(entries.every(({ detail }) => detail?.session_id === session_id));
  }));

test('a handle is nobody else’s either, and an invented or ended one is none [AUTHZ-11] [MCP26-20] [ASI-03]', () =>
  withPeers(setup(), async (bed) => {
    const agent = await as(bed, 'modern', MINE);
    const { session_id } = receiptOf(await call(agent));
    const holding = (handle: string): Values => ({ 'io.cmcp/session': handle });
    assert.equal(receiptOf(await call(agent, 'echo', holding(session_id))).session_id, session_id);
    for (const [who, caller] of Object.entries(FOREIGN)) {
      const other = await as(bed, 'modern', caller);
      assert.equal(codeOf(await call(other, 'echo', holding(session_id))), 'SESSION_UNKNOWN', who);
      assert.notEqual(receiptOf(await call(other)).session_id, session_id, who);
    }
    assert.equal(codeOf(await call(agent, 'echo', holding(crypto.randomUUID()))), 'SESSION_UNKNOWN');
    await bed.closeByOperator(session_id);
    assert.equal(codeOf(await call(agent, 'echo', holding(session_id))), 'SESSION_UNKNOWN');
    const refused = await gatewayEntries(bed, 'call.refused');
    assert.equal(refused.length, Object.keys(FOREIGN).length + 2);
    assert.ok(refused.every(({ detail }) => detail?.error_code === 'SESSION_UNKNOWN'));
  }));

test('a state and a task are bound to their owner, and a waiting call to the scopes and groups that it was allowed with [MCP26-29] [AUTHZ-11]', () => {
  const mine: Caller = { ...MINE, scopes: ['mcp:tools'], groups: ['ops'] };
  const rounds = (server: Family): PeerSetup =>
    setup({
      servers: { main: { family: server, asks: MAY_ASK, script: asking({ form: FORM }) } },
      tools: { form: {} },
    });
  const CALL = { name: 'form', arguments: {} };
  const tried = async (bed: PeerBed, others: Caller[]) => {
    const agent = await as(bed, 'modern', mine);
    const { result = {} } = await agent.request('tools/call', CALL);
    const back = await agent.answers(result);
    const codes: unknown[] = [];
    for (const caller of others) {
      const other = await as(bed, 'modern', caller);
      const reply = await other.request('tools/call', { ...CALL, ...back });
      codes.push(reply.error === undefined ? 'served' : codeOf(reply));
    }
    return codes;
  };
  const foreign = Object.values(FOREIGN).map((caller) => ({
    ...mine,
    ...caller,
    onBehalfOf: caller.onBehalfOf ?? 'x',
  }));
  return withPeers(rounds('modern'), async (bed) => {
    const codes = await tried(bed, foreign);
    assert.deepEqual([...new Set(codes)], ['INVALID_PARAMS'], 'a server that keeps nothing');
  }).then(() =>
    withPeers(rounds('handshake'), async (bed) => {
      const changed = [
        { ...mine, groups: [] },
        { ...mine, scopes: ['mcp:tools', 'more'] },
      ];
      const codes = await tried(bed, [...foreign, ...changed]);
      assert.deepEqual([...new Set(codes)], ['INVALID_PARAMS'], 'a call that waits in the gateway');
    }),
  );
});

test('what an agent saw for one user counts for that user alone, by any credential, and an operator resets just that [ASI-03]', () =>
  withPeers(
    setup({
      policies: but(
        'forbid (principal, action == Action::"publish", resource) when { context.session.class_rank >= 1 };',
      ),
    }),
    async (bed) => {
      const may = async (caller: Caller, family: Family = 'modern') => {
        const reply = await call(await as(bed, family, caller), 'publish');
        return { allowed: reply.error === undefined, session: receiptOf(reply).session_id };
      };
      const { session_id } = receiptOf(await call(await as(bed, 'modern', MINE), 'customers'));
      assert.equal((await may(MINE)).allowed, false);
      const latest = await may({ ...MINE, source: 'bearer' }, 'handshake');
      assert.equal(latest.allowed, false, 'in whichever session');
      const { 'another agent': thief, 'the same agent for another user': forBert } = FOREIGN;
      const { 'the same agent for nobody': itself, 'the same agent in a signed workflow': inWorkflow } = FOREIGN;
      for (const caller of [thief, forBert, itself, inWorkflow]) assert.ok(caller && (await may(caller)).allowed);
      const reset = { reason: 'looked at' };
      const { status } = await bed.bed.operator('POST', `/operator/v1/sessions/${session_id}/reset`, reset);
      assert.equal(status, 200);
      assert.equal((await may(MINE)).allowed, true);
      await call(await as(bed, 'modern', MINE), 'customers');
      // After a restart too: the store knows whose exposure it was, and which session was before.
      await bed.gateway.stop();
      const { started, url } = await bed.bed.start({ identity: [anyCaller] });
      const again = new Agent(url, 'modern', { token: tokenOf(MINE) });
      const denied = await call(again, 'publish');
      assert.equal(codeOf(denied), 'POLICY_DENY');
      const other = new Agent(url, 'modern', { token: tokenOf(forBert ?? MINE) });
      assert.equal((await call(other, 'publish')).error, undefined);
      await bed.bed.stop();
      const { bundle } = await sessionFile(started, receiptOf(denied).session_id);
      assert.equal(bundle.entries[0]?.detail?.previous_session, latest.session);
      assert.equal(bundle.entries[0]?.on_behalf_of, 'anna');
    },
  ));

for (const family of FAMILIES) {
  test(`an entry says who called, how that is known, for whom, and who names the workflow; a signed one wins: ${family} [C-30]`, () =>
    withPeers(
      setup({
        policies: but(
          'forbid (principal, action == Action::"publish", resource) unless { context has workflow && context.workflow == {"id": "signed-one", "source": "signed"} && principal in Group::"ops" && principal.scopes.contains("mcp:tools") && principal has on_behalf_of && principal.on_behalf_of == "anna" && principal.source == "oauth" };',
        ),
      }),
      async (bed) => {
        const signed: Caller = { ...MINE, scopes: ['mcp:tools'], groups: ['ops'], workflow: 'signed-one' };
        const agent = await as(bed, family, signed);
        const naming = (workflow_id: string): Values => ({ 'io.cmcp/call': { workflow_id } });
        const first = await call(agent, 'publish');
        const second = await call(agent, 'publish', naming('asserted-one'));
        const third = await call(agent, 'publish', naming('signed-one'));
        assert.deepEqual([first.error, second.error, third.error], [undefined, undefined, undefined]);
        const session = receiptOf(first).session_id;
        assert.equal(receiptOf(second).session_id, session, 'the asserted one opens no session');
        const plain = await as(bed, family, { ...signed, workflow: undefined as never });
        const asserted = await call(plain, 'publish', naming('signed-one'));
        assert.equal(codeOf(asserted), 'POLICY_DENY');
        await bed.gateway.stop();
        const said = async (id: string) =>
          (await bed.entries(id)).map(({ caller, caller_source, on_behalf_of, workflow_id, detail }) => [
            ...[caller, caller_source, on_behalf_of, workflow_id],
            ...[detail?.workflow_source, detail?.workflow_asserted],
          ]);
        const mine = ['agent', 'oauth', 'anna', 'signed-one', 'signed'];
        assert.deepEqual(await said(session), [
          [...mine, undefined],
          [...mine, 'asserted-one'],
          [...mine, undefined],
        ]);
        assert.deepEqual(await said(receiptOf(asserted).session_id), [
          ['agent', 'oauth', 'anna', 'signed-one', 'asserted', undefined],
        ]);
        const report = await verifyStored(bed.started, session);
        assert.equal(report.verdict, 'verified');
        const whose = { caller: 'agent', source: 'oauth', on_behalf_of: 'anna' };
        assert.deepEqual(report.callers, [
          { ...whose, workflow: 'signed-one', workflow_source: 'signed', requests: 3 },
        ]);
        const shown = reportText('x', report, false);
        assert.match(shown, /agent +oauth +anna +signed-one \(signed\) +3/);
      },
    ));
}

test('each request is decided as the caller that its own credential names, also in one session', () =>
  withPeers(
    setup({
      policies: { 'ops.cedar': 'permit (principal in Group::"ops", action in Action::"call_tool", resource);' },
    }),
    async (bed) => {
      const agent = await as(bed, 'handshake', { ...MINE, groups: ['ops'] });
      const names = async () => ((await agent.request('tools/list')).result?.tools as unknown[] | undefined)?.length;
      assert.equal((await call(agent)).error, undefined);
      assert.equal(await names(), 3);
      agent.token = tokenOf({ ...MINE, groups: ['dev'] });
      assert.equal(codeOf(await call(agent)), 'POLICY_DENY');
      assert.equal(await names(), 0);
      agent.token = tokenOf({ ...MINE, groups: ['ops', 'dev'] });
      assert.equal((await call(agent)).error, undefined);
    },
  ));
