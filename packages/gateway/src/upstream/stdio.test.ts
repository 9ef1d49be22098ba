import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { type JsonObject, parseJson, stringifyJson } from '@cmcp/evidence';
import {
  connect,
  failsWith,
  nodeServer,
  packageFile,
  scripted,
  speaks,
  textOf,
} from '../../../../tests/support/upstreams.ts';
import { UpstreamRpcError } from './types.ts';

const LIMITS = { timeout: 30_000 };
const never = new AbortController().signal;

test(
  'server-everything over stdio: tools, text, images, structured content and errors arrive unaltered [W-27]',
  LIMITS,
  async (t) => {
    const { upstream, call } = connect(t, nodeServer(packageFile('server-everything/dist/index.js')));
    const tools = await upstream.list('tools', never);
    const sum = tools.find(({ key }) => key === 'get-sum');
    assert.ok(sum);
    assert.deepEqual(Object.keys(sum.definition).includes('inputSchema'), true);
    assert.equal(textOf(await call('echo', { message: 'héllo\nwörld' })), 'Echo: héllo\nwörld');
    const image = (await call('get-tiny-image')).content as JsonObject[];
    assert.ok(image.some((block) => block.type === 'image' && typeof block.data === 'string'));
    assert.ok('structuredContent' in (await call('get-structured-content', { location: 'New York' })));
    const link = (await call('get-resource-links', { count: 1 })).content as JsonObject[];
    assert.ok(link.some((block) => block.type === 'resource_link'));
    assert.equal((await call('get-sum', { a: 'x', b: 1 })).isError, true);
  },
);

test('server-filesystem reads a real file through the gateway side of the pipe [W-27]', LIMITS, async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'cmcp-upstream-'));
  t.after(() => rm(folder, { recursive: true }));
  await writeFile(join(folder, 'a.txt'), 'from a file');
  const { call } = connect(t, nodeServer(packageFile('server-filesystem/dist/index.js'), folder));
  assert.equal(textOf(await call('read_text_file', { path: join(folder, 'a.txt') })), 'from a file');
  const outside = await call('read_text_file', { path: '/etc/hostname' });
  assert.equal(outside.isError, true);
});

test('server-memory keeps its state between calls, with configured environment', LIMITS, async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'cmcp-upstream-'));
  t.after(() => rm(folder, { recursive: true }));
  const env = { MEMORY_FILE_PATH: join(folder, 'memory.jsonl') };
  const { call } = connect(t, nodeServer(packageFile('server-memory/dist/index.js')), { env });
  await call('create_entities', { entities: [{ name: 'n', entityType: 't', observations: ['seen'] }] });
  assert.match(textOf(await call('read_graph')), /seen/);
});

const MODERN = `
import { Server } from ${JSON.stringify(import.meta.resolve('@modelcontextprotocol/server'))};
import { serveStdio } from ${JSON.stringify(import.meta.resolve('@modelcontextprotocol/server/stdio'))};
serveStdio(() => {
  const server = new Server({ name: 'm', version: '1' }, { capabilities: { tools: { listChanged: true } } });
  server.setRequestHandler('tools/list', async () => ({ tools: [{ name: 'seen', inputSchema: { type: 'object' } }] }));
  server.setRequestHandler('tools/call', async (request) => {
    if (request.params.name === 'change') server.sendToolListChanged();
    return { content: [{ type: 'text', text: JSON.stringify(request.params) }] };
  });
  return server;
}, { legacy: 'reject' });
`;

test('a modern server (SDK v2) over stdio is found by discover and announces changes [MCP26-41]', LIMITS, async (t) => {
  const { upstream, call, list } = connect(t, nodeServer('--input-type=module', '-e', MODERN));
  const changed = new Promise((resolve) => upstream.onChanged(resolve));
  assert.deepEqual(await list(), ['seen']);
  assert.match(textOf(await call('seen', { a: 1 })), /"arguments":\{"a":1\}/);
  await call('change');
  assert.equal(await changed, 'tools');
});

test(
  'era detection: any error to discover, silence, nonsense or death leads to the handshake [MCP26-41] [B26-205]',
  LIMITS,
  async (t) => {
    for (const script of [
      'on.discover = (m) => send({ jsonrpc: "2.0", id: m.id, error: { code: -32602, message: "?" } });',
      'on.discover = (m) => ok(m.id, { content: [] });',
      'on.discover = (m) => send({ jsonrpc: "2.0", id: m.id, error: "?" });',
      'on.discover = () => process.exit(1);',
    ]) {
      const { call } = connect(t, scripted(script));
      assert.equal(textOf(await call('t', { a: 1 })), '{"a":1}', script);
    }
  },
);

test(
  'a server that stays silent on discover is asked to initialize after a bounded wait [MCP26-41]',
  LIMITS,
  async (t) => {
    const { call } = connect(t, scripted('on.discover = () => {};'));
    assert.equal(textOf(await call('t')), '{}');
  },
);

test(
  'a server that was still starting when it was probed, and refuses the handshake, is asked once more [MCP26-41]',
  LIMITS,
  async (t) => {
    const script = `
    ${speaks('modern', { tools: {} })}
    const discovered = on.discover;
    on.discover = () => { on.discover = discovered; };
    on.initialize = refuse;
    on.call = (m) => ok(m.id, { resultType: 'complete', ...text(String(m.params._meta['io.modelcontextprotocol/protocolVersion'])) });`;
    assert.equal(textOf(await connect(t, scripted(script)).call('t')), '2026-07-28');
    const neither = connect(t, scripted('on.discover = () => {}; on.initialize = refuse;'), { timeoutMs: 4_000 });
    await assert.rejects(neither.call('t'), failsWith('UPSTREAM_UNAVAILABLE'));
  },
);

test(
  'a modern error on discover is not answered with a handshake, and a foreign revision is refused [MCP26-41]',
  LIMITS,
  async (t) => {
    const script = (supported: string) => `
    on.discover = (m) => send({ jsonrpc: '2.0', id: m.id, error: { code: -32022, message: 'v', data: { supported: ${supported} } } });`;
    const foreign = connect(t, scripted(script('["2099-01-01"]')));
    await assert.rejects(foreign.call('t'), failsWith('UPSTREAM_UNAVAILABLE', /no protocol revision/));
    assert.equal(textOf(await connect(t, scripted(script('["2025-11-25"]'))).call('t')), '{}');
  },
);

test(
  'number lexemes, odd content and _meta arrive as they were sent; only resultType goes [MCP26-18]',
  LIMITS,
  async (t) => {
    const result =
      '{"content":[{"type":"odd","n":1.50,"big":12345678901234567890}],"structuredContent":{"x":1e2},"isError":true,"_meta":{"v/k":-0}}';
    const answer = result.replace('{', '{"resultType":"complete",');
    const { call } = connect(
      t,
      scripted(`on.call = (m) => raw('{"jsonrpc":"2.0","id":"' + m.id + '","result":${answer}}\\n');`),
    );
    assert.equal(stringifyJson(await call('t')), result);
  },
);

test(
  'arguments reach the server with their lexemes, and no argument can end its line and begin another message [MCP26-39] [B26-403] [B25-403]',
  LIMITS,
  async (t) => {
    // The scripted server reads by Node's readline, which also splits at U+2028 and U+2029.
    const script = `
    let input = '';
    process.stdin.prependListener('data', (chunk) => { input += chunk; });
    on.call = (m) => ok(m.id, text(input.split('\\n').at(-2)));`;
    const { call } = connect(t, scripted(script));
    const forged = '{"jsonrpc":"2.0","id":"x","method":"tools/call"}';
    const args = parseJson(`{"n":1.50,"s":${JSON.stringify(`a\n${forged}\u2028${forged}\u2029\u0085`)}}`) as JsonObject;
    const line = textOf(await call('t', args, { callId: 'the-call' }));
    assert.match(line, /"id":"the-call"/);
    assert.match(line, /"arguments":\{"n":1\.50,"s":"a\\n\{/);
    assert.deepEqual(JSON.parse(line).params.arguments.s, args.s);
  },
);

test(
  'noise on stdout is contained and never an answer, not even when it looks like one [ATK-26] [LIFE-12] [W-29]',
  LIMITS,
  async (t) => {
    const script = `
    raw('Starting up…\\n\\n');
    on.call = (m) => {
      raw('[info] {"id":"' + m.id + '"}\\n');
      raw('debug: got {"id":"' + m.id + '"}\\n');
      raw('["id"]\\n{}\\n{"id":"nobody","jsonrpc":"2.0","result":{"content":[]}}\\n');
      send({ jsonrpc: '2.0', id: 7, result: text('forged') });
      send({ jsonrpc: '2.0', id: null, result: text('forged') });
      send([{ jsonrpc: '2.0', id: m.id, result: text('forged') }]);
      send({ jsonrpc: '2.0', method: 'notifications/message', params: { data: m.id } });
      send({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: m.id } });
      raw('{"broken": \\n');
      ok(m.id, text('real'));
      ok(m.id, text('second answer'));
    };`;
    const { call, log } = connect(t, scripted(script));
    assert.equal(textOf(await call('t')), 'real');
    assert.equal(textOf(await call('t')), 'real');
    assert.ok(log.some(({ event }) => event === 'stdout_noise'));
    assert.ok(log.some(({ event }) => event === 'unknown_response'));
    assert.ok(log.every(({ detail }) => !detail.includes('forged')));
  },
);

test('several messages on one line are read in the one revision that has them [ATK-26]', LIMITS, async (t) => {
  for (const version of ['2025-03-26', '2025-11-25']) {
    const script = `
      ${speaks('handshake', { tools: {} }, { protocolVersion: version })}
      on.call = (m) => {
        raw('[info] {"id":"' + m.id + '"}\\n');
        send([{ jsonrpc: '2.0', id: 'x', result: text('forged') }, { jsonrpc: '2.0', id: m.id, result: text('batch') }]);
        ok(m.id, text('single'));
      };`;
    assert.equal(textOf(await connect(t, scripted(script)).call('t')), version === '2025-03-26' ? 'batch' : 'single');
  }
});

test('1 MB of stderr neither blocks the server nor fails a call [MCP26-39] [W-29]', LIMITS, async (t) => {
  const script = `on.call = (m) => process.stderr.write('e'.repeat(1 << 20), () => ok(m.id, text('done')));`;
  const { call, upstream, logged } = connect(t, scripted(script));
  assert.equal(textOf(await call('t')), 'done');
  await upstream.close();
  assert.ok((await logged('ended')).detail.length < 5000);
});

test('answers go to the call with the same id, in whatever order they come [MCP26-17]', LIMITS, async (t) => {
  const script = `
    const held = [];
    on.call = (m) => { held.push(m); if (held.length === 3) for (const h of held.reverse()) ok(h.id, text(h.params.arguments.v)); };`;
  const { call } = connect(t, scripted(script));
  const answers = await Promise.all(['a', 'b', 'c'].map((v) => call('t', { v })));
  assert.deepEqual(answers.map(textOf), ['a', 'b', 'c']);
});

test('an id that is in flight cannot be used again [MCP26-17]', LIMITS, async (t) => {
  const { call, upstream, list } = connect(t, scripted('on.call = () => {};'));
  const first = call('t', {}, { callId: 'same' });
  await list();
  await assert.rejects(call('t', {}, { callId: 'same' }), failsWith('INTERNAL_ERROR'));
  await upstream.close();
  await assert.rejects(first, failsWith('OUTCOME_UNKNOWN'));
});

test('empty, truncated and malformed answers fail the call and are never success [LIFE-05]', LIMITS, async (t) => {
  for (const [answer, code] of [
    [`ok(m.id, {})`, 'UPSTREAM_PROTOCOL_ERROR'],
    [`ok(m.id, null)`, 'UPSTREAM_PROTOCOL_ERROR'],
    [`send({ jsonrpc: '2.0', id: m.id })`, 'UPSTREAM_PROTOCOL_ERROR'],
    [`raw('{"jsonrpc":"2.0","id":"' + m.id + '","result":{"content":[\\n')`, 'UPSTREAM_PROTOCOL_ERROR'],
    [`raw('{"jsonrpc":"2.0","id":"' + m.id + '","result":{"content":[],"content":[]}}\\n')`, 'UPSTREAM_PROTOCOL_ERROR'],
    [`ok(m.id, { resultType: 'input_required', inputRequests: [] })`, 'UPSTREAM_PROTOCOL_ERROR'],
    [
      `raw(Buffer.concat([Buffer.from('{"jsonrpc":"2.0","id":"' + m.id + '","result":{"content":[],"x":"'), Buffer.from([0xff]), Buffer.from('"}}\\n')]))`,
      'RESPONSE_ENCODING_INVALID',
    ],
  ] as const) {
    const { call } = connect(t, scripted(`on.call = (m) => ${answer};`));
    await assert.rejects(call('t'), failsWith(code), answer);
  }
});

test("a server's error answer arrives with its code, and the connection stays [LIFE-05]", LIMITS, async (t) => {
  const script = `on.call = (m) => send({ jsonrpc: '2.0', id: m.id, error: { code: -32602, message: 'bad', data: { a: 1 } } });`;
  const { call } = connect(t, scripted(script));
  for (let i = 0; i < 2; i += 1) {
    await assert.rejects(call('t'), (error: Error) => {
      failsWith('UPSTREAM_TOOL_ERROR')(error);
      assert.ok(error.cause instanceof UpstreamRpcError);
      return error.cause.rpcCode === -32602;
    });
  }
});

test(
  'a line up to the bound passes, one byte more fails the call, and a far longer one is not held [D-06] [ATK-18]',
  LIMITS,
  async (t) => {
    const script = `
    on.call = (m) => {
      const line = (n) => '{"jsonrpc":"2.0","id":"' + m.id + '","result":{"content":[{"type":"text","text":"' + 'x'.repeat(n) + '"}]}}';
      const { bytes } = m.params.arguments;
      raw(line(bytes - line(0).length) + '\\n');
    };`;
    const { call } = connect(t, scripted(script), { maxResponseBytes: 65_537 });
    assert.ok(textOf(await call('t', { bytes: 65_537 })).length > 65_000);
    await assert.rejects(call('t', { bytes: 65_538 }), failsWith('RESPONSE_SIZE_EXCEEDED'));
    await assert.rejects(call('t', { bytes: 64 << 20 }), failsWith('RESPONSE_SIZE_EXCEEDED'));
    assert.equal(textOf(await call('t', { bytes: 200 })).length > 0, true);
  },
);

test(
  'an oversize answer is attributed also where the id comes last, and other calls go on [D-06]',
  LIMITS,
  async (t) => {
    const script = `
    on.call = (m) => m.params.arguments.big
      ? raw('{"result":{"content":[{"type":"text","text":"' + 'x'.repeat(200000) + '"}]},"jsonrpc":"2.0","id":"' + m.id + '"}\\n')
      : ok(m.id, text('small'));`;
    const { call } = connect(t, scripted(script), { maxResponseBytes: 10_000 });
    const [big, small] = await Promise.allSettled([call('t', { big: true }), call('t')]);
    assert.equal(big.status === 'rejected' && failsWith('RESPONSE_SIZE_EXCEEDED')(big.reason), true);
    assert.equal(small.status, 'fulfilled');
  },
);

test(
  'the time limit is absolute: progress does not move it, and the server is told [MCP26-32] [W-29]',
  LIMITS,
  async (t) => {
    const script = `
    let cancelled = 'none';
    on.other = (m) => { if (m.method === 'notifications/cancelled') cancelled = m.params.requestId; };
    on.call = (m) => {
      if (m.params.name === 'asked') return ok(m.id, text(cancelled));
      setInterval(() => send({ jsonrpc: '2.0', method: 'notifications/progress', params: { progressToken: m.id, progress: 1 } }), 5);
    };`;
    const { call, list } = connect(t, scripted(script), { timeoutMs: 1000 });
    await list();
    await assert.rejects(call('slow', {}, { callId: 'slow-call' }), failsWith('UPSTREAM_TIMEOUT'));
    assert.equal(textOf(await call('asked')), 'slow-call');
  },
);

test('a cancelled call ends at once and the server is told [MCP26-26]', LIMITS, async (t) => {
  const script = `
    let cancelled = 'none';
    on.other = (m) => { if (m.method === 'notifications/cancelled') cancelled = m.params.requestId; };
    on.call = (m) => { if (m.params.name === 'asked') ok(m.id, text(cancelled)); };`;
  const { call, list } = connect(t, scripted(script));
  await list();
  const controller = new AbortController();
  const pending = call('slow', {}, { callId: 'mine', signal: controller.signal });
  await list();
  controller.abort();
  await assert.rejects(pending, failsWith('CALL_CANCELLED'));
  assert.equal(textOf(await call('asked')), 'mine');
  await assert.rejects(call('slow', {}, { signal: AbortSignal.abort() }), failsWith('CALL_CANCELLED'));
});

test(
  "the server's ping is answered, its other requests are refused, and neither reaches an agent [MCP25-04] [MCP26-25]",
  LIMITS,
  async (t) => {
    const script = `
    const got = [];
    let call;
    on.other = (m) => { if (m.id !== undefined) { got.push(m); if (got.length === 2) ok(call.id, text(JSON.stringify(got))); } };
    on.call = (m) => {
      call = m;
      send({ jsonrpc: '2.0', id: 1, method: 'ping' });
      send({ jsonrpc: '2.0', id: 'two', method: 'sampling/createMessage', params: {} });
    };`;
    const { call } = connect(t, scripted(script));
    assert.deepEqual(JSON.parse(textOf(await call('t'))), [
      { jsonrpc: '2.0', id: 1, result: {} },
      { jsonrpc: '2.0', id: 'two', error: { code: -32601, message: 'Method not found' } },
    ]);
  },
);

test('the change of each list is announced and other notifications are not [W-29]', LIMITS, async (t) => {
  const script = `
    on.call = (m) => {
      send({ jsonrpc: '2.0', method: 'notifications/' + m.params.name });
      ok(m.id, text('sent'));
    };`;
  const { call, upstream } = connect(t, scripted(script));
  const changes: string[] = [];
  upstream.onChanged((kind) => void changes.push(kind));
  for (const name of ['tools', 'resources', 'other', 'prompts']) await call(`${name}/list_changed`);
  assert.deepEqual(changes, ['tools', 'resources', 'prompts']);
});

test(
  'all pages are read, an empty cursor is a cursor, and endless lists are refused [MCP26-24] [W-27]',
  LIMITS,
  async (t) => {
    const names = (script: string) => connect(t, scripted(script)).list();
    const paged = `
    on.list = (m) => {
      const { cursor } = m.params;
      if (cursor === undefined) return ok(m.id, { tools: [tool('a')], nextCursor: '' });
      if (cursor === '') return ok(m.id, { tools: [tool('b')], nextCursor: 'x' });
      ok(m.id, { tools: [tool('c')] });
    };`;
    assert.deepEqual(await names(paged), ['a', 'b', 'c']);
    const endless = `let n = 0; on.list = (m) => ok(m.id, { tools: [tool('t' + n++)], nextCursor: 'more' });`;
    await assert.rejects(names(endless), failsWith('UPSTREAM_PROTOCOL_ERROR', /pages/));
    const many = `on.list = (m) => ok(m.id, { tools: Array.from({ length: 10001 }, (_, n) => tool('t' + n)) });`;
    const huge = `on.list = (m) => ok(m.id, { tools: Array(400000).fill(0) });`;
    for (const list of [many, huge]) await assert.rejects(names(list), failsWith('UPSTREAM_PROTOCOL_ERROR', /items/));
  },
);

test(
  'a tool that cannot be called properly is left out with a warning, the others stay [MCP26-33]',
  LIMITS,
  async (t) => {
    const script = `
    const bad = { name: 'bad\\n', inputSchema: { type: 'object', properties: { a: { type: 'number', 'x-mcp-header': 'A' } } } };
    on.list = (m) => ok(m.id, { tools: [tool('good'), bad, { name: 'bare' }, 'text', tool('twice'), tool('twice')] });`;
    const { list, logged } = connect(t, scripted(script));
    assert.deepEqual(await list(), ['good']);
    const { detail } = await logged('tools_left_out');
    assert.match(detail, /^4: bad\\u000a: x-mcp-header at a /);
    assert.match(detail, /bare: no input schema; a tool without a name; twice: listed twice$/);
  },
);

test(
  'metacharacters in catalog arguments and call arguments stay data: there is no shell [OMCP-05] [ATK-24]',
  LIMITS,
  async (t) => {
    const evil = ['; touch /tmp/x', '`id`', '$(id)', 'a\nb', '\'"', '--eval'];
    const script = `on.call = (m) => ok(m.id, text(JSON.stringify([process.argv.slice(1), m.params.arguments])));`;
    const server = scripted(script);
    assert.equal(server.kind, 'stdio');
    const { call } = connect(t, { ...server, args: [...server.args, '--', ...evil] });
    assert.deepEqual(JSON.parse(textOf(await call('t', { evil }))), [evil, { evil }]);
  },
);

test('one dead, one silent and one garbage server do not disturb a good one [LIFE-03]', LIMITS, async (t) => {
  const dead = connect(t, scripted('process.exit(1);'));
  const silent = connect(t, scripted('on.discover = on.initialize = () => {};'), { timeoutMs: 500 });
  const garbage = connect(t, scripted(`on.discover = on.initialize = () => raw('\\u0000garbage\\n');`), {
    timeoutMs: 500,
  });
  const good = connect(t, scripted(''));
  const failures = [dead, silent, garbage].map(({ call }) =>
    assert.rejects(call('t'), failsWith('UPSTREAM_UNAVAILABLE')),
  );
  assert.equal(textOf(await good.call('t')), '{}');
  await Promise.all(failures);
});

test('a server that does not read its input is sent no more than a bound [D-06] [W-29]', LIMITS, async (t) => {
  const { call, upstream, list } = connect(
    t,
    scripted('on.list = (m) => { ok(m.id, { tools: [] }); process.stdin.pause(); };'),
  );
  await list();
  const big = { blob: 'x'.repeat(6 << 20) };
  const sent = [1, 2, 3].map(() => assert.rejects(call('t', big), failsWith('OUTCOME_UNKNOWN')));
  await assert.rejects(call('t', big), failsWith('UPSTREAM_UNAVAILABLE', /does not read/));
  await upstream.close();
  await Promise.all(sent);
});
