/** Calls that are approved by a machine, and by the agent's own user. */
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { loadConfig, readEnvironment, type StartedGateway } from '@cmcp/gateway';
import { readAnswer } from '../packages/gateway/src/escalation/callback/message.ts';
import { WebhookSecret } from '../packages/gateway/src/escalation/callback/signature.ts';
import { Agent, type Answering, type Reply } from './support/agent.ts';
import { ApprovingService, postTo } from './support/approving-service.ts';
import { AGENT_TOKEN, OTHER_TOKEN, TestBed } from './support/gateway.ts';
import { ManualTime } from './support/manual-time.ts';
import { codeOf, receiptOf } from './support/peer-bed.ts';
import { sessionFile, verifyStored } from './support/session-files.ts';
import { timed } from './support/timed-gateway.ts';
import { FAMILIES, type Family, type Values } from './support/wire.ts';

const on = (amount: string): string =>
  `forbid (principal, action == Action::"pay", resource) when { context.arguments has amount && context.arguments.amount == "${amount}" };`;

const POLICY = `permit (principal, action in Action::"call_tool", resource);
@id("machine") @aarm_decision("defer") @ttl("10m")
${on('machine')}
@id("held") @aarm_decision("defer") @hold("30s") @approver("risk")
${on('held')}
@id("user") @aarm_decision("step_up") @via("user")
${on('user')}
`;

const ASKABLE: Values = { elicitation: {} };
const TASKS: Values = { extensions: { 'io.modelcontextprotocol/tasks': {} } };

/** What a user answers, always or when asked. */
type Answer = Values | Answering;

interface Scene {
  bed: TestBed;
  time: ManualTime;
  service: ApprovingService;
  started: StartedGateway;
  /** An agent of a family, whose user answers so; without an answer it has none to ask. */
  agent(family: Family, answer?: Answer, token?: string, capabilities?: Values): Promise<Agent>;
  /** Posts an answer of the callback, signed or not, to the gateway; the status. */
  post(id: string, message: { body: string; headers: Record<string, string> }): Promise<number>;
}

async function scene(run: (scene: Scene) => Promise<void>, sendArguments = false): Promise<void> {
  const time = new ManualTime();
  const service = await new ApprovingService(() => time.nowMicros() / 1e6).listen();
  const bed = await TestBed.create({
    tools: [{ name: 'pay', inputSchema: { type: 'object', properties: { amount: { type: 'string' } } } }],
    policies: { 'pay.cedar': POLICY },
  });
  const agents: Agent[] = [];
  try {
    await mkdir(join(bed.folder, 'secrets'));
    await writeFile(join(bed.folder, 'secrets/callback'), `${service.secret}\n`);
    const callback = `{ url: "${service.url}", secret_file: ./secrets/callback, name: risk-engine, send_arguments: ${sendArguments} }`;
    await bed.writeConfig(`approvals: { approvers: { risk: { operators: [risk-engine] } }, callback: ${callback} }`);
    const { started, url } = await bed.start({ ...timed(time), timers: time });
    const socket = started.operatorSocket ?? '';
    await run({
      ...{ bed, time, service, started },
      agent: async (family, answer, token = AGENT_TOKEN, capabilities = answer === undefined ? {} : ASKABLE) => {
        const agent = new Agent(url, family, {
          token,
          capabilities,
          answer: typeof answer === 'function' ? answer : () => answer ?? {},
        });
        agents.push(agent);
        await agent.open();
        return agent;
      },
      post: (id, message) => postTo(socket, `/operator/v1/approvals/${id}/callback`, message),
    });
  } finally {
    for (const agent of agents) await agent.end();
    await service.close();
    await bed.close();
  }
}

const pay = (agent: Agent, amount: string): Promise<Reply> =>
  agent.complete('tools/call', { name: 'pay', arguments: { amount } });

/** The id of the approval that a refused call waits for. */
function waitsFor(reply: Reply, code: string): string {
  assert.equal(codeOf(reply), code, JSON.stringify(reply));
  return String(reply.error?.data?.approval_id);
}

/** The id of the approval that a call waits for as a task. */
function waitingIn({ result = {} }: Reply): string {
  const { approval_id } = (result._meta as Values)['io.cmcp/approval'] as Values;
  return String(approval_id);
}

/** The steps of approvals in the session of a call, which is closed, and what the verifier says of them. */
async function told(
  { bed, started }: Scene,
  reply: Reply,
): Promise<{ steps: string[]; checks: Record<string, string> }> {
  const { session_id } = receiptOf(reply);
  await bed.operator('POST', `/operator/v1/sessions/${session_id}/close`, { reason: 'over' });
  const { bundle } = await sessionFile(started, session_id);
  const steps = bundle.entries.filter(({ entry_type }) => entry_type === 'approval');
  const { verdict, checks } = await verifyStored(started, session_id);
  assert.equal(verdict, 'verified', JSON.stringify(checks.filter(({ outcome }) => outcome === 'failed')));
  const about = checks.filter(({ id }) => id.startsWith('approvals.'));
  return {
    steps: steps.map(({ action, detail }) => [action, detail?.channel, detail?.by].filter(Boolean).join(' ')),
    checks: Object.fromEntries(about.map(({ id, outcome, detail }) => [id, `${outcome}: ${detail}`])),
  };
}

test('a deferred call asks the callback, signed, and goes on once it granted that: once [AARM-R4, G26]', () =>
  scene(async (all) => {
    const { service, post, agent } = all;
    const client = await agent('handshake');
    const id = waitsFor(await pay(client, 'machine'), 'DEFERRED');
    const asked = await service.asked.first();
    const { 'webhook-id': message, 'webhook-timestamp': at, 'webhook-signature': signature } = asked.headers;
    assert.equal(signature, service.sign(String(message), String(at), asked.text));
    assert.equal(asked.data.binding.approval_id, id);
    assert.equal(asked.data.arguments, undefined);
    const granted = service.signed(id, 'granted');
    assert.equal(await post(id, { ...granted, headers: { ...granted.headers, 'webhook-signature': 'v1,AAAA' } }), 401);
    assert.equal(await post('7d0a4f0e-1111-4222-8333-444455556666', service.signed(id, 'granted')), 400);
    assert.equal(await post(id, granted), 200);
    assert.equal(await post(id, granted), 401, 'the same message again');
    assert.equal(await post(id, service.signed(id, 'refused')), 400, 'it is answered');
    const paid = await pay(client, 'machine');
    assert.equal(paid.error, undefined);
    assert.notEqual(waitsFor(await pay(client, 'machine'), 'DEFERRED'), id);
    const { steps, checks } = await told(all, paid);
    assert.deepEqual(steps.slice(0, 3), [
      'approval_requested',
      'approval_granted callback risk-engine',
      'approval_used',
    ]);
    assert.match(checks['approvals.call.1'] ?? '', /^asserted: .*granted by risk-engine as risk through callback/);
  }));

test('a callback that answers in its response lets a held call go on at once, or refuses it', () =>
  scene(async (all) => {
    const { service, agent } = all;
    const client = await agent('handshake');
    service.atOnce('granted');
    const paid = await pay(client, 'held');
    assert.equal(paid.error, undefined);
    assert.deepEqual((await service.asked.first()).data.arguments, { amount: 'held' });
    service.atOnce('refused');
    assert.equal(codeOf(await pay(client, 'held')), 'APPROVAL_REFUSED');
    const { steps } = await told(all, paid);
    assert.deepEqual(steps.slice(-2), ['approval_requested', 'approval_refused callback risk-engine']);
  }, true));

test('without an answer of the callback a deferred call stays refused, and its request expires [AISVS-9.6.2]', () =>
  scene(async (all) => {
    const { service, agent, time, post } = all;
    const client = await agent('handshake');
    const refused = await pay(client, 'machine');
    const id = waitsFor(refused, 'DEFERRED');
    await service.asked.first();
    time.advance(600_000);
    assert.equal(await post(id, service.signed(id, 'granted')), 400);
    assert.notEqual(waitsFor(await pay(client, 'machine'), 'DEFERRED'), id);
    const { steps } = await told(all, { result: { _meta: refused.error?.data } } as Reply);
    assert.ok(steps.includes('approval_expired'), steps.join());
  }));

for (const family of FAMILIES) {
  test(`the user is asked with all of the arguments, and what the client answers is its own word: ${family} [ASI-09]`, () =>
    scene(async (all) => {
      const client = await all.agent(family, { action: 'accept' });
      const paid = await pay(client, 'user');
      assert.equal(paid.error, undefined, JSON.stringify(paid));
      const [question] = client.asked.items;
      assert.equal(question?.method, 'elicitation/create');
      assert.match(String(question?.params.message), /pay of the server scripted.*\n.*"amount":"user"/);
      const { steps, checks } = await told(all, paid);
      assert.deepEqual(steps, ['approval_requested', 'approval_granted user agent', 'approval_used']);
      assert.match(checks['approvals.chain'] ?? '', /^proven/);
      assert.match(checks['approvals.call.1'] ?? '', /^asserted: .*the word of the agent's own client, which counts/);
    }));

  test(`a user who declines refuses the call, and one who says nothing leaves it to an operator: ${family}`, () =>
    scene(async ({ agent, bed }) => {
      const declining = await agent(family, { action: 'decline' });
      assert.equal(codeOf(await pay(declining, 'user')), 'APPROVAL_REFUSED');
      const away = await agent(family, { action: 'cancel' }, OTHER_TOKEN);
      const id = waitsFor(await pay(away, 'user'), 'STEP_UP_REQUIRED');
      const { status } = await bed.operator('POST', `/operator/v1/approvals/${id}/grant`, { reason: 'asked him' });
      assert.equal(status, 200);
      assert.equal((await pay(away, 'user')).error, undefined);
      assert.equal(away.asked.items.length, 1);
    }));
}

test('a client that cannot ask its user is refused with the approval to wait for', () =>
  scene(async ({ agent }) => {
    const client = await agent('handshake');
    const reply = await pay(client, 'user');
    assert.match(waitsFor(reply, 'STEP_UP_REQUIRED'), /^[0-9a-f-]{36}$/);
    assert.deepEqual(client.asked.items, []);
  }));

test('a user who declines refuses the call, whatever an operator said meanwhile', () =>
  scene(async ({ agent, bed }) => {
    const client = await agent('handshake', async () => {
      const { body } = await bed.operator('GET', '/operator/v1/approvals');
      const [{ id }] = body.items as [Values];
      const { status } = await bed.operator('POST', `/operator/v1/approvals/${id}/grant`, { reason: 'asked him' });
      assert.equal(status, 200);
      return { action: 'decline' };
    });
    assert.equal(codeOf(await pay(client, 'user')), 'APPROVAL_REFUSED');
  }));

test('a client that takes tasks is given one while the approval waits, and the result once it is there: once [MCP25-16]', () =>
  scene(async (all) => {
    const { agent, post, service } = all;
    const client = await agent('modern', {}, AGENT_TOKEN, TASKS);
    const made = await pay(client, 'held');
    assert.deepEqual([made.result?.resultType, made.result?.status], ['task', 'working']);
    const taskId = String(made.result?.taskId);
    const get = (by: Agent): Promise<Reply> => by.request('tasks/get', { taskId });
    assert.equal((await get(client)).result?.status, 'working');
    const other = await agent('modern', {}, OTHER_TOKEN, TASKS);
    assert.equal(codeOf(await get(other)), 'INVALID_PARAMS', 'nobody else has it');
    const id = waitingIn(made);
    assert.equal(await post(id, service.signed(id, 'granted')), 200);
    const done = await get(client);
    assert.equal(done.result?.status, 'completed', JSON.stringify(done));
    assert.match(JSON.stringify(done.result?.result), /"content":\[/);
    assert.equal(codeOf(await get(client)), 'INVALID_PARAMS', 'it was given');
    const { steps } = await told(all, done);
    assert.deepEqual(steps, ['approval_requested', 'approval_granted callback risk-engine', 'approval_used']);
  }));

test('a task that waits for an approval fails when it is refused or expires, and ends when it is cancelled', () =>
  scene(async ({ agent, service, post, time, bed }) => {
    const client = await agent('modern', {}, AGENT_TOKEN, TASKS);
    const madeBy = async (amount: string): Promise<{ taskId: string; id: string }> => {
      const made = await pay(client, amount);
      assert.equal(made.result?.resultType, 'task');
      return { taskId: String(made.result.taskId), id: waitingIn(made) };
    };
    const get = async (taskId: string): Promise<Values> => (await client.request('tasks/get', { taskId })).result ?? {};
    const refused = await madeBy('machine');
    assert.equal(await post(refused.id, service.signed(refused.id, 'refused')), 200);
    const { status, error } = await get(refused.taskId);
    assert.deepEqual([status, ((error as Values).data as Values).error_code], ['failed', 'APPROVAL_REFUSED']);
    const cancelled = await madeBy('user');
    assert.ok((await client.request('tasks/cancel', { taskId: cancelled.taskId })).result);
    assert.equal(codeOf(await client.request('tasks/get', { taskId: cancelled.taskId })), 'INVALID_PARAMS');
    const expired = await madeBy('held');
    time.advance(900_000);
    assert.equal((await get(expired.taskId)).status, 'failed');
    const blocked = await madeBy('held');
    const block = { scope: 'agent', name: 'agent', reason: 'test' };
    assert.equal((await bed.operator('POST', '/operator/v1/blocks', block)).status, 200);
    assert.equal(codeOf(await client.request('tasks/get', { taskId: blocked.taskId })), 'BLOCKED');
  }));

test('docs/approvals.md shows a callback that the gateway would take, and a configuration that loads', async (t) => {
  const page = await readFile(new URL('../docs/approvals.md', import.meta.url), 'utf8');
  const block = (language: string, mark: string): string => {
    const all = [...page.matchAll(new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``, 'g'))].map(
      ([, inside = '']) => inside,
    );
    return all.find((inside) => inside.includes(mark)) ?? assert.fail(`no ${mark} on the page`);
  };
  const folder = await mkdtemp(join(tmpdir(), 'cmcp-callback-doc-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  await writeFile(join(folder, 'cmcp.yaml'), `stdio: desk\n${block('yaml', 'callback')}`);
  const { approvals } = await loadConfig(join(folder, 'cmcp.yaml'), readEnvironment({ CMCP_DEV_MODE: '1' }));
  assert.equal(approvals.callback?.name, 'risk-engine');
  await writeFile(join(folder, 'signed.mjs'), block('js', 'signed'));
  const { signed } = await import(join(folder, 'signed.mjs'));
  const secret = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;
  const body = block('json', 'approval.answered').trim().replace('…', '7d0a4f0e-1111-4222-8333-444455556666');
  assert.ok(new WebhookSecret(secret).verifies(signed(secret, body), Buffer.from(body)));
  assert.equal(readAnswer(Buffer.from(body)).approved, true);
});
