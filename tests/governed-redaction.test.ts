import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { ABLE } from './support/agent.ts';
import { cmcpInProcess } from './support/cli-in-process.ts';
import { codeOf, type PeerBed, type PeerSetup, receiptOf, withPeers } from './support/peer-bed.ts';
import { PeerError, type PeerServer } from './support/peer-server.ts';
import { sessionFile } from './support/session-files.ts';
import { FAMILIES, type Family, type Values } from './support/wire.ts';

const NOTE = '[Withheld: policy redacts this answer, and this part of it is not JSON that could be redacted.]';
const CUSTOMER = {
  id: 7,
  customer: { name: 'Ada', ssn: 'CANARY-1' },
  items: [{ email: 'CANARY-2', n: 1 }, { n: 2.5 }],
};
const SAFE = {
  id: 7,
  customer: { name: 'Ada', ssn: '[redacted]' },
  items: [{ email: '[redacted]', n: 1 }, { n: 2.5 }],
};
const PATHS = '$.customer.ssn, $.items[*].email';

const text = (words: string): Values => ({ type: 'text', text: words });

/** A permit that redacts, and one for everything that does not. */
const redacting = (what: string, scope = 'action in Action::"call_tool"', when = ''): Record<string, string> => ({
  'all.cedar': '@id("all") permit (principal, action, resource);',
  'redact.cedar': `@id("redacting") @redact("${what}") permit (principal, ${scope}, resource) ${when};`,
});

const answering = (answer: Values) => (peer: PeerServer) => {
  peer.on('tools/call', () => answer);
};

const lookup = (script: (peer: PeerServer) => void, changes: Partial<PeerSetup> = {}, family: Family = 'modern') => ({
  servers: { main: { family, script } },
  tools: { lookup: {} },
  policies: redacting(PATHS),
  config: 'audit: { digests: plain }',
  ...changes,
});

async function called(bed: PeerBed, family: Family = 'modern', method = 'tools/call', params: Values = LOOKUP) {
  const agent = await bed.agent(family, { capabilities: ABLE });
  const reply = await agent.request(method, params, { progressToken: 1 });
  const { session_id, redacted } = receiptOf(reply);
  return { agent, reply, result: reply.result ?? {}, session: session_id, redacted };
}
const LOOKUP = { name: 'lookup', arguments: {} };

/** The one entry of a call, its session closed and verified, with nothing of the canaries in it. */
async function entryOf(bed: PeerBed, { agent, session }: Awaited<ReturnType<typeof called>>) {
  assert.equal(agent.bodies.join().includes('CANARY'), false);
  await bed.endSession(agent, session);
  const [entry, ...others] = await bed.entries(session, 'CANARY');
  assert.ok(entry);
  assert.deepEqual(others, []);
  return entry;
}

const withoutMeta = ({ _meta: _, resultType: __, ttlMs: ___, cacheScope: ____, ...result }: Values): Values => result;
const RUNS = FAMILIES.flatMap((agent) => FAMILIES.map((server) => ({ agent, server })));

for (const { agent, server } of RUNS) {
  test(`what a permit redacts is removed wherever an answer has content, and what cannot be read is withheld: ${agent} agent, ${server} server [G18] [C-23] [AARM-R4]`, () => {
    const script = (peer: PeerServer): void =>
      void peer.on('tools/call', ({ progress }) => {
        progress(1, 'CANARY-progress');
        progress(2);
        return {
          content: [
            { ...text(JSON.stringify(CUSTOMER)), annotations: { audience: ['user'] }, _meta: { x: 'CANARY' } },
            text('The number is CANARY-1.'),
            text('"CANARY-1"'),
            text('{"a":1,"a":"CANARY"}'),
            { type: 'image', data: 'Q0FOQVJZ', mimeType: 'image/png' },
            { type: 'resource', resource: { uri: 'note:///x', text: JSON.stringify(CUSTOMER) } },
            { type: 'resource_link', uri: 'note:///CANARY', name: 'x' },
          ],
          structuredContent: CUSTOMER,
          _meta: { note: 'CANARY' },
          extra: 'CANARY',
        };
      });
    return withPeers(lookup(script, {}, server), async (bed) => {
      const call = await called(bed, agent);
      const sent = {
        content: [text(JSON.stringify(SAFE)), ...Array.from({ length: 6 }, () => text(NOTE))],
        structuredContent: SAFE,
      };
      assert.deepEqual(withoutMeta(call.result), sent);
      assert.equal(call.redacted, 10);
      const heard = call.agent.heard.items.filter(({ method }) => method === 'notifications/progress');
      assert.deepEqual(
        heard.map(({ params }) => [params?.progress, params?.message]),
        [[2, undefined]],
      );
      const entry = await entryOf(bed, call);
      assert.equal(entry.policy_decision, 'redact');
      assert.deepEqual(entry.policy_ids, ['all', 'redacting']);
      assert.equal(entry.detail?.redactions, PATHS);
      assert.deepEqual([entry.detail?.fields_redacted, entry.detail?.parts_withheld], [4, 6]);
      const digest = createHash('sha256').update(JSON.stringify(sent)).digest('hex');
      assert.equal(entry.response_payload_hash, `sha256:${digest}`);
      const { claim } = await sessionFile(bed.started, call.session);
      assert.equal(claim.gateway.call_summary.tool_calls_allowed, 1);
      assert.equal(claim.trace.tool_transcript?.entries?.[0]?.decision, 'redact');
    });
  });
}

const LABELLED = {
  type: 'object',
  properties: {
    id: { type: 'integer' },
    name: { type: 'string', 'x-sensitivity': 'pii' },
    notes: { type: 'string', 'x-sensitivity': ['public', 'hipaa_phi'] },
    age: { type: 'integer', 'x-sensitivity': 'confidential' },
    people: { type: 'array', items: { $ref: '#/$defs/person' } },
    pair: { type: 'array', prefixItems: [{ type: 'string' }, { type: 'string', 'x-sensitivity': 'pii' }] },
    choice: { oneOf: [{ type: 'string' }, { type: 'object', properties: { x: { 'x-sensitivity': 'pii' } } }] },
    any: {},
    anything: true,
  },
  $defs: {
    person: {
      type: 'object',
      properties: {
        mail: { allOf: [{ 'x-sensitivity': 'confidential' }] },
        boss: { $ref: '#/$defs/person' },
        n: { type: 'number' },
      },
    },
  },
};
const STAFF = {
  id: 1,
  name: 'CANARY',
  notes: 'CANARY',
  age: 99,
  people: [{ mail: 'CANARY', n: 1, boss: { mail: 'CANARY', n: 2 } }],
  pair: ['open', 'CANARY'],
  choice: { x: 'CANARY' },
  any: 'CANARY',
  anything: { a: 'CANARY' },
};
const SAFE_STAFF = {
  id: 1,
  name: '[redacted]',
  notes: '[redacted]',
  age: null,
  people: [{ mail: '[redacted]', n: 1, boss: { mail: '[redacted]', n: 2 } }],
  pair: ['open', '[redacted]'],
  choice: { x: '[redacted]' },
  any: '[redacted]',
  anything: null,
};

test('a class is every field that the approved output schema labels with it or higher, and what the schema does not describe', () =>
  withPeers(
    lookup(answering({ content: [text(JSON.stringify(STAFF))], structuredContent: STAFF }), {
      tools: { lookup: { definition: { outputSchema: LABELLED } } },
      policies: redacting('class:pii'),
    }),
    async (bed) => {
      const call = await called(bed);
      assert.deepEqual(call.result.structuredContent, SAFE_STAFF);
      assert.deepEqual(call.result.content, [text(JSON.stringify(SAFE_STAFF))]);
      assert.equal(call.redacted, 18);
      assert.equal((await entryOf(bed, call)).detail?.redactions, 'class:pii');
    },
  ));

test('a class leaves what ranks lower, and another class of the same rank', () => {
  const properties = {
    a: { 'x-sensitivity': 'pii' },
    b: { 'x-sensitivity': 'mnpi' },
    c: { 'x-sensitivity': 'hipaa_phi' },
  };
  const given = { a: 'a', b: 'b', c: 'CANARY' };
  return withPeers(
    lookup(answering({ content: [], structuredContent: given }), {
      tools: { lookup: { definition: { outputSchema: { type: 'object', properties } } } },
      policies: redacting('class:hipaa_phi'),
    }),
    async (bed) => {
      const { result } = await called(bed);
      assert.deepEqual(result.structuredContent, { a: 'a', b: 'b', c: '[redacted]' });
    },
  );
});

test('a class of the configuration is known to the gateway and to cmcp check, and the check says the mode', () => {
  const outputSchema = {
    type: 'object',
    properties: { a: { 'x-sensitivity': 'secret' }, b: { 'x-sensitivity': 'mnpi' } },
  };
  return withPeers(
    lookup(answering({ content: [], structuredContent: { a: 'CANARY', b: 'b' } }), {
      tools: { lookup: { definition: { outputSchema } } },
      policies: redacting('class:secret'),
      config: 'sensitivity: { vocabulary: { secret: 9 } }',
      vocabulary: { secret: 9 },
    }),
    async (bed) => {
      const { result } = await called(bed);
      assert.deepEqual(result.structuredContent, { a: '[redacted]', b: 'b' });
      const args = ['check', '--config', bed.bed.configFile, '--offline'];
      const { code, stdout } = await cmcpInProcess(args, bed.bed.folder, { CMCP_DEV_MODE: '1' });
      assert.equal(code, 0, stdout);
      assert.match(stdout, /^mode +enforcing: what policy denies is refused$/m);
    },
  );
});

test('where no schema describes an answer, a class takes all of it', () =>
  withPeers(
    lookup(answering({ content: [text(JSON.stringify(STAFF))], structuredContent: STAFF }), {
      policies: redacting('class:pii'),
    }),
    async (bed) => {
      const call = await called(bed);
      assert.deepEqual(withoutMeta(call.result), { content: [text(NOTE)], structuredContent: {} });
      assert.equal(call.redacted, 2);
      assert.equal((await entryOf(bed, call)).detail?.parts_withheld, 2);
    },
  ));

test('the redactions of all determining permits apply, of both decisions, and none is lifted', () =>
  withPeers(
    lookup(answering({ content: [], structuredContent: { a: 'CANARY', b: 'CANARY', c: 'CANARY', d: 'd' } }), {
      policies: {
        ...redacting('$.a, $.d', 'action == Action::"lookup"', 'unless { context has response }'),
        'more.cedar':
          '@id("answer") @redact("$.b,$.c") permit (principal, action == Action::"lookup", resource) when { context has response };',
        'wide.cedar': '@id("wide") permit (principal, action == Action::"lookup", resource);',
      },
    }),
    async (bed) => {
      const call = await called(bed);
      assert.deepEqual(call.result.structuredContent, {
        a: '[redacted]',
        b: '[redacted]',
        c: '[redacted]',
        d: '[redacted]',
      });
      const entry = await entryOf(bed, call);
      assert.equal(entry.detail?.redactions, '$.a, $.d, $.b, $.c');
      assert.deepEqual(entry.policy_ids.toSorted(), ['all', 'answer', 'redacting', 'wide']);
    },
  ));

test('what the first decision wants removed is not said in progress either', () => {
  const script = (peer: PeerServer): void =>
    void peer.on('tools/call', ({ progress }) => {
      progress(1, 'CANARY');
      return { content: [], structuredContent: { a: 'CANARY' } };
    });
  const policies = redacting('$.a', 'action == Action::"lookup"', 'unless { context has response }');
  return withPeers(lookup(script, { policies }), async (bed) => {
    const call = await called(bed);
    const entry = await entryOf(bed, call);
    assert.deepEqual([entry.policy_decision, entry.detail?.notices_withheld], ['redact', 1]);
    assert.deepEqual(entry.policy_ids, ['all', 'redacting']);
  });
});

test('a redaction that finds nothing is entered as one, and the answer says so', () =>
  withPeers(lookup(answering({ content: [text('{}')] })), async (bed) => {
    const call = await called(bed);
    assert.equal(call.redacted, 0);
    const entry = await entryOf(bed, call);
    assert.deepEqual([entry.policy_decision, entry.detail?.fields_redacted], ['redact', 0]);
  }));

for (const agent of FAMILIES) {
  test(`what a server says of a failure is withheld where its answer is redacted: ${agent} agent`, () =>
    withPeers(
      lookup((peer) => {
        peer.on('tools/call', () => {
          throw new PeerError({ code: -32000, message: 'no CANARY', data: { ssn: 'CANARY' } });
        });
      }),
      async (bed) => {
        const call = await called(bed, agent);
        assert.equal(codeOf(call.reply), 'UPSTREAM_TOOL_ERROR');
        assert.deepEqual(Object.keys(call.reply.error?.data ?? {}).sort(), ['call_id', 'error_code', 'io.cmcp/call']);
        assert.equal(call.redacted, 1);
        assert.equal((await entryOf(bed, call)).policy_decision, 'fault');
      },
    ));

  test(`a resource that is read and the messages of a prompt are redacted like an answer: ${agent} agent`, () => {
    const contents = [
      { uri: 'note:///a', mimeType: 'application/json', text: JSON.stringify(CUSTOMER), _meta: { x: 'CANARY' } },
      { uri: 'note:///a', text: 'CANARY' },
      { uri: 'note:///a', blob: 'Q0FOQVJZ' },
    ];
    const script = (peer: PeerServer): void => {
      peer.on('resources/read', () => ({ contents }));
      peer.on('prompts/get', () => ({
        description: 'CANARY',
        messages: [
          { role: 'user', content: text(JSON.stringify(CUSTOMER)), name: 'CANARY' },
          { role: 'assistant', content: text('CANARY') },
        ],
      }));
    };
    const scope = 'action in [Action::"read_resource", Action::"get_prompt"]';
    return withPeers(
      lookup(script, {
        tools: {},
        resources: { a: { uri: 'note:///a' } },
        prompts: { p: {} },
        policies: redacting(PATHS, scope),
      }),
      async (bed) => {
        const read = await called(bed, agent, 'resources/read', { uri: 'note:///a' });
        assert.deepEqual(withoutMeta(read.result), {
          contents: [
            { uri: 'note:///a', mimeType: 'application/json', text: JSON.stringify(SAFE) },
            { uri: 'note:///a', mimeType: 'text/plain', text: NOTE },
            { uri: 'note:///a', mimeType: 'text/plain', text: NOTE },
          ],
        });
        const { result } = await read.agent.request('prompts/get', { name: 'p', arguments: {} });
        assert.deepEqual(withoutMeta(result ?? {}), {
          messages: [
            { role: 'user', content: text(JSON.stringify(SAFE)) },
            { role: 'assistant', content: text(NOTE) },
          ],
        });
        assert.equal(read.agent.bodies.join().includes('CANARY'), false);
      },
    );
  });

  for (const mode of ['advisory', 'silent'] as const) {
    test(`in ${mode} mode nothing is redacted, and the record says what would have been: ${agent} agent [G19]`, () =>
      withPeers(
        lookup(answering({ content: [text('plain')], structuredContent: { customer: { ssn: 'x' } } }), {
          config: `mode: ${mode}`,
        }),
        async (bed) => {
          const call = await called(bed, agent);
          assert.deepEqual(withoutMeta(call.result), {
            content: [text('plain')],
            structuredContent: { customer: { ssn: 'x' } },
          });
          const receipt = receiptOf(call.reply);
          assert.deepEqual(
            [receipt.redacted, receipt.would_have_redacted],
            [undefined, mode === 'silent' ? undefined : 2],
          );
          const entry = await entryOf(bed, call);
          assert.deepEqual([entry.policy_decision, entry.detail?.would_have_redacted], ['allow', 2]);
        },
      ));
  }
}

test('the result of a task is redacted as the call that made it, whoever may ask after it [MCP25-16]', () => {
  const task = (status: string, more: Values = {}): Values => ({
    taskId: 'own',
    status,
    statusMessage: 'CANARY',
    ttlMs: null,
    createdAt: '2026-01-01T00:00:00Z',
    lastUpdatedAt: '2026-01-01T00:00:00Z',
    ...more,
  });
  let state = task('completed', {
    result: { content: [text('CANARY')], structuredContent: CUSTOMER, extra: 'CANARY' },
  });
  const script = (peer: PeerServer): void => {
    peer.on('tools/call', () => ({ resultType: 'task', ...task('working') }));
    peer.on('tasks/get', () => state);
  };
  return withPeers(lookup(script), async (bed) => {
    const call = await called(bed);
    const taskId = String(call.result.taskId);
    const done = await call.agent.request('tasks/get', { taskId });
    assert.deepEqual(done.result?.result, { content: [text(NOTE)], structuredContent: SAFE });
    assert.equal(receiptOf(done).redacted, 3);
    state = task('working', { result: { content: 'CANARY', isError: 'CANARY' } });
    assert.deepEqual((await call.agent.request('tasks/get', { taskId })).result?.result, {});
    state = task('working', { result: 'CANARY' });
    assert.equal((await call.agent.request('tasks/get', { taskId })).result?.result, undefined);
    state = task('failed', { error: { code: -32001, message: 'CANARY', data: 'CANARY' } });
    const failed = await call.agent.request('tasks/get', { taskId });
    assert.deepEqual(failed.result?.error, { code: -32001, message: NOTE });
    assert.equal(call.agent.bodies.join().includes('CANARY'), false);
    await bed.endSession(call.agent, call.session);
    const entries = await bed.entries(call.session, 'CANARY');
    assert.deepEqual(
      entries.map(({ action, policy_decision }) => [action, policy_decision]),
      [['call_tool', 'redact'], ...Array.from({ length: 4 }, () => ['get_task', 'redact'])],
    );
  });
});

test('a resource that may be read redacted may be linked to, and is not carried along in full', () => {
  const content = [
    { type: 'resource_link', uri: 'note:///a', name: 'a' },
    { type: 'resource', resource: { uri: 'note:///a', text: 'CANARY' } },
  ];
  return withPeers(
    lookup(answering({ content }), {
      resources: { a: { uri: 'note:///a' } },
      policies: redacting(PATHS, 'action == Action::"read_resource"'),
    }),
    async (bed) => {
      const call = await called(bed);
      const [link, carried] = call.result.content as Values[];
      assert.equal(link?.uri, 'note:///a');
      assert.match(String(carried?.text), /^\[A resource was withheld/);
      const entry = await entryOf(bed, call);
      assert.deepEqual([entry.policy_decision, entry.detail?.links_withheld], ['redact', 1]);
    },
  );
});
