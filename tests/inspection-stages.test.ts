import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AuditEntry } from '@cmcp/evidence';
import { BUILT_IN_SETTINGS } from '../packages/gateway/src/inspection/rules/settings.ts';
import type { FindingKind, Scan } from '../packages/gateway/src/inspection/types.ts';
import { ABLE, type Reply } from './support/agent.ts';
import { ALLOW_EVERYTHING, codeOf, type PeerBed, type PeerSetup, receiptOf, withPeers } from './support/peer-bed.ts';
import type { PeerServer } from './support/peer-server.ts';
import type { Values } from './support/wire.ts';

const text = (words: string): Values => ({ type: 'text', text: words });
const said = (words: string): Values => ({ content: [text(words)] });

/** Answers each call with what it is asked to. */
const echoing = (peer: PeerServer): void =>
  void peer.on('tools/call', ({ params }) => (params.arguments as { answer: Values }).answer);

const setup = (changes: Partial<PeerSetup> = {}): PeerSetup => ({
  servers: { main: { family: 'handshake', script: echoing } },
  tools: { echo: {} },
  ...changes,
});

const rule = (id: string, kind: string, pattern: string): string =>
  `  - { id: ${id}, kind: ${kind}, pattern: "${pattern}", tests: { match: [${pattern}], pass: [x] } }`;
const file = (...lines: string[]): string => ['inspection: 1', 'version: test', ...lines, ''].join('\n');

/** Finds a word. */
const word =
  (wanted: string, kind: FindingKind, label: string | null = null): Scan =>
  (given) =>
    [...given.matchAll(new RegExp(wanted, 'g'))].map(({ index }) => ({
      ...{ kind, rule: wanted.toLowerCase(), label, start: index, end: index + wanted.length },
      ...{ via: [], instead: null },
    }));

interface Called {
  replies: Reply[];
  entries: AuditEntry[];
  /** What the server said before its answers. */
  heard: unknown[];
}

/** Calls a tool for each answer, closes the session, and gives its entries. */
async function calls(bed: PeerBed, ...answers: (Values | [tool: string, answer: Values])[]): Promise<Called> {
  const agent = await bed.agent('handshake', { capabilities: ABLE });
  const replies: Reply[] = [];
  for (const given of answers) {
    const [name, answer] = Array.isArray(given) ? given : ['echo', given];
    replies.push(await agent.request('tools/call', { name, arguments: { answer } }, { progressToken: 1 }));
  }
  const { session_id } = receiptOf(replies.at(-1) ?? {});
  await bed.endSession(agent, session_id);
  const heard = agent.heard.items.map(({ params }) => params.message);
  return { replies, entries: await bed.entries(session_id), heard };
}

/** Personal data that raises the class of whoever sees it. */
const SSN = 'SSN 536-22-1847';

const results = (entries: AuditEntry[]): unknown[] =>
  entries.map((entry) => [entry.policy_decision, entry.response_inspection_result]);

test('a contact with an e-mail address is returned under default settings, and is no more than a contact [W-20]', () =>
  withPeers(setup(), async (bed) => {
    const contact = { name: 'Ada Lovelace', email: 'ada@analytical.example', phone: '10.0.0.1', size: 1234567890 };
    const { replies, entries } = await calls(bed, { ...said(JSON.stringify(contact)), structuredContent: contact });
    assert.deepEqual(replies[0]?.result?.structuredContent, contact);
    assert.deepEqual(replies[0]?.result?.content, [text(JSON.stringify(contact))]);
    assert.deepEqual(results(entries), [['allow', 'pass']]);
    assert.equal(entries[0]?.session_sensitivity_after, 'public');
    assert.match(String(entries[0]?.detail?.found), /^email-address:\d/);
  }));

test('a card number is taken out wherever it stands, the rest stays, and entry and caller learn how much [G18] [DET-08]', () =>
  withPeers(setup(), async (bed) => {
    const card = '4242 4242 4242 4242';
    const structuredContent = { paid: [{ by: card, n: 1 }], [card]: true, number: 4242424242424242 };
    const { replies, entries } = await calls(bed, { ...said(`with ${card}.`), structuredContent }, said('clean'));
    const note = '[redacted: payment-card-number]';
    assert.deepEqual(replies[0]?.result?.content, [text(`with ${note}.`)]);
    assert.deepEqual(replies[0]?.result?.structuredContent, { paid: [{ by: note, n: 1 }], [note]: true, number: 0 });
    assert.deepEqual(receiptOf(replies[0] ?? {}), {
      ...receiptOf(replies[0] ?? {}),
      removed: { 'payment-card-number': 4 },
    });
    assert.deepEqual(results(entries), [
      ['redact', 'pass'],
      ['allow', 'pass'],
    ]);
    assert.equal(entries[0]?.detail?.taken_out, 'payment-card-number:4');
    assert.equal(entries[0]?.session_sensitivity_after, 'public', 'what was taken out was not seen');
    assert.equal(entries[1]?.detail?.stages, 'size,classification,injection,redaction,links');
    assert.equal(entries[1]?.detail?.taken_out, undefined);
  }));

test('what is found by its context alone is taken out of every other place too [DET-08]', () =>
  withPeers(setup({ inspection: file('rules:', rule('door', 'secret', 'door code KX-99-ZZ')) }), async (bed) => {
    const answer = { ...said('door code KX-99-ZZ'), structuredContent: { x: ['door code KX-99-ZZ!'] } };
    const { replies } = await calls(bed, answer);
    assert.deepEqual(replies[0]?.result?.structuredContent, { x: ['[redacted: door]!'] });
  }));

const SCHEMA = {
  type: 'object',
  required: ['id'],
  properties: { id: { type: 'string', maxLength: 12 }, level: { type: 'string', 'x-sensitivity': 'confidential' } },
};
const MODES = ['strict', 'redact', 'log'] as const;
const SCHEMED: Partial<PeerSetup> = {
  tools: Object.fromEntries(MODES.map((mode) => [mode, { definition: { outputSchema: SCHEMA } }])),
  inspection: file(
    'rules:',
    rule('mark', 'secret', 'MARK'),
    'tools:',
    ...MODES.map((mode) => `  ${mode}: { schema: ${mode} }`),
  ),
};

test('structured content is held against the approved schema, strictly, stripped or logged [MCP26-37]', () =>
  withPeers(setup(SCHEMED), async (bed) => {
    const of = (structuredContent: Values, words = 'x'): Values => ({ ...said(words), structuredContent });
    const surplus = of({ id: 'a', more: 'EXTRA' }, '{"id":"a","more":"EXTRA"}');
    const bad = of({ id: 7 }, 'fine');
    const { replies, entries } = await calls(
      bed,
      ...MODES.flatMap((mode) => [surplus, bad].map((answer): [string, Values] => [mode, answer])),
      ['redact', of({ id: 'a' }, 'but MARK')],
      ['redact', said('no structure')],
    );
    assert.deepEqual(
      replies.map((reply) => (reply.result === undefined ? codeOf(reply) : reply.result.structuredContent)),
      [
        'RESPONSE_SCHEMA_VIOLATION_STRICT',
        'RESPONSE_SCHEMA_VIOLATION',
        { id: 'a' },
        'RESPONSE_SCHEMA_VIOLATION',
        { id: 'a', more: 'EXTRA' },
        'RESPONSE_SCHEMA_VIOLATION',
        { id: 'a' },
        'RESPONSE_SCHEMA_VIOLATION',
      ],
    );
    assert.deepEqual(replies[6]?.result?.content, [text('but [redacted: mark]')]);
    assert.equal(JSON.stringify(replies[2]).includes('EXTRA'), false);
    assert.deepEqual(receiptOf(replies[2] ?? {}), { ...receiptOf(replies[2] ?? {}), removed: { surplus: 1 } });
    assert.deepEqual(results(entries), [
      ['deny', 'schema_violation'],
      ['deny', 'schema_violation'],
      ['redact', 'surplus_stripped'],
      ['deny', 'schema_violation'],
      ['allow', 'pass'],
      ['deny', 'schema_violation'],
      ['redact', 'pass'],
      ['deny', 'schema_violation'],
    ]);
  }));

test('what no longer fits its schema once something was taken out is withheld [DET-08]', () =>
  withPeers(setup(SCHEMED), async (bed) => {
    const { replies, entries } = await calls(bed, ['redact', { content: [], structuredContent: { id: 'MARK' } }]);
    assert.equal(codeOf(replies[0] ?? {}), 'RESPONSE_SCHEMA_VIOLATION');
    assert.deepEqual(results(entries), [['deny', 'schema_violation']]);
  }));

test('a label of the schema raises the class of whoever sees the field', () =>
  withPeers(setup(SCHEMED), async (bed) => {
    const of = (structuredContent: Values): [string, Values] => ['log', { content: [], structuredContent }];
    const { entries } = await calls(bed, of({ id: 'a' }), of({ id: 'a', level: 'x' }), of({ id: 'a' }));
    assert.deepEqual(
      entries.map((entry) => entry.session_sensitivity_after),
      ['public', 'confidential', 'confidential'],
    );
  }));

test('an answer above its tool’s own size is withheld [ATK-18]', () =>
  withPeers(
    setup({ tools: { echo: {}, small: {} }, inspection: file('tools:', '  small: { max_size: 300 }') }),
    async (bed) => {
      const large = said('x'.repeat(400));
      const { replies, entries } = await calls(bed, large, ['small', large], ['small', said('x')]);
      assert.ok(replies[0]?.result);
      assert.equal(codeOf(replies[1] ?? {}), 'RESPONSE_SIZE_EXCEEDED');
      assert.deepEqual(results(entries), [
        ['allow', 'pass'],
        ['deny', 'size_exceeded'],
        ['allow', 'pass'],
      ]);
    },
  ));

test('what stands behind much else is found all the same [ATK-18]', () =>
  withPeers(setup({ inspection: file('rules:', rule('mark', 'secret', 'MARK')) }), async (bed) => {
    const long = `${'lorem ipsum dolor '.repeat(40_000)}MARK${' sit amet'.repeat(5000)}`;
    const { replies, entries } = await calls(bed, said(long));
    assert.deepEqual(replies[0]?.result?.content, [text(long.replace('MARK', '[redacted: mark]'))]);
    assert.equal(entries[0]?.detail?.taken_out, 'mark:1');
  }));

/** Every order of three scans, each of which looks at texts that name the order. */
const ORDERS = [
  [0, 1, 2],
  [0, 2, 1],
  [1, 0, 2],
  [1, 2, 0],
  [2, 0, 1],
  [2, 1, 0],
];
const SCANS = [word('HARMLESS', 'personal', 'pii'), word('HIDDEN', 'concealed'), word('TOKEN', 'secret')];

test('whatever the order of stages, a denial stays one, and every rule that found something is entered [D-28]', () => {
  const scans = ORDERS.flatMap((order, number) =>
    order.map(
      (index): Scan =>
        (given) =>
          given.includes(`order ${number}`) ? (SCANS[index]?.(given) ?? []) : [],
    ),
  );
  return withPeers(setup({ deps: { scans } }), async (bed) => {
    const { replies, entries } = await calls(
      bed,
      ...ORDERS.map((_, number) => said(`order ${number}: HARMLESS HIDDEN TOKEN`)),
    );
    for (const reply of replies) assert.equal(codeOf(reply), 'RESPONSE_INJECTION_DETECTED');
    for (const { detail, response_inspection_result: result } of entries) {
      assert.equal(detail?.found, 'harmless:1,hidden:1,token:1');
      assert.equal(detail?.kinds, 'concealed,personal,secret');
      assert.equal(result, 'injection_detected');
    }
  });
});

for (const mode of ['enforcing', 'advisory'] as const) {
  test(`a stage that fails, or takes longer than it may, has not inspected anything: ${mode} [D-29] [D-30]`, () => {
    let now = 0;
    const failing: Scan = (given) => {
      if (given.includes('BREAK')) throw new TypeError('no such method');
      if (given.includes('HANG')) now += 2 * BUILT_IN_SETTINGS.budgetMs;
      return [];
    };
    const deps = { scans: [failing], turns: { nowMs: () => now, turn: async () => {} } };
    const script = (peer: PeerServer): void =>
      void peer.on('tools/call', ({ params, progress }) => {
        const { answer } = params.arguments as { answer: Values };
        if (JSON.stringify(answer).includes('fine')) progress(1, 'BREAK');
        return answer;
      });
    const servers = { main: { family: 'handshake', script } } as const;
    return withPeers(setup({ servers, deps, config: `mode: ${mode}` }), async (bed) => {
      const { replies, entries, heard } = await calls(bed, said('BREAK'), said('HANG'), said('fine'), said('x'));
      assert.deepEqual(heard, mode === 'advisory' ? ['BREAK'] : []);
      for (const [index, reply] of replies.entries()) {
        if (mode === 'advisory' || index >= 3) assert.ok(reply.result);
        else assert.equal(codeOf(reply), 'INSPECTION_FAILED');
        // What it broke on was said before the answer.
        assert.equal(reply.error?.data?.mid_stream, mode === 'enforcing' && index === 2 ? true : undefined);
      }
      const bad = mode === 'advisory' ? 'advisory_deny' : 'deny';
      assert.deepEqual(results(entries), [
        [bad, 'not_inspected'],
        [bad, 'not_inspected'],
        [bad, 'not_inspected'],
        ['allow', 'pass'],
      ]);
    });
  });
}

for (const mode of ['advisory', 'silent'] as const) {
  test(`in ${mode} mode nothing is changed or withheld, and all is recorded as it would have been [G19]`, () => {
    const scans = [word('TOKEN', 'secret', 'confidential'), word('ORDERS', 'concealed')];
    const tools = { echo: {}, kept: { definition: { outputSchema: SCHEMA } } };
    return withPeers(setup({ deps: { scans }, tools, config: `mode: ${mode}` }), async (bed) => {
      const surplus = { content: [], structuredContent: { id: 'a', more: 'TOKEN' } };
      const given: (Values | [string, Values])[] = [said('a TOKEN'), said('ORDERS'), ['kept', surplus]];
      const { replies, entries } = await calls(bed, ...given);
      assert.deepEqual(
        replies.map(({ result }) => result?.structuredContent ?? result?.content),
        [[text('a TOKEN')], [text('ORDERS')], surplus.structuredContent],
      );
      assert.deepEqual(results(entries), [
        ['allow', 'pass'],
        ['advisory_deny', 'injection_detected'],
        ['allow', 'surplus_stripped'],
      ]);
      assert.equal(entries[0]?.detail?.would_have_taken_out, 'token:1');
      assert.equal(entries[0]?.session_sensitivity_after, 'confidential', 'it was seen');
      const { would_have_removed: told } = receiptOf(replies[0] ?? {}) as { would_have_removed?: unknown };
      assert.deepEqual(told, mode === 'silent' ? undefined : { token: 1 });
    });
  });
}

test('policy decides by what was found: kinds, injections, and the class of what stays', () =>
  withPeers(
    setup({
      inspection: file('rules:', rule('mark', 'secret', 'MARK'), rule('orders', 'injection', 'ORDERS')),
      policies: {
        ...ALLOW_EVERYTHING,
        'no-secrets.cedar':
          '@id("secret") forbid (principal, action, resource) when { context has response && context.response.kinds.contains("secret") };',
        'no-orders.cedar':
          '@id("orders") forbid (principal, action, resource) when { context has response && context.response.injection > 0 };',
        'no-phi.cedar':
          '@id("mail") forbid (principal, action, resource) when { context has response && context.response.class == "pii" };',
      },
    }),
    async (bed) => {
      const { replies, entries } = await calls(bed, said('MARK'), said('ORDERS'), said(SSN), said('x'));
      assert.deepEqual(
        replies.map((reply) => (reply.result === undefined ? codeOf(reply) : 'passed')),
        ['EGRESS_DENIED', 'EGRESS_DENIED', 'EGRESS_DENIED', 'passed'],
      );
      assert.deepEqual(
        entries.map((entry) => [entry.policy_rule_matched, entry.response_inspection_result]),
        [
          ['secret', 'pass'],
          ['orders', 'injection_detected'],
          ['mail', 'pass'],
          [entries[3]?.policy_rule_matched, 'pass'],
        ],
      );
      assert.equal(entries[2]?.session_sensitivity_after, 'public', 'what was withheld was not seen');
    },
  ));

test('a permit that redacts a class takes out what was found of it, whatever the schema says of the field', () =>
  withPeers(
    setup({
      tools: {
        echo: {
          definition: {
            outputSchema: { type: 'object', properties: { note: { type: 'string', 'x-sensitivity': 'public' } } },
          },
        },
      },
      policies: { 'all.cedar': '@redact("class:pii") permit (principal, action in Action::"call_tool", resource);' },
    }),
    async (bed) => {
      const structuredContent = { note: 'write to ada@analytical.example' };
      const { replies, entries } = await calls(bed, { content: [], structuredContent });
      assert.deepEqual(replies[0]?.result?.structuredContent, { note: 'write to [redacted: email-address]' });
      assert.equal(entries[0]?.session_sensitivity_after, 'public');
    },
  ));

test('a notice does not show more than its call is on record for: that is for the answer', () =>
  withPeers(
    setup({
      servers: {
        main: {
          family: 'handshake',
          script: (peer) =>
            void peer.on('tools/call', ({ progress }) => {
              progress(1, 'mail to ada@analytical.example');
              return said('ada@analytical.example');
            }),
        },
      },
    }),
    async (bed) => {
      const agent = await bed.agent('handshake');
      const reply = await agent.request('tools/call', { name: 'echo', arguments: {} }, { progressToken: 1 });
      assert.deepEqual(reply.result?.content, [text('ada@analytical.example')]);
      assert.equal(agent.heard.items[0]?.params.message, 'mail to [redacted: email-address]');
    },
  ));

test('the id of a task is nobody’s to see, so that nothing is found in it', () =>
  withPeers(
    setup({
      servers: {
        main: {
          family: 'modern',
          script: (peer) => {
            const task = { taskId: 'MARK', createdAt: 'x', lastUpdatedAt: 'x', ttlMs: null };
            peer.on('tools/call', () => ({ resultType: 'task', ...task, status: 'working' }));
            peer.on('tasks/get', () => ({ ...task, status: 'completed', result: said('MARK done') }));
          },
        },
      },
      inspection: file('rules:', rule('mark', 'secret', 'MARK')),
    }),
    async (bed) => {
      const agent = await bed.agent('modern', { capabilities: ABLE });
      const { result } = await agent.request('tools/call', { name: 'echo', arguments: {} });
      const done = await agent.request('tasks/get', { taskId: String(result?.taskId) });
      assert.deepEqual(done.result?.result, said('[redacted: mark] done'));
      assert.deepEqual(
        bed.peer.sent('tasks/get').map(({ taskId }) => taskId),
        ['MARK'],
      );
      const { session_id } = receiptOf(done);
      await bed.endSession(agent, session_id);
      assert.deepEqual(
        (await bed.entries(session_id)).map(({ detail }) => detail?.found),
        [undefined, 'mark:1'],
      );
    },
  ));

test('an exposure that is reset while an answer is looked through is not shown that answer [D-47]', () => {
  let now = 0;
  const slow: Scan = () => {
    now += 10;
    return [];
  };
  let reset = async (): Promise<void> => {};
  const deps = { scans: [slow], turns: { nowMs: () => now, turn: () => reset() } };
  return withPeers(setup({ deps }), async (bed) => {
    const agent = await bed.agent('handshake');
    const call = (answer: Values) => agent.request('tools/call', { name: 'echo', arguments: { answer } });
    const { session_id } = receiptOf(await call(said('x')));
    reset = async () => {
      reset = async () => {};
      const path = `/operator/v1/sessions/${session_id}/reset`;
      assert.equal((await bed.bed.operator('POST', path, { reason: 'in the test' })).status, 200);
    };
    assert.equal(codeOf(await call(said('x'.repeat(40_000)))), 'EGRESS_DENIED');
    assert.ok((await call(said('x'))).result);
  });
});

/** Asks the user with these params, and answers with what it is told. */
const elicits =
  (params: Values) =>
  (peer: PeerServer): void =>
    void peer.on('tools/call', async ({ ask }) => said(JSON.stringify(await ask('q', 'elicitation/create', params))));

for (const family of ['handshake', 'modern'] as const) {
  test(`a question is asked without what is taken out of it, raises the class by what stays, and is refused where nothing is left to ask: ${family}`, () => {
    const requestedSchema = { type: 'object', properties: { city: { type: 'string' } } };
    const form = { message: `MARK for ${SSN}?`, requestedSchema };
    const address = { mode: 'url', message: 'log in', url: 'https://MARK.login.example/', elicitationId: 'e' };
    const inspection = file('rules:', rule('mark', 'secret', 'MARK'));
    const server = (params: Values) => ({ main: { family, asks: ['elicit'], script: elicits(params) } });
    const answer = (): Values => ({ action: 'accept', content: { city: 'Paris' } });
    return withPeers(setup({ servers: server(form), inspection }), async (bed) => {
      const agent = await bed.agent(family, { capabilities: ABLE, answer });
      const reply = await agent.complete('tools/call', { name: 'echo', arguments: {} });
      assert.match(JSON.stringify(reply.result), /Paris/);
      assert.equal(agent.asked.items[0]?.params.message, `[redacted: mark] for ${SSN}?`);
      assert.equal(agent.bodies.join().includes('MARK'), false);
      bed.peer.scripts.clear();
      elicits(address)(bed.peer);
      const refused = await agent.complete('tools/call', { name: 'echo', arguments: {} });
      assert.equal(agent.asked.items.length, 1);
      const { session_id } = receiptOf(refused);
      await bed.endSession(agent, session_id);
      const asked = (await bed.entries(session_id)).filter(({ action }) => action === 'elicit');
      const looked = asked.filter(({ detail }) => detail?.stage !== 'answered');
      assert.deepEqual(
        looked.map(({ policy_decision: decision, detail }) => [decision, detail?.taken_out, detail?.error_code]),
        [
          ['redact', 'mark:1', undefined],
          ['deny', 'mark:1', 'ASK_REFUSED'],
        ],
      );
      assert.equal(looked[0]?.session_sensitivity_after, 'pii');
    });
  });
}
