/** What operators stop, through both listeners. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { GatewayError } from '@cmcp/gateway';
import type { Agent } from './support/agent.ts';
import { cmcpInProcess } from './support/cli-in-process.ts';
import { GatedLog } from './support/gated-log.ts';
import { AGENT_TOKEN, OPERATOR_TOKEN, OTHER_TOKEN } from './support/gateway.ts';
import { but, codeOf, PeerBed, type PeerSetup, receiptOf, withPeers } from './support/peer-bed.ts';
import type { PeerServer } from './support/peer-server.ts';
import { sessionFile } from './support/session-files.ts';
import { FAMILIES, type Values } from './support/wire.ts';

const BLOCKS = '/operator/v1/blocks';
const GUIDE = 'note:///guide';

/** A server that answers everything. */
const script = (peer: PeerServer): void => {
  peer
    .on('tools/call', () => ({ content: [{ type: 'text', text: 'done' }] }))
    .on('resources/read', () => ({ contents: [{ uri: GUIDE, text: 'read me' }] }))
    .on('prompts/get', () => ({ messages: [] }));
};

const setup = (changes: Partial<PeerSetup> = {}): PeerSetup => ({
  servers: { main: { script }, spare: { script } },
  tools: { echo: {}, other: {}, far: { server: 'spare' }, denied: {} },
  policies: but('@id("not") forbid (principal, action == Action::"denied", resource);'),
  resources: { guide: { uri: GUIDE } },
  prompts: { greet: {} },
  ...changes,
});

/** Stops something; the block's id. */
async function block({ bed }: PeerBed, scope: string, name?: string): Promise<string> {
  const body = { scope, reason: `stop ${scope}, ticket 7`, ...(name === undefined ? {} : { name }) };
  const answer = await bed.operator('POST', BLOCKS, body);
  assert.equal(answer.status, 200, JSON.stringify(answer.body));
  assert.equal(answer.body.known, true);
  return String(answer.body.id);
}

async function lift({ bed }: PeerBed, id: string): Promise<void> {
  const { status } = await bed.operator('POST', `${BLOCKS}/${id}/lift`, { reason: 'looked at, ticket 7' });
  assert.equal(status, 200);
}

const call = (agent: Agent, name: string) => agent.request('tools/call', { name, arguments: {} });

/** The code that each of these is refused with; null: it is answered. */
async function codes(agent: Agent): Promise<Record<string, unknown>> {
  const replies = {
    echo: await call(agent, 'echo'),
    other: await call(agent, 'other'),
    far: await call(agent, 'far'),
    guide: await agent.request('resources/read', { uri: GUIDE }),
    greet: await agent.request('prompts/get', { name: 'greet' }),
  };
  return Object.fromEntries(
    Object.entries(replies).map(([what, reply]) => [what, reply.error === undefined ? null : codeOf(reply)]),
  );
}

const served = { echo: null, other: null, far: null, guide: null, greet: null };
const B = 'BLOCKED';

async function names(agent: Agent, method: string): Promise<unknown[]> {
  const { result } = await agent.request(method);
  const [items] = Object.values(result ?? {}).filter(Array.isArray) as Values[][];
  return (items ?? []).map(({ name }) => name).sort();
}

for (const family of FAMILIES) {
  test(`an operator stops a tool, a server, a session, an agent or everything, from the next call on, and lets it go on: ${family} [G27] [D-49]`, () =>
    withPeers(setup(), async (bed) => {
      const agent = await bed.agent(family);
      const other = await bed.agent(family, { token: OTHER_TOKEN });
      assert.deepEqual(await codes(agent), served);
      const session = receiptOf(await call(agent, 'echo')).session_id;
      const cases: [string, string | undefined, Values, Values][] = [
        ['tool', 'echo', { ...served, echo: B }, { ...served, echo: B }],
        ['server', 'main', { ...served, echo: B, other: B, guide: B, greet: B }, {}],
        ['session', session, { echo: B, other: B, far: B, guide: B, greet: B }, served],
        ['agent', 'agent', { echo: B, other: B, far: B, guide: B, greet: B }, served],
        ['all', undefined, { echo: B, other: B, far: B, guide: B, greet: B }, {}],
      ];
      for (const [scope, name, mine, theirs] of cases) {
        const id = await block(bed, scope, name);
        const sent = bed.peer.sent('tools/call').length;
        assert.deepEqual(await codes(agent), mine, `${scope}: its own calls`);
        const unknown = scope === 'tool' || scope === 'server' ? 'TOOL_NOT_IN_CATALOG' : B;
        assert.equal(codeOf(await call(agent, 'no-such-tool')), unknown, 'who is stopped learns nothing');
        const expected = Object.keys(theirs).length === 0 ? mine : theirs;
        assert.deepEqual(await codes(other), expected, `${scope}: of another agent`);
        const passed = [mine, expected]
          .flatMap(({ echo, other: second }) => [echo, second])
          .filter((each) => each === null);
        assert.equal(bed.peer.sent('tools/call').length - sent, passed.length, 'what is stopped reaches no server');
        await lift(bed, id);
        assert.deepEqual(await codes(agent), served, `${scope}: lifted`);
      }
      await bed.endSession(agent, session);
      const entries = await bed.entries(session);
      const stopped = entries.filter(({ detail }) => detail?.error_code === 'BLOCKED');
      assert.ok(
        stopped.every((entry) => entry.policy_decision === 'deny' && entry.policy_rule_matched === 'kill_switch'),
      );
      assert.equal(stopped.length, 1 + 4 + 6 + 6 + 6);
      const said = await bed.others(session, 'break_glass_used');
      assert.deepEqual(
        said.map(({ detail }) => [detail?.reason, detail?.scope, detail?.agent_id, detail?.operator_reason]),
        ['tool', 'server', 'session', 'agent', 'all'].map((scope) => [
          'kill_switch_triggered',
          scope,
          'agent',
          `stop ${scope}, ticket 7`,
        ]),
        'each once, before the first call that was refused for it',
      );
      assert.equal((await sessionFile(bed.started, session)).claim.gateway.kill_switch_triggered, true);
    }));

  test(`what is stopped is not listed; streams and subscriptions of a stopped agent end, and it opens no session: ${family} [G27]`, () =>
    withPeers(setup(), async (bed) => {
      const agent = await bed.agent(family);
      assert.deepEqual(await names(agent, 'tools/list'), ['echo', 'far', 'other']);
      const tool = await block(bed, 'tool', 'echo');
      assert.deepEqual(await names(agent, 'tools/list'), ['far', 'other']);
      await lift(bed, tool);
      const server = await block(bed, 'server', 'main');
      assert.deepEqual(await names(agent, 'tools/list'), ['far']);
      await lift(bed, server);
      assert.deepEqual(await names(agent, 'prompts/list'), ['greet']);
      await agent.listen({ toolsListChanged: true, ...(family === 'modern' && { resourceSubscriptions: [GUIDE] }) });
      if (family === 'handshake') await agent.request('resources/subscribe', { uri: GUIDE });
      const changed = agent.heard.first(({ method }) => method === 'notifications/tools/list_changed');
      await lift(bed, await block(bed, 'tool', 'echo'));
      await changed;
      const heard = agent.heard.first(({ method }) => method === 'notifications/resources/updated');
      const id = await block(bed, 'agent', 'agent');
      await heard;
      await agent.over;
      if (family === 'handshake') await agent.listen();
      else {
        const listened = await agent.request('subscriptions/listen', { notifications: { toolsListChanged: true } });
        assert.equal(codeOf(listened), 'BLOCKED');
      }
      await agent.over;
      assert.deepEqual(await names(agent, 'tools/list'), []);
      const successor = await bed.agent(family);
      const refused = await call(successor, 'echo');
      if (family === 'handshake') assert.equal(refused.error?.code, -32600, 'there is no session to call in');
      else assert.equal(codeOf(refused), 'BLOCKED');
      await lift(bed, id);
      assert.deepEqual(await names(await bed.agent(family), 'tools/list'), ['echo', 'far', 'other']);
    }));
}

test('what a stopped session of the stateless revision listens to ends, though no request names that session [G27]', () =>
  withPeers(setup(), async (bed) => {
    const agent = await bed.agent('modern');
    const { session_id } = receiptOf(await call(agent, 'echo'));
    await agent.listen({ resourceSubscriptions: [GUIDE] });
    const heard = agent.heard.first(({ method }) => method === 'notifications/resources/updated');
    await block(bed, 'session', session_id);
    await heard;
    await bed.peer.received.first(({ method }) => method === 'resources/unsubscribe');
  }));

test('the answer of a call that was in flight when its agent, its tool or its server was stopped is withheld [D-49]', () =>
  withPeers(setup(), async (bed) => {
    const agent = await bed.agent('handshake');
    let session = '';
    for (const [scope, name] of [
      ['agent', 'agent'],
      ['tool', 'echo'],
      ['server', 'main'],
      ['all', undefined],
    ] as const) {
      const reached = Promise.withResolvers<void>();
      const answered = Promise.withResolvers<void>();
      bed.peer.on('tools/call', async () => {
        reached.resolve();
        await answered.promise;
        return { content: [{ type: 'text', text: 'secret-of-the-call' }] };
      });
      const pending = call(agent, 'echo');
      await reached.promise;
      const id = await block(bed, scope, name);
      answered.resolve();
      const reply = await pending;
      assert.equal(codeOf(reply), 'BLOCKED');
      assert.equal(reply.error?.data?.block_id, id, 'how to name it to an operator');
      assert.doesNotMatch(JSON.stringify(reply), /secret-of-the-call|ticket/);
      session = receiptOf(reply).session_id;
      await lift(bed, id);
    }
    await bed.endSession(agent, session);
    const entries = await bed.entries(session, 'secret-of-the-call');
    assert.deepEqual(
      entries.map((entry) => [entry.entry_type, entry.policy_decision, entry.policy_rule_matched]),
      new Array(4).fill(['egress_denied', 'deny', 'kill_switch']),
    );
    assert.ok(entries.every(({ response_payload_hash }) => response_payload_hash !== null));
  }));

test('what is stopped is refused as that before policy is asked, and cannot be subscribed to', () =>
  withPeers(setup(), async (bed) => {
    const agent = await bed.agent('handshake');
    assert.equal(codeOf(await call(agent, 'denied')), 'POLICY_DENY');
    await block(bed, 'tool', 'denied');
    assert.equal(codeOf(await call(agent, 'denied')), 'BLOCKED');
    await block(bed, 'server', 'main');
    assert.equal(codeOf(await agent.request('resources/subscribe', { uri: GUIDE })), 'BLOCKED');
    await block(bed, 'agent', 'agent');
    assert.equal(codeOf(await agent.request('resources/subscribe', { uri: 'note:///none' })), 'BLOCKED');
    assert.equal(codeOf(await agent.request('tasks/list')), 'BLOCKED', 'whatever the gateway governs or not');
  }));

test('what a server says or asks after its call was stopped reaches nobody, and no answer reaches the server [D-49]', () =>
  withPeers(setup({ servers: { main: { asks: ['elicit'], script }, spare: { script } } }), async (bed) => {
    const question = {
      message: 'How many?',
      requestedSchema: { type: 'object', properties: { n: { type: 'integer' } } },
    };
    const asked = Promise.withResolvers<void>();
    const mayAnswer = Promise.withResolvers<void>();
    const agent = await bed.agent('handshake', {
      capabilities: { elicitation: { form: {} } },
      answer: async () => {
        asked.resolve();
        await mayAnswer.promise;
        return { action: 'accept', content: { n: 7 } };
      },
    });
    const given: unknown[] = [];
    bed.peer.on('tools/call', async (moment) => {
      given.push(await moment.ask('first', 'elicitation/create', question));
      moment.log('info', 'secret-notice');
      given.push(await moment.ask('second', 'elicitation/create', { ...question, message: 'secret-question' }));
      return { content: [{ type: 'text', text: 'secret-answer' }] };
    });
    const pending = call(agent, 'echo');
    await asked.promise;
    await block(bed, 'agent', 'agent');
    mayAnswer.resolve();
    assert.equal(codeOf(await pending), 'BLOCKED');
    assert.doesNotMatch(agent.bodies.join('\n'), /secret/);
    assert.equal(given.length, 2);
    assert.doesNotMatch(JSON.stringify(given), /"n":7/);
    assert.equal(agent.asked.items.length, 1);
  }));

test('a subscription that is being entered when its server is stopped ends; an activation opens no session of a stopped agent', async () => {
  const log = new GatedLog();
  await withPeers(setup({ deps: { openLog: log.openLog } }), async (bed) => {
    const agent = await bed.agent('handshake');
    const session = receiptOf(await call(agent, 'echo')).session_id;
    await agent.listen();
    const held = log.hold('append');
    const subscribed = agent.request('resources/subscribe', { uri: GUIDE });
    await held.reached;
    const id = await block(bed, 'server', 'main');
    held.letGo();
    await subscribed;
    await agent.heard.first(({ method }) => method === 'notifications/resources/updated');
    await lift(bed, id);
    await block(bed, 'agent', 'agent');
    await bed.approve(setup({ policies: { 'other.cedar': 'permit (principal, action, resource);' } }));
    await bed.gateway.reload();
    const { sessions } = (await bed.bed.operator('GET', '/operator/v1/sessions')).body as { sessions: Values[] };
    const mine = sessions.filter(({ subject }) => subject === 'agent');
    assert.deepEqual(
      mine.map((each) => [each.session_id, each.state]),
      [[session, 'closed']],
    );
    assert.equal((await sessionFile(bed.started, session)).claim.gateway.kill_switch_triggered, true);
  });
});

test('a call that waits for an approval waits no longer once it is stopped, and an approval that comes later does not help [D-49]', async () => {
  const policy = but(
    '@id("waits") @aarm_decision("step_up") @hold("5m") @ttl("10m") forbid (principal, action == Action::"denied", resource);',
  );
  await withPeers(setup({ policies: policy }), async (bed) => {
    const agent = await bed.agent('modern');
    const pending = call(agent, 'denied');
    const waiting = async (): Promise<Values | undefined> => {
      const { items } = (await bed.bed.operator('GET', '/operator/v1/approvals')).body as { items: Values[] };
      return items[0];
    };
    while ((await waiting()) === undefined) await new Promise((resolve) => setImmediate(resolve));
    await block(bed, 'tool', 'other');
    assert.equal((await waiting())?.state, 'open', 'what is not stopped waits on');
    const id = await block(bed, 'tool', 'denied');
    assert.equal(codeOf(await pending), 'BLOCKED');
    const granted = await bed.bed.operator('POST', `/operator/v1/approvals/${(await waiting())?.id}/grant`, {
      reason: 'x',
    });
    assert.equal(granted.status, 200, JSON.stringify(granted.body));
    assert.equal(codeOf(await call(agent, 'denied')), 'BLOCKED');
    assert.deepEqual(bed.peer.sent('tools/call'), []);
    await lift(bed, id);
    assert.equal((await call(agent, 'denied')).error, undefined, 'it was not used up');
  });
});

test('only an operator stops and lets go on, with a reason that nothing else is meant by; a mistyped name is said [C-35]', () =>
  withPeers(setup(), async (bed) => {
    const ask = (body: unknown, token?: string | null) => bed.bed.operator('POST', BLOCKS, body, token);
    const target = { scope: 'agent', name: 'agent' };
    for (const token of [AGENT_TOKEN, OTHER_TOKEN])
      assert.equal((await ask({ ...target, reason: 'x' }, token)).status, 403);
    assert.equal((await ask({ ...target, reason: 'x' }, null)).status, 401);
    for (const body of [
      target,
      { ...target, reason: '' },
      { ...target, reason: 'kill_switch_triggered' },
      { ...target, reason: 'a\nb' },
      { scope: 'agents', name: 'agent', reason: 'x' },
      { scope: 'agent', reason: 'x' },
      { scope: 'all', name: 'agent', reason: 'x' },
      { ...target, reason: 'x', by: 'me' },
    ])
      assert.equal((await ask(body)).status, 400, JSON.stringify(body));
    const agent = await bed.agent('modern');
    assert.equal((await call(agent, 'echo')).error, undefined, 'nothing of that stopped anything');
    const id = await block(bed, 'agent', 'agent');
    for (const [body, token, status] of [
      [{ reason: 'x' }, AGENT_TOKEN, 403],
      [{}, undefined, 400],
      [{ reason: 'kill_switch_triggered' }, undefined, 400],
    ] as const)
      assert.equal((await bed.bed.operator('POST', `${BLOCKS}/${id}/lift`, body, token)).status, status);
    const wrong = await bed.bed.operator('POST', `${BLOCKS}/${crypto.randomUUID()}/lift`, { reason: 'x' });
    assert.equal(wrong.status, 400);
    assert.equal(codeOf(await call(agent, 'echo')), 'BLOCKED', 'it is in force');
    await lift(bed, id);
    assert.equal((await ask({ scope: 'tool', name: 'ecko', reason: 'x' })).body.known, false);
    const far = `spiffe://far.example/${'a'.repeat(2000)}`;
    assert.equal((await ask({ scope: 'agent', name: far, reason: 'x' })).body.name, far, 'as long as a name may be');
  }));

test('what is stopped is stopped after a restart; its entry is in the chain of the gateway, and its claim says so [D-49]', async () => {
  const bed = await PeerBed.create(setup());
  try {
    const id = await block(bed, 'agent', 'agent');
    await bed.gateway.stop();
    const { claim, bundle } = await sessionFile(bed.started, bed.started.gatewaySession);
    assert.equal(claim.gateway.kill_switch_triggered, true);
    const entered = bundle.entries.find(({ action }) => action === 'operator.block');
    assert.deepEqual(
      [entered?.caller, entered?.detail?.block_id, entered?.detail?.reason],
      ['op', id, 'kill_switch_triggered'],
    );
    assert.equal((await bed.verified(bed.started.gatewaySession)).verdict, 'verified');
    const again = await bed.bed.start();
    const listed = (await bed.bed.operator('GET', BLOCKS)).body.blocks as Values[];
    assert.deepEqual(
      listed.map((each) => [each.id, each.scope, each.name, each.by, each.rule, each.reason]),
      [[id, 'agent', 'agent', 'op', null, 'stop agent, ticket 7']],
    );
    await assert.rejects(bed.bed.client(again.url), /stopped/);
    await lift(bed, id);
    await again.gateway.stop();
    const { url } = await bed.bed.start();
    const client = await bed.bed.client(url);
    assert.equal((await client.callTool({ name: 'echo', arguments: {} })).isError, undefined);
  } finally {
    await bed.close();
  }
});

test('a block is in force before it is durable, and stays so where it cannot be stored [G27]', async () => {
  const log = new GatedLog();
  await withPeers(setup({ deps: { openLog: log.openLog } }), async (bed) => {
    const agent = await bed.agent('modern');
    assert.equal((await call(agent, 'echo')).error, undefined);
    const held = log.hold('append');
    const asked = bed.bed.operator('POST', BLOCKS, { scope: 'tool', name: 'echo', reason: 'x' });
    await held.reached;
    assert.deepEqual(await names(agent, 'tools/list'), ['far', 'other'], 'before the operator is answered');
    assert.equal(codeOf(await call(agent, 'echo')), 'BLOCKED');
    held.letGo();
    assert.equal((await asked).status, 200);
    log.failNext('append', new GatewayError('AUDIT_UNAVAILABLE', 'the disk is full'));
    const failed = await bed.bed.operator('POST', BLOCKS, { scope: 'tool', name: 'other', reason: 'x' });
    assert.equal(failed.body.error_code, 'AUDIT_UNAVAILABLE');
    assert.equal(codeOf(await call(agent, 'other')), 'BLOCKED', 'no lifting it by failing');
  });
});

test('an operator stops, lists and lifts from the command line; what names nothing is said', () =>
  withPeers(setup({ config: 'limits: { rates: [{ per: caller, calls: 9, window: 1m }] }' }), async (bed) => {
    const tokenFile = join(bed.bed.folder, 'operator.token');
    await writeFile(tokenFile, OPERATOR_TOKEN);
    const run = (...args: string[]) =>
      cmcpInProcess(['kill', ...args, '--config', bed.bed.configFile, '--token-file', tokenFile], bed.bed.folder, {
        CMCP_DEV_MODE: '1',
      });
    const agent = await bed.agent('modern');
    const session = receiptOf(await call(agent, 'echo')).session_id;
    assert.equal((await run('list')).stdout, 'Nothing is stopped.\n');
    for (const [scope, name, said] of [
      ['tool', 'echo', 'The tool echo'],
      ['server', 'main', 'The server main'],
      ['session', session, `The session ${session}`],
      ['agent', 'agent', 'The agent agent'],
      ['all', '', 'Everything'],
    ] as const) {
      const { code, stdout } = await run(scope, ...(name === '' ? [] : [name]), '--reason', 'ticket 7');
      const [, id = ''] = /: ([0-9a-f-]{36})\n$/.exec(stdout) ?? [];
      assert.deepEqual([code, stdout], [0, `${said} is stopped: ${id}\n`]);
      assert.equal(codeOf(await call(agent, 'echo')), 'BLOCKED');
      assert.match((await run('list')).stdout, new RegExp(`^${id} +${scope} +\\S+ +op +- +\\S+ +ticket 7$`, 'm'));
      assert.equal((await run('lift', id, '--reason', 'looked at')).stdout, `${said} goes on.\n`);
      assert.equal((await call(agent, 'echo')).error, undefined);
    }
    assert.match((await run('agent', 'agnet', '--reason', 'x')).stdout, /is it spelled so\?/);
    assert.match(
      (await run('limits')).stdout,
      /^per caller +9 calls within 60 s\nof +calls +bytes +cost\n.*\nagent +6 /s,
    );
    const { code, stdout } = await run('list', '--json');
    assert.deepEqual([code, (JSON.parse(stdout) as { blocks: Values[] }).blocks[0]?.name], [0, 'agnet']);
    for (const wrong of [
      ['agent'],
      ['agent', 'a', 'b', '--reason', 'x'],
      ['all', 'x', '--reason', 'x'],
      ['agent', 'a'],
    ])
      assert.equal((await run(...wrong)).code, 2, wrong.join(' '));
    assert.equal((await run('lift', 'x', '--reason', 'x')).code, 2);
    assert.equal((await run('lift', crypto.randomUUID(), '--reason', 'x')).code, 1);
  }));
