import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ABLE } from './support/agent.ts';
import { asking, FORM, MAY_ASK, QUESTIONS, type Question, told } from './support/asks.ts';
import { but, codeOf, type PeerSetup, receiptOf, withPeers } from './support/peer-bed.ts';
import { FAMILIES, type Family, type Values } from './support/wire.ts';

const SERVERS = [
  { family: 'handshake', transport: 'http' },
  { family: 'modern', transport: 'http' },
  { family: 'handshake', transport: 'stdio' },
  { family: 'modern', transport: 'stdio' },
] as const;

const asks = (
  server: (typeof SERVERS)[number],
  questions: Record<string, Question>,
  changes: Partial<PeerSetup> & { asks?: string[] } = {},
): PeerSetup => ({
  servers: { main: { ...server, asks: changes.asks ?? MAY_ASK, script: asking(questions) } },
  tools: Object.fromEntries(Object.keys(questions).map((name) => [name, { sensitivity: 'pii' }])),
  ...changes,
});

const call = (name: string): Values => ({ name, arguments: { to: 'CANARY-argument' } });

/** The entries of a call that asked once and was answered, by who can ask whom how. */
function expected(agent: Family, server: Family, action: string): unknown[] {
  if (agent === 'modern' && server === 'modern') {
    return [
      [action, 'asked'],
      ['call_tool', 'input_required'],
      [action, 'answered'],
      ['call_tool', null],
    ];
  }
  return [
    [action, 'whole'],
    ['call_tool', null],
  ];
}

/** For each way in which an agent and a server can be spoken to. */
function everyWay(title: string, run: (agent: Family, server: (typeof SERVERS)[number]) => Promise<void>): void {
  for (const agent of FAMILIES) {
    for (const server of SERVERS) {
      test(`${title}: ${agent} agent, ${server.family} server over ${server.transport}`, () => run(agent, server));
    }
  }
}

everyWay('asked, answered and entered [MCP25-11] [MCP25-12] [MCP26-28]', (agentFamily, server) =>
  withPeers(asks(server, QUESTIONS), async (bed) => {
    const answer = ({ method, params }: Question): Values =>
      Object.values(QUESTIONS).find((each) => each.method === method && each.params.mode === params.mode)?.answer ?? {};
    const agent = await bed.agent(agentFamily, { capabilities: ABLE, answer });
    let session = '';
    for (const [name, question] of Object.entries(QUESTIONS)) {
      const reply = await agent.complete('tools/call', call(name));
      assert.deepEqual(told(reply).q?.result, question.answer);
      const asked = agent.asked.items.at(-1);
      assert.equal(asked?.method, question.method);
      for (const key of ['message', 'messages', 'url']) assert.deepEqual(asked?.params[key], question.params[key]);
      session = receiptOf(reply).session_id;
    }
    await bed.endSession(agent, session);
    const entries = await bed.entries(session, 'CANARY');
    assert.deepEqual(
      entries.map(({ action, detail }) => [action, detail?.stage ?? detail?.result_type ?? null]),
      Object.values(QUESTIONS).flatMap(({ action }) => expected(agentFamily, server.family, action)),
    );
    const calls = entries.filter(({ entry_type }) => entry_type === 'tool_call');
    for (const entry of entries) {
      assert.equal(entry.policy_decision, 'allow');
      assert.equal(entry.policy_ids?.length, 1);
      assert.equal(entry.response_payload_hash === null, entry.detail?.stage === 'asked');
      if (entry.entry_type === 'tool_call') continue;
      const during = calls.find(({ call_id }) => call_id === entry.detail?.during_call);
      assert.equal(entry.tool_name, during?.tool_name, 'what the server was doing, and in which call');
      assert.equal(entry.session_sensitivity_after, 'pii', 'what a question may reveal counts as seen');
    }
  }),
);

const FIELD = { type: 'object', properties: { city: { type: 'string' } } };

interface Refusal {
  params?: Values;
  answer?: Values;
  rule: string;
  code: string;
}

/** Asks that come to nothing, by the tool that asks. */
const REFUSALS: Record<string, Refusal> = {
  denied: { rule: 'nobody-is-asked', code: 'POLICY_DENY' },
  field: { rule: 'no-city', code: 'POLICY_DENY', params: { message: 'CANARY', requestedSchema: FIELD } },
  secret: {
    params: { message: 'CANARY', requestedSchema: { type: 'object', properties: { password: { type: 'string' } } } },
    rule: 'ask_refused',
    code: 'ASK_REFUSED',
  },
  insecure: {
    params: { mode: 'url', message: 'CANARY', url: 'http://login.example/x', elicitationId: 'e' },
    rule: 'ask_refused',
    code: 'ASK_REFUSED',
  },
  withheld: { rule: 'stays-here', code: 'EGRESS_DENIED' },
  elsewhere: {
    answer: { action: 'accept', content: { town: 'CANARY' } },
    rule: 'ask_unanswered',
    code: 'ASK_UNANSWERED',
  },
};

const REFUSING = but(`@id("nobody-is-asked") forbid (principal, action == Action::"elicit", resource == Server::"main")
when { context.during == "denied" };
@id("no-city") forbid (principal, action == Action::"elicit", resource)
when { context.during == "field" && context.fields.contains("city") && context.mode == "form" };
@id("stays-here") forbid (principal, action == Action::"elicit", resource)
when { context.during == "withheld" && context has response };`);

everyWay('an ask that comes to nothing is entered, and the server told no more than that', (agentFamily, server) => {
  const questions = Object.entries(REFUSALS).map(([name, { params }]) => [
    name,
    { method: FORM.method, params: params ?? FORM.params },
  ]);
  return withPeers(asks(server, Object.fromEntries(questions), { policies: REFUSING }), async (bed) => {
    const agent = await bed.agent(agentFamily, { capabilities: ABLE });
    let session = '';
    for (const [name, { answer = FORM.answer, code }] of Object.entries(REFUSALS)) {
      const before = agent.asked.items.length;
      agent.answer = () => answer;
      const reply = await agent.complete('tools/call', call(name));
      session = receiptOf(reply).session_id;
      const isAsked = code === 'EGRESS_DENIED' || code === 'ASK_UNANSWERED';
      assert.equal(agent.asked.items.length - before, isAsked ? 1 : 0, 'the client is asked only what it may be');
      if (server.family === 'modern') {
        assert.equal(codeOf(reply), code === 'ASK_UNANSWERED' ? code : 'ASK_REFUSED');
      } else {
        const { error } = told(reply).q ?? {};
        assert.deepEqual(Object.keys(error ?? {}).sort(), ['code', 'message']);
        assert.equal(JSON.stringify(error).includes(code), false);
      }
    }
    await bed.endSession(agent, session);
    const entries = await bed.entries(session, 'CANARY');
    for (const [name, { rule, code }] of Object.entries(REFUSALS)) {
      const own = entries.filter(({ tool_name }) => tool_name === name);
      const refused = own.filter(({ action, policy_decision }) => action === 'elicit' && policy_decision !== 'allow');
      assert.deepEqual(
        refused.map(({ policy_rule_matched, detail }) => [policy_rule_matched, detail?.error_code]),
        [[rule, code]],
        name,
      );
      const last = own.at(-1);
      assert.equal(last?.action, 'call_tool');
      assert.equal(
        last?.policy_decision === 'allow',
        server.family === 'handshake',
        'what becomes of it is for the server',
      );
    }
  });
});

const URL_ASK: Question = {
  ...FORM,
  params: { mode: 'url', message: 'CANARY', url: 'https://login.example/x', elicitationId: 'e' },
};

/** What is not offered to a server, by the tool that asks all the same, and what a server of the handshake revisions is told. */
const UNOFFERED: Record<string, { question: Question; code: number }> = {
  undeclared: { question: FORM, code: -32602 },
  mode: { question: URL_ASK, code: -32602 },
  unapproved: { question: QUESTIONS.look ?? FORM, code: -32601 },
};

everyWay(
  'what the client did not declare, or the catalog does not approve, is never put to it, and is entered [MCP25-11] [MCP25-12] [MCP26-28]',
  (agentFamily, server) => {
    const questions = Object.entries(UNOFFERED).map(([name, { question }]) => [name, question] as const);
    return withPeers(asks(server, Object.fromEntries(questions), { asks: ['elicit'] }), async (bed) => {
      const agent = await bed.agent(agentFamily, { capabilities: { roots: {} }, answer: () => FORM.answer });
      let session = '';
      for (const [name, { code }] of Object.entries(UNOFFERED)) {
        const reply = await agent.complete('tools/call', call(name));
        session = receiptOf(reply).session_id;
        if (server.family === 'modern') assert.equal(codeOf(reply), 'ASK_REFUSED');
        else assert.equal(told(reply).q?.error?.code, code);
      }
      assert.deepEqual(agent.asked.items, []);
      await bed.endSession(agent, session);
      const entries = await bed.entries(session, 'CANARY');
      assert.deepEqual(
        entries.map(({ action, policy_decision, policy_rule_matched }) => [
          action,
          policy_decision,
          policy_rule_matched,
        ]),
        Object.values(UNOFFERED).flatMap(({ question }) => [
          [question === FORM || question === URL_ASK ? 'elicit' : 'list_roots', 'deny', 'ask_refused'],
          server.family === 'modern' ? ['call_tool', 'deny', 'ask_refused'] : ['call_tool', 'allow', 'policy0'],
        ]),
      );
    });
  },
);
