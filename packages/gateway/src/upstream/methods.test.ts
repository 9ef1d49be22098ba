import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { JsonObject } from '@cmcp/evidence';
import {
  ABLE,
  answerJson,
  connect,
  type Family,
  failsWith,
  fakeHttp,
  type Message,
  opening,
  resultFor,
  scripted,
  speaks,
  type TestUpstream,
} from '../../../../tests/support/upstreams.ts';
import type { AskKind } from '../mcp/asks.ts';
import { type UpstreamMethod, UpstreamRpcError } from './types.ts';

const LIMITS = { timeout: 30_000 };
const never = new AbortController().signal;
const TASK = { taskId: 't1', status: 'working', createdAt: 'a', lastUpdatedAt: 'b', ttlMs: 5 };
const EVERYTHING = {
  tools: {},
  resources: {},
  prompts: {},
  completions: {},
  extensions: { 'io.modelcontextprotocol/tasks': {} },
};

/** What a server answers each request with; the request itself is told back in `_meta`. */
const RESULTS: Record<string, JsonObject> = {
  'tools/call': { content: [] },
  'resources/read': { contents: [{ uri: 'a:b', text: 't' }] },
  'prompts/get': { messages: [] },
  'completion/complete': { completion: { values: ['v'] } },
  'tasks/get': TASK,
  'tasks/update': {},
  'tasks/cancel': {},
  'tools/list': { tools: [{ name: 't', inputSchema: {} }] },
  'resources/list': { resources: [{ uri: 'a:b', name: 'r' }] },
  'resources/templates/list': { resourceTemplates: [{ uriTemplate: 'a:{b}', name: 't' }] },
  'prompts/list': { prompts: [{ name: 'p' }] },
};
const CALLS: [UpstreamMethod, JsonObject][] = [
  ['tools/call', { name: 't', arguments: {} }],
  ['resources/read', { uri: 'a:b' }],
  ['prompts/get', { name: 'p', arguments: { a: 'b' } }],
  ['completion/complete', { ref: { type: 'ref/prompt', name: 'p' }, argument: { name: 'a', value: '' } }],
  ['tasks/get', { taskId: 't1' }],
  ['tasks/update', { taskId: 't1', inputResponses: {} }],
  ['tasks/cancel', { taskId: 't1' }],
];

interface Told {
  server: TestUpstream;
  /** Methods that reached the server, those of the opening left out. */
  reached: () => Promise<string[]>;
}

/** The same server over each transport, in each family. */
const SERVERS: Record<
  string,
  (t: TestContext, family: Family, capabilities: JsonObject, asks?: AskKind[]) => Promise<Told>
> = {
  http: async (t, family, capabilities, asks = []) => {
    const open = opening(family, capabilities);
    const seen: Message[] = [];
    const http = await fakeHttp(t, (request) => {
      const { message, response } = request;
      const opens = message.method !== 'tools/list' && open(request);
      if (opens) return;
      seen.push(message);
      answerJson(response, resultFor(message, { ...RESULTS[message.method ?? ''], _meta: { sent: message.params } }));
    });
    const server = connect(t, http.transport, {}, { asks });
    return { server, reached: async () => seen.map(({ method }) => method ?? '') };
  },
  stdio: async (t, family, capabilities, asks = []) => {
    const script = `
      const results = ${JSON.stringify(RESULTS)};
      const seen = [];
      on.call = on.list = on.other = (m) => {
        if (m.id === undefined) return;
        if (m.params.name === 'seen') return ok(m.id, text(JSON.stringify(seen)));
        seen.push(m.method);
        ok(m.id, { ...results[m.method], _meta: { sent: m.params } });
      };
      ${speaks(family, capabilities)}`;
    const server = connect(t, scripted(script), {}, { asks });
    const reached = async () => {
      const [block] = (await server.call('seen')).content as JsonObject[];
      return JSON.parse(String(block?.text)) as string[];
    };
    return { server, reached };
  },
};

for (const [transport, open] of Object.entries(SERVERS)) {
  for (const family of ['modern', 'handshake'] as const) {
    const tasks = family === 'modern';

    test(
      `every method reaches a ${family} server over ${transport}, and its answer comes back [MCP26-13]`,
      LIMITS,
      async (t) => {
        const { server } = await open(t, family, EVERYTHING);
        for (const [method, params] of CALLS) {
          if (method.startsWith('tasks/') && !tasks) continue;
          const outcome = await server.send(method, params);
          assert.ok(outcome.kind === 'complete', method);
          const { _meta, ...result } = outcome.result;
          assert.deepEqual(result, RESULTS[method]);
          const { _meta: __, ...sent } = (_meta as { sent: JsonObject }).sent;
          assert.deepEqual(sent, params);
        }
      },
    );

    test(`every list of a ${family} server is read over ${transport}`, LIMITS, async (t) => {
      const { server } = await open(t, family, EVERYTHING);
      const keys = { tools: ['t'], resources: ['a:b'], resourceTemplates: ['a:{b}'], prompts: ['p'] } as const;
      for (const kind of ['tools', 'resources', 'resourceTemplates', 'prompts'] as const) {
        assert.deepEqual(await server.list(kind), keys[kind]);
      }
      const [resource] = await server.upstream.list('resources', never);
      assert.deepEqual(resource?.definition, { uri: 'a:b', name: 'r' });
    });

    test(
      `what a ${family} server does not offer is answered without asking it over ${transport}`,
      LIMITS,
      async (t) => {
        const { server, reached } = await open(t, family, {});
        for (const [method, params] of CALLS) {
          if (method === 'tools/call') continue;
          await assert.rejects(server.send(method, params), (error: Error) => {
            failsWith('UPSTREAM_TOOL_ERROR')(error);
            return error.cause instanceof UpstreamRpcError && error.cause.rpcCode === -32601;
          });
        }
        for (const kind of ['tools', 'resources', 'resourceTemplates', 'prompts'] as const) {
          assert.deepEqual(await server.list(kind), []);
        }
        assert.deepEqual(await reached(), []);
        await server.call('t');
        assert.deepEqual(await reached(), ['tools/call']);
      },
    );
  }
}

test('the experimental tasks of older servers are not what the tasks extension is', LIMITS, async (t) => {
  const open = SERVERS.http ?? assert.fail();
  const { server, reached } = await open(t, 'handshake', { ...EVERYTHING, tasks: { cancel: {}, list: {} } });
  await assert.rejects(server.send('tasks/get', { taskId: 't1' }), failsWith('UPSTREAM_TOOL_ERROR'));
  assert.deepEqual(await reached(), []);
});

test(
  'a request carries what its client can be asked and what it wants to hear, as far as approved [MCP26-28] [MCP26-31] [MCP26-42]',
  LIMITS,
  async (t) => {
    const trace = { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' };
    const more = { callId: 'c-1', trace, abilities: ABLE, wantsProgress: true, logLevel: 'info' } as const;
    for (const [transport, open] of Object.entries(SERVERS)) {
      for (const family of ['modern', 'handshake'] as const) {
        const { server } = await open(t, family, EVERYTHING, ['elicit']);
        const outcome = await server.send('prompts/get', { name: 'p' }, more);
        assert.ok(outcome.kind === 'complete');
        const { sent } = outcome.result._meta as { sent: { _meta: JsonObject } };
        const { 'io.modelcontextprotocol/clientInfo': _, ...meta } = sent._meta;
        const common = { ...trace, progressToken: 'c-1' };
        const modern = {
          'io.modelcontextprotocol/protocolVersion': '2026-07-28',
          'io.modelcontextprotocol/clientCapabilities': {
            elicitation: { form: {}, url: {} },
            extensions: { 'io.modelcontextprotocol/tasks': {} },
          },
          'io.modelcontextprotocol/logLevel': 'info',
        };
        assert.deepEqual(meta, family === 'modern' ? { ...common, ...modern } : common, `${transport} ${family}`);
      }
    }
  },
);

test('resources and tasks are named in the header like tools [MCP26-10] [MCP26-13]', LIMITS, async (t) => {
  const open = opening('modern', EVERYTHING);
  const http = await fakeHttp(t, (request) => {
    if (!open(request)) answerJson(request.response, resultFor(request.message, RESULTS[request.message.method ?? '']));
  });
  const { send } = connect(t, http.transport);
  for (const [method, params] of CALLS) await send(method, params);
  const named = http.received.slice(1).map(({ headers }) => [headers['mcp-method'], headers['mcp-name']]);
  assert.deepEqual(named, [
    ['tools/call', 't'],
    ['resources/read', 'a:b'],
    ['prompts/get', 'p'],
    ['completion/complete', undefined],
    ['tasks/get', 't1'],
    ['tasks/update', 't1'],
    ['tasks/cancel', 't1'],
  ]);
});

test(
  'a request for more goes back to the caller, and comes again under another id with exactly what was given [MCP26-28]',
  LIMITS,
  async (t) => {
    const elicit = { method: 'elicitation/create', params: { message: 'who?', requestedSchema: {} } };
    const seen: Message[] = [];
    const open = opening('modern');
    const http = await fakeHttp(t, (request) => {
      const { message, response } = request;
      if (open(request)) return;
      seen.push(message);
      const more = { resultType: 'input_required', inputRequests: { who: elicit }, requestState: ' {"s" : 1}' };
      answerJson(response, resultFor(message, seen.length === 1 ? more : { resultType: 'complete', content: [] }));
    });
    const { send } = connect(t, http.transport, {}, { asks: ['elicit'] });
    const params = { name: 't', arguments: { a: 1 } };
    const first = await send('tools/call', params, { abilities: ABLE, callId: 'same' });
    assert.deepEqual(first, {
      kind: 'input_required',
      asks: { who: { kind: 'elicit', params: elicit.params } },
      state: ' {"s" : 1}',
    });
    const round = { responses: { who: { action: 'accept' } }, state: ' {"s" : 1}' };
    await send('tools/call', params, { abilities: ABLE, callId: 'same', round });
    const [asked, again] = seen;
    assert.notEqual(asked?.id, again?.id);
    const { _meta, ...sent } = again?.params ?? {};
    assert.deepEqual(sent, { ...params, inputResponses: round.responses, requestState: round.state });
  },
);

test('a task is handed on to a client that can take one [MCP26-18]', LIMITS, async (t) => {
  const script = `${speaks('modern', EVERYTHING)} on.call = (m) => ok(m.id, ${JSON.stringify({ resultType: 'task', ...TASK })});`;
  const { send } = connect(t, scripted(script));
  assert.deepEqual(await send('tools/call', { name: 't' }, { abilities: ABLE }), { kind: 'task', result: TASK });
  await assert.rejects(send('tools/call', { name: 't' }), failsWith('UPSTREAM_PROTOCOL_ERROR'));
});

test('an older server cannot be sent a request again with what was asked for', LIMITS, async (t) => {
  const { call, log } = connect(t, scripted('on.call = (m) => process.exit(9);'));
  const round = { responses: {}, state: 's' };
  await assert.rejects(call('t', {}, { round }), failsWith('UPSTREAM_UNAVAILABLE', /no longer speaks/));
  assert.ok(log.every(({ event }) => event !== 'ended'));
});

test('malformed results of every method fail the request and are never success [LIFE-05]', LIMITS, async (t) => {
  const script = (family: Family) => `${speaks(family, EVERYTHING)}
    on.call = on.other = (m) => m.id !== undefined && ok(m.id, m.params.name === 'none' ? null : {});`;
  for (const family of ['modern', 'handshake'] as const) {
    const { send } = connect(t, scripted(script(family)));
    for (const [method, params] of CALLS) {
      if (method.startsWith('tasks/') && (family === 'handshake' || method !== 'tasks/get')) continue;
      await assert.rejects(send(method, params), failsWith('UPSTREAM_PROTOCOL_ERROR'), method);
    }
  }
});

test('a server of 2024-11-05 completes arguments without saying so', LIMITS, async (t) => {
  const send = (protocolVersion: string) => {
    const script = `${speaks('handshake', { prompts: {} }, { protocolVersion })}
      on.other = (m) => m.id !== undefined && ok(m.id, ${JSON.stringify(RESULTS['completion/complete'])});`;
    return connect(t, scripted(script)).send('completion/complete', { ref: {}, argument: {} });
  };
  assert.equal((await send('2024-11-05')).kind, 'complete');
  await assert.rejects(send('2025-03-26'), failsWith('UPSTREAM_TOOL_ERROR'));
});

test('a URL elicitation error of 2025-11-25 arrives with its code and data, like any other', LIMITS, async (t) => {
  const data = { elicitations: [{ mode: 'url', elicitationId: 'e', url: 'https://x.example/', message: 'm' }] };
  const error = { code: -32042, message: 'URL elicitation required', data };
  const { call } = connect(
    t,
    scripted(`on.call = (m) => send({ jsonrpc: '2.0', id: m.id, error: ${JSON.stringify(error)} });`),
  );
  await assert.rejects(call('t'), ({ cause }: Error) => {
    assert.ok(cause instanceof UpstreamRpcError);
    assert.deepEqual([cause.rpcCode, cause.data], [-32042, data]);
    return true;
  });
});

test('a server states its instructions, and a stateless one states them anew', LIMITS, async (t) => {
  for (const [family, stated] of [
    ['handshake', ['first', 'first']],
    ['modern', ['second', 'third']],
  ] as const) {
    let opened = 0;
    const openings = ['first', 'second', 'third'].map((instructions) => opening(family, {}, { instructions }));
    const http = await fakeHttp(t, (request) => {
      openings[opened]?.(request);
      if (request.message.method === 'server/discover' && family === 'modern') opened += 1;
    });
    const { upstream } = connect(t, http.transport);
    assert.deepEqual([await upstream.instructions(never), await upstream.instructions(never)], stated);
  }
  const { upstream } = connect(t, scripted(''));
  assert.equal(await upstream.instructions(never), null);
});

test('a server that lost a list says so; one that lost its tools is in trouble [LIFE-05]', LIMITS, async (t) => {
  const { list } = connect(
    t,
    scripted(
      `${speaks('handshake', EVERYTHING)} on.list = on.other = refuseAll; function refuseAll(m) { if (m.id !== undefined) refuse(m); }`,
    ),
  );
  for (const kind of ['resources', 'resourceTemplates', 'prompts'] as const) assert.deepEqual(await list(kind), []);
  await assert.rejects(list('tools'), failsWith('UPSTREAM_TOOL_ERROR'));
});

test(
  'nothing is asked of a restarted server before its definitions of that kind were listed again [LIFE-12]',
  LIMITS,
  async (t) => {
    const script = `${speaks('handshake', EVERYTHING)}
      const results = ${JSON.stringify(RESULTS)};
      on.call = on.list = on.other = (m) => {
        if (m.params?.name === 'die') process.exit(3);
        if (m.id !== undefined) ok(m.id, results[m.method]);
      };`;
    const { send, list, call } = connect(t, scripted(script));
    await list('prompts');
    await list('resourceTemplates');
    await assert.rejects(call('die'), failsWith('OUTCOME_UNKNOWN'));
    const read = () => send('resources/read', { uri: 'a:b' });
    const get = () => send('prompts/get', { name: 'p' });
    for (const ask of [read, get]) await assert.rejects(ask(), failsWith('UPSTREAM_UNAVAILABLE', /not compared/));
    await list('prompts');
    await get();
    await assert.rejects(read(), failsWith('UPSTREAM_UNAVAILABLE', /not compared/));
    await list('resourceTemplates');
    await read();
    await call('t');
  },
);

test(
  'items of a list without a key, or under the same one, are left out with a warning [MCP26-33]',
  LIMITS,
  async (t) => {
    const items = { resources: [{ uri: 'a:1' }, { uri: '' }, { name: 'n' }, { uri: 'a:2' }, { uri: 'a:2' }, 1] };
    const script = `${speaks('handshake', EVERYTHING)} on.other = (m) => m.method === 'resources/list' && ok(m.id, ${JSON.stringify(items)});`;
    const { list, logged } = connect(t, scripted(script));
    assert.deepEqual(await list('resources'), ['a:1']);
    assert.match(
      (await logged('resources_left_out')).detail,
      /^4: a resource without a uri; a resource without a uri; a:2: listed twice; /,
    );
  },
);
