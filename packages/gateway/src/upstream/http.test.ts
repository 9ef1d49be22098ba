import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import { type AddressInfo, createServer as createTcpServer, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { type JsonObject, parseJson, stringifyJson } from '@cmcp/evidence';
import { toNodeHandler } from '@modelcontextprotocol/node';
import { createMcpHandler, Server } from '@modelcontextprotocol/server';
import { selfSigned, type TestCertificate } from '../../../../tests/support/certificate.ts';
import {
  answerJson,
  connect,
  everythingOverHttp,
  failsWith,
  fakeHttp,
  opening,
  type Received,
  resultFor,
  textOf,
  textResult,
} from '../../../../tests/support/upstreams.ts';
import type { CatalogServer } from '../catalog/types.ts';
import { GatewayError } from '../errors.ts';
import { refusePlain } from './http-endpoint.ts';
import { UpstreamRpcError } from './types.ts';

const LIMITS = { timeout: 30_000 };
const json = (text: string): JsonObject => parseJson(text) as JsonObject;
const FAMILIES = ['modern', 'handshake'] as const;

/** A server of one family that answers calls as `call` says. */
async function serving(
  t: TestContext,
  family: (typeof FAMILIES)[number],
  call: (request: Received) => void,
  tls?: TestCertificate,
) {
  const open = opening(family);
  const handle = (request: Received) => {
    if (!open(request)) call(request);
  };
  return fakeHttp(t, handle, tls);
}

const sse = (response: Received['response'], text: string | Buffer): void => {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  response.end(text);
};

test(
  'server-everything over Streamable HTTP: session, SSE answers, all kinds of content [W-27] [MCP26-41]',
  LIMITS,
  async (t) => {
    const transport = await everythingOverHttp(t);
    const { call, log, list } = connect(t, transport);
    assert.ok((await list()).includes('echo'));
    assert.equal(textOf(await call('echo', { message: 'héllo' })), 'Echo: héllo');
    assert.ok(((await call('get-tiny-image')).content as JsonObject[]).some(({ type }) => type === 'image'));
    assert.ok('structuredContent' in (await call('get-structured-content', { location: 'Chicago' })));
    assert.deepEqual(
      log.map(({ event, detail }) => [event, detail]),
      [['connected', 'new session']],
    );
  },
);

test(
  'a modern server (SDK v2) accepts what we send: metadata, headers, encoded names and parameters [MCP26-13] [MCP26-41]',
  LIMITS,
  async (t) => {
    const inputSchema = json(
      '{"type":"object","properties":{"region":{"type":"string","x-mcp-header":"Region"},"n":{"type":"integer","x-mcp-header":"N"}}}',
    );
    const { transport, handler } = await sdkServer(t, inputSchema);
    const { upstream, call, log, list } = connect(t, transport);
    const changed = new Promise((resolve) => upstream.onChanged(resolve));
    assert.deepEqual(await list(), ['wörk']);
    for (const region of ['us-west1', 'Zürich\r\nX: 1', '', '=?base64?x?=']) {
      const seen = JSON.parse(textOf(await call('wörk', { region, n: 7 }, { inputSchema })));
      assert.deepEqual(seen.arguments, { region, n: 7 });
    }
    // The subscription may be acknowledged a moment after the first answers.
    const again = setInterval(() => handler.notify.toolsChanged(), 20);
    await changed;
    clearInterval(again);
    assert.deepEqual([log[0]?.event, log[0]?.detail], ['connected', 'stateless']);
  },
);

async function sdkServer(t: TestContext, inputSchema: JsonObject) {
  const handler = createMcpHandler(
    () => {
      const server = new Server({ name: 'm', version: '1' }, { capabilities: { tools: { listChanged: true } } });
      server.setRequestHandler('tools/list', async () => ({
        tools: [{ name: 'wörk', inputSchema: { ...inputSchema, type: 'object' } }],
      }));
      server.setRequestHandler('tools/call', async ({ params }) => ({
        content: [{ type: 'text', text: JSON.stringify(params) }],
      }));
      return server;
    },
    { legacy: 'reject' },
  );
  const http = createServer(toNodeHandler(handler) as RequestListener).listen(0, '127.0.0.1');
  await once(http, 'listening');
  t.after(async () => {
    await handler.close();
    http.closeAllConnections();
    http.close();
  });
  const url = `http://127.0.0.1:${(http.address() as AddressInfo).port}/mcp`;
  const transport: CatalogServer['transport'] = { kind: 'http', url, tlsFingerprint: null };
  return { transport, handler };
}

test(
  'headers come from the decided arguments and the approved schema, and no credential but the configured one [MCP26-13] [AUTHZ-05] [G8] [ATK-16]',
  LIMITS,
  async (t) => {
    const server = await serving(t, 'modern', ({ message, response }) =>
      answerJson(response, resultFor(message, textResult('ok'))),
    );
    const { call } = connect(t, server.transport, { headers: { Authorization: 'Bearer ours', 'X-Tenant': 'a' } });
    const inputSchema = json('{"properties":{"region":{"type":"string","x-mcp-header":"Region"}}}');
    await call('run\r\nX-Evil: 1', { region: 'eu\r\nX-Evil: 2', 'Mcp-Param-Other': 'x' }, { inputSchema });
    const last = server.received.at(-1);
    assert.ok(last);
    const { host, connection, 'content-length': length, ...headers } = last.headers;
    assert.deepEqual(headers, {
      accept: 'application/json, text/event-stream',
      'accept-encoding': 'identity',
      authorization: 'Bearer ours',
      'content-type': 'application/json',
      'mcp-method': 'tools/call',
      'mcp-name': '=?base64?cnVuDQpYLUV2aWw6IDE=?=',
      'mcp-param-region': '=?base64?ZXUNClgtRXZpbDogMg==?=',
      'mcp-protocol-version': '2026-07-28',
      'x-tenant': 'a',
    });
    await assert.rejects(call('t', { region: [1] }, { inputSchema }), failsWith('ARGUMENTS_REFUSED'));
  },
);

test(
  'configured header fields that the gateway sets itself, or that would split, are refused at once [ATK-16]',
  LIMITS,
  async (t) => {
    const server = await serving(t, 'modern', () => {});
    for (const headers of [
      { 'Mcp-Name': 'x' },
      { Host: 'x' },
      { 'Content-Length': '1' },
      { 'X-A': 'b\r\nX-B: c' },
      { 'X A': 'b' },
    ] as Record<string, string>[]) {
      assert.throws(() => connect(t, server.transport, { headers }), failsWith('CONFIG_INVALID'));
    }
  },
);

test(
  'era detection over HTTP: modern first, and the body of a 400, 404 or 405 decides [MCP26-41]',
  LIMITS,
  async (t) => {
    const legacy = opening('handshake');
    for (const refuse of [
      ({ response }: Received) => void response.writeHead(404).end('<html>not found</html>'),
      ({ response }: Received) => void response.writeHead(405).end(),
      ({ response }: Received) => void response.writeHead(400).end(),
      ({ response }: Received) => void response.writeHead(200, { 'content-type': 'text/html' }).end('<html>'),
      ({ response, message }: Received) =>
        answerJson(response, { jsonrpc: '2.0', id: message.id, error: { code: -32601, message: '?' } }),
      ({ response, message }: Received) =>
        answerJson(
          response,
          {
            jsonrpc: '2.0',
            id: message.id,
            error: { code: -32022, message: '?', data: { supported: ['2025-11-25'] } },
          },
          400,
        ),
    ]) {
      const server = await fakeHttp(t, (request) => {
        if (request.message.method === 'server/discover') refuse(request);
        else if (!legacy(request)) answerJson(request.response, resultFor(request.message, textResult('legacy')));
      });
      const { call } = connect(t, server.transport);
      assert.equal(textOf(await call('t')), 'legacy');
      await call('t');
      const methods = server.received.map(({ message }) => message.method);
      assert.deepEqual(methods, [
        'server/discover',
        'initialize',
        'notifications/initialized',
        'tools/call',
        'tools/call',
      ]);
      assert.equal(server.received.at(-1)?.headers['mcp-protocol-version'], '2025-06-18');
    }
  },
);

test(
  'a refused credential, a redirect or a failing server is not taken for an old one [MCP26-41]',
  LIMITS,
  async (t) => {
    for (const [status, headers] of [
      [401, {}],
      [403, {}],
      [500, {}],
      [302, { location: 'http://127.0.0.1:1/' }],
    ] as const) {
      const server = await fakeHttp(t, ({ response }) => void response.writeHead(status, headers).end());
      await assert.rejects(connect(t, server.transport).call('t'), failsWith('UPSTREAM_UNAVAILABLE'));
      assert.equal(server.received.length, 1);
    }
  },
);

test('a handshake session is used, and ended with the upstream [MCP26-41] [D-48]', LIMITS, async (t) => {
  const server = await serving(t, 'handshake', ({ message, response }) =>
    answerJson(response, resultFor(message, textResult('ok'))),
  );
  const { call, upstream } = connect(t, server.transport);
  await call('t');
  await upstream.close();
  assert.deepEqual(
    server.received.map(({ method, headers }) => [method, headers['mcp-session-id']]),
    [
      ['POST', undefined],
      ['POST', undefined],
      ['POST', 'session-1'],
      ['POST', 'session-1'],
      ['DELETE', 'session-1'],
    ],
  );
  await assert.rejects(call('t'), failsWith('UPSTREAM_UNAVAILABLE'));
});

test('an expired session leads to one new one, and a second 404 to a clear error [LIFE-04]', LIMITS, async (t) => {
  let expired = new Set(['session-1']);
  const server = await serving(t, 'handshake', ({ message, headers, response }) => {
    if (expired.has(String(headers['mcp-session-id'])))
      answerJson(response, { jsonrpc: '2.0', id: null, error: { code: -32001, message: 'Session not found' } }, 404);
    else answerJson(response, resultFor(message, textResult('ran')));
  });
  const { call, upstream } = connect(t, server.transport);
  const changes: string[] = [];
  upstream.onChanged((kind) => void changes.push(kind));
  const calls = () => server.received.filter(({ message }) => message.method === 'tools/call').length;
  assert.equal(textOf(await call('t')), 'ran');
  assert.deepEqual([calls(), changes], [2, ['tools', 'resources', 'prompts']]);
  expired = new Set(['session-2', 'session-3']);
  await assert.rejects(call('t'), failsWith('UPSTREAM_UNAVAILABLE', /two sessions/));
  assert.equal(calls(), 4);
  assert.equal(textOf(await call('t')), 'ran');
});

test('JSON and SSE answers arrive unaltered, number lexemes included [MCP26-18]', LIMITS, async (t) => {
  const result =
    '{"content":[{"type":"odd","n":1.50}],"structuredContent":{"x":1e2},"isError":true,"_meta":{"v/k":-0}}';
  for (const family of FAMILIES) {
    const server = await serving(t, family, ({ message, response }) => {
      const body = `{"jsonrpc":"2.0","id":"${message.id}","result":${result.replace('{', '{"resultType":"complete",')}}`;
      if (message.params?.name === 'sse') sse(response, `event: message\r\ndata: ${body}\r\n\r\n`);
      else answerJson(response, body);
    });
    const { call } = connect(t, server.transport);
    assert.equal(stringifyJson(await call('json')), result);
    assert.equal(stringifyJson(await call('sse')), result);
  }
});

test(
  'only the response with our id is released from a stream, whatever else is on it [ATK-15] [MCP26-17] [MCP26-25]',
  LIMITS,
  async (t) => {
    for (const family of FAMILIES) {
      const server = await serving(t, family, ({ message, response }) => {
        if (message.method !== 'tools/call') return void response.writeHead(202).end();
        const event = (value: unknown) => `data: ${typeof value === 'string' ? value : JSON.stringify(value)}\n\n`;
        const forged = { jsonrpc: '2.0', id: 'other', result: textResult('forged') };
        const parts = [
          ': comment\n\n',
          'id: 1\ndata:\n\n',
          event(forged),
          event({ ...forged, id: 1 }),
          event([{ ...forged, id: message.id }]),
          `event: endpoint\n${event({ ...forged, id: message.id })}`,
          event('not json'),
          event({ jsonrpc: '2.0', method: 'notifications/progress', params: {} }),
          event({ jsonrpc: '2.0', id: message.id, method: 'sampling/createMessage', params: {} }),
          event({ jsonrpc: '2.0', id: 9, method: 'ping' }),
          event(resultFor(message, textResult('real\n\ndata: {"x":1}\n\n'))),
          event(resultFor(message, textResult('late'))),
        ];
        sse(response, parts.join(''));
      });
      const { call, log } = connect(t, server.transport);
      assert.equal(textOf(await call('t')), 'real\n\ndata: {"x":1}\n\n');
      assert.ok(log.some(({ event }) => event === 'server_request'));
      assert.ok(log.every(({ detail }) => !detail.includes('forged')));
    }
  },
);

test(
  "a server's request on a handshake stream is answered aside, on a modern one it is not [MCP25-04] [MCP26-25]",
  LIMITS,
  async (t) => {
    for (const family of FAMILIES) {
      const server = await serving(t, family, (request) => {
        const { message, response } = request;
        if (message.method !== 'tools/call') {
          response.writeHead(202).end();
          // The answers have come: now the call may end.
          const answers = server.received.filter((each) => each.message.method === undefined && each.method === 'POST');
          if (answers.length === 2) held?.end(`data: ${JSON.stringify(resultFor(call, textResult('done')))}\n\n`);
          return;
        }
        call = message;
        held = response;
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        response.write(
          'data: {"jsonrpc":"2.0","id":1,"method":"ping"}\n\ndata: {"jsonrpc":"2.0","id":"r","method":"roots/list"}\n\n',
        );
        if (family === 'modern') response.end(`data: ${JSON.stringify(resultFor(message, textResult('done')))}\n\n`);
      });
      let held: Received['response'] | undefined;
      let call: Received['message'] = {};
      const { call: callTool, list } = connect(t, server.transport);
      assert.equal(textOf(await callTool('t')), 'done');
      // Time for answers that should not come.
      for (let i = 0; i < 5; i += 1) await list();
      const answers = server.received.filter(
        ({ message, method }) => message.method === undefined && method === 'POST',
      );
      const expected = [
        { jsonrpc: '2.0', id: 1, result: {} },
        { jsonrpc: '2.0', id: 'r', error: { code: -32601, message: 'Method not found' } },
      ];
      assert.deepEqual(
        answers.map(({ message }) => message).sort((a, b) => String(a.id).localeCompare(String(b.id))),
        family === 'modern' ? [] : expected,
      );
    }
  },
);

test('several messages in one are read in the one revision that has them, and nowhere else', LIMITS, async (t) => {
  for (const version of ['2025-03-26', '2025-06-18']) {
    const open = opening('handshake', { tools: {} }, { protocolVersion: version });
    const server = await fakeHttp(t, (request) => {
      const { message, response } = request;
      if (open(request)) return;
      const forged = { jsonrpc: '2.0', id: 'other', result: textResult('forged') };
      const changed = { jsonrpc: '2.0', method: 'notifications/tools/list_changed' };
      const batch = [
        forged,
        changed,
        1,
        resultFor(message, textResult('real')),
        resultFor(message, textResult('late')),
      ];
      if (message.params?.name === 'none') answerJson(response, [forged]);
      else if (message.params?.name === 'json') answerJson(response, batch);
      else sse(response, `data: ${JSON.stringify(batch)}\n\n`);
    });
    const { call, upstream } = connect(t, server.transport);
    let changes = 0;
    upstream.onChanged(() => {
      changes += 1;
    });
    const has = version === '2025-03-26';
    for (const name of ['json', 'sse']) {
      const outcome = await call(name).then(textOf, (error: GatewayError) => error.code);
      assert.equal(outcome, has ? 'real' : name === 'json' ? 'UPSTREAM_PROTOCOL_ERROR' : 'OUTCOME_UNKNOWN');
    }
    assert.equal(changes, has ? 2 : 0);
    await assert.rejects(call('none'), failsWith('UPSTREAM_PROTOCOL_ERROR'));
  }
});

test('an answer that is none is an error and never success [LIFE-05] [MCP26-17]', LIMITS, async (t) => {
  const call = (request: Received): void => {
    const { message, response } = request;
    const stream = (value: string | Buffer) => sse(response, value);
    const bodies: Record<string, () => void> = {
      empty: () => answerJson(response, ''),
      'empty object': () => answerJson(response, {}),
      'empty result': () => answerJson(response, resultFor(message, {})),
      truncated: () => answerJson(response, `{"jsonrpc":"2.0","id":"${message.id}","result":{"content":[`),
      'wrong id': () => answerJson(response, { jsonrpc: '2.0', id: 'x', result: textResult('forged') }),
      'numeric id': () => answerJson(response, { jsonrpc: '2.0', id: 1, result: textResult('forged') }),
      batch: () => answerJson(response, [resultFor(message, textResult('forged'))]),
      html: () => void response.writeHead(200, { 'content-type': 'text/html' }).end('<html>'),
      'no type': () => void response.writeHead(200).end(JSON.stringify(resultFor(message, textResult('x')))),
      accepted: () => void response.writeHead(202).end(),
      'result behind an error status': () => answerJson(response, resultFor(message, textResult('x')), 500),
      input: () => answerJson(response, resultFor(message, { resultType: 'input_required', inputRequests: {} })),
      'broken event': () => stream(`data: {"id":"${message.id}","result":\n\n`),
      redirect: () => void response.writeHead(307, { location: 'http://127.0.0.1:1/' }).end(),
      compressed: () =>
        void response
          .writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'gzip' })
          .end(gzipSync('{}')),
    };
    bodies[message.params?.name ?? '']?.();
  };
  for (const family of FAMILIES) {
    const server = await serving(t, family, call);
    const { call: callTool } = connect(t, server.transport);
    for (const name of [
      'empty',
      'empty object',
      'empty result',
      'truncated',
      'wrong id',
      'numeric id',
      'batch',
      'html',
      'no type',
      'accepted',
      'result behind an error status',
      'input',
      'broken event',
      'redirect',
      'compressed',
    ]) {
      await assert.rejects(callTool(name), failsWith('UPSTREAM_PROTOCOL_ERROR'), `${family} ${name}`);
    }
  }
});

test('broken UTF-8 is an encoding error, in JSON and in a stream', LIMITS, async (t) => {
  const server = await serving(t, 'modern', ({ message, response }) => {
    const body = Buffer.concat([
      Buffer.from(`{"jsonrpc":"2.0","id":"${message.id}","result":{"x":"`),
      Buffer.from([0xc3, 0x28]),
      Buffer.from('"}}'),
    ]);
    if (message.params?.name === 'sse')
      sse(response, Buffer.concat([Buffer.from('data: '), body, Buffer.from('\n\n')]));
    else response.writeHead(200, { 'content-type': 'application/json' }).end(body);
  });
  const { call } = connect(t, server.transport);
  await assert.rejects(call('json'), failsWith('RESPONSE_ENCODING_INVALID'));
  await assert.rejects(call('sse'), failsWith('RESPONSE_ENCODING_INVALID'));
});

test(
  'a lost connection, a stream without a response and a failing proxy leave the outcome unknown, and nothing is retried [LIFE-05] [MCP25-13]',
  LIMITS,
  async (t) => {
    for (const family of FAMILIES) {
      const server = await serving(t, family, ({ message, response }) => {
        const { name } = message.params ?? {};
        if (name === 'drop') response.destroy();
        else if (name === 'half')
          response
            .writeHead(200, { 'content-type': 'application/json', 'content-length': '100' })
            .write('{"jsonrpc"', () => response.destroy());
        else if (name === 'stream') sse(response, ': nothing\n\n');
        else response.writeHead(Number(name)).end('proxy');
      });
      const { call } = connect(t, server.transport);
      for (const name of ['drop', 'half', 'stream', '502', '503', '504'])
        await assert.rejects(call(name), failsWith('OUTCOME_UNKNOWN'));
      assert.equal(server.received.filter(({ message }) => message.method === 'tools/call').length, 6);
    }
  },
);

test("a server's JSON-RPC error arrives with its code, also behind an HTTP error status", LIMITS, async (t) => {
  for (const status of [200, 400, 404, 500]) {
    const server = await serving(t, 'modern', ({ message, response }) =>
      answerJson(response, { jsonrpc: '2.0', id: message.id, error: { code: -32602, message: 'bad' } }, status),
    );
    await assert.rejects(connect(t, server.transport).call('t'), (error: Error) => {
      failsWith('UPSTREAM_TOOL_ERROR')(error);
      return error.cause instanceof UpstreamRpcError && error.cause.rpcCode === -32602;
    });
  }
});

test(
  'a server that stops speaking the agreed revision is asked anew at the next call [MCP26-41]',
  LIMITS,
  async (t) => {
    let refuse = true;
    const server = await serving(t, 'modern', ({ message, response }) => {
      const error = { code: -32022, message: 'v', data: { supported: ['2026-07-28'] } };
      if (refuse) answerJson(response, { jsonrpc: '2.0', id: message.id, error }, 400);
      else answerJson(response, resultFor(message, textResult('ok')));
    });
    const { call } = connect(t, server.transport);
    await assert.rejects(call('t'), failsWith('UPSTREAM_TOOL_ERROR'));
    refuse = false;
    assert.equal(textOf(await call('t')), 'ok');
    assert.equal(server.received.filter(({ message }) => message.method === 'server/discover').length, 2);
  },
);

test(
  'the size bound holds while streaming, for JSON, for an event and for an error page [D-06] [ATK-18]',
  LIMITS,
  async (t) => {
    const server = await serving(t, 'modern', ({ message, response }) => {
      const { name, arguments: args } = message.params ?? {};
      const body = (n: number) => JSON.stringify(resultFor(message, textResult('x'.repeat(n))));
      const sized = body(Number(args?.bytes) - body(0).length);
      if (name === 'json') return answerJson(response, sized);
      if (name === 'sse') return sse(response, `data: ${sized}\n\n`);
      response.writeHead(name === 'error' ? 500 : 200, {
        'content-type': name === 'endless-sse' ? 'text/event-stream' : 'application/json',
      });
      const flood = () => {
        while (!response.destroyed && response.write('data: x'.repeat(10_000)));
      };
      response.on('drain', flood);
      flood();
    });
    const { call } = connect(t, server.transport, { maxResponseBytes: 65_537 });
    for (const name of ['json', 'sse']) {
      assert.ok(textOf(await call(name, { bytes: 65_537 })).length > 65_000);
      await assert.rejects(call(name, { bytes: 65_538 }), failsWith('RESPONSE_SIZE_EXCEEDED'));
    }
    for (const name of ['endless', 'endless-sse'])
      await assert.rejects(call(name), failsWith('RESPONSE_SIZE_EXCEEDED'));
    // Of a page that is no message only the status is looked at, however long it is.
    await assert.rejects(call('error'), failsWith('UPSTREAM_PROTOCOL_ERROR'));
  },
);

test(
  'the time limit is absolute: progress does not move it, the stream is closed, and an older server is told [MCP26-32] [MCP26-26]',
  LIMITS,
  async (t) => {
    for (const family of FAMILIES) {
      let closed: Promise<unknown> = Promise.resolve();
      const server = await serving(t, family, ({ response }) => {
        closed = once(response, 'close');
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        const progress = setInterval(
          () => response.write('data: {"jsonrpc":"2.0","method":"notifications/progress","params":{}}\n\n'),
          5,
        );
        response.on('close', () => clearInterval(progress));
      });
      const { call, upstream, list } = connect(t, server.transport, { timeoutMs: 500 });
      await list();
      await assert.rejects(call('t', {}, { callId: 'slow' }), failsWith('UPSTREAM_TIMEOUT'));
      await closed;
      await upstream.close();
      const told = server.received.filter(({ message }) => message.method === 'notifications/cancelled');
      assert.deepEqual(
        told.map(({ message }) => message.params?.requestId),
        family === 'modern' ? [] : ['slow'],
      );
    }
  },
);

test(
  'a stream that says nothing, or nothing that is a message, lasts no longer than its call [MCP26-32]',
  LIMITS,
  async (t) => {
    for (const name of ['silent', 'comments', 'half']) {
      const closed = Promise.withResolvers<unknown>();
      const server = await serving(t, 'modern', ({ response }) => {
        closed.resolve(once(response, 'close'));
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        response.flushHeaders();
        const drip = setInterval(() => {
          if (name === 'comments') response.write(': still here\n');
          if (name === 'half') response.write('data: {');
        }, 5);
        response.on('close', () => clearInterval(drip));
      });
      const { call, list } = connect(t, server.transport, { timeoutMs: 500 });
      await list();
      await assert.rejects(call('t'), failsWith('UPSTREAM_TIMEOUT'), name);
      await closed.promise;
    }
  },
);

test('a cancelled call closes its stream at once, and an older server is told [MCP26-26]', LIMITS, async (t) => {
  for (const family of FAMILIES) {
    const controller = new AbortController();
    let closed: Promise<unknown> = Promise.resolve();
    const server = await serving(t, family, ({ response }) => {
      closed = once(response, 'close');
      controller.abort();
    });
    const { call, upstream } = connect(t, server.transport);
    await assert.rejects(call('t', {}, { signal: AbortSignal.abort() }), failsWith('CALL_CANCELLED'));
    await assert.rejects(call('t', {}, { signal: controller.signal }), failsWith('CALL_CANCELLED'));
    await closed;
    await upstream.close();
    const told = server.received.filter(({ message }) => message.method === 'notifications/cancelled');
    assert.equal(told.length, family === 'modern' ? 0 : 1);
  }
});

test(
  'a change of the tool list is announced from the GET stream, and a broken stream counts as a change [MCP26-41]',
  LIMITS,
  async (t) => {
    const open = opening('handshake', { tools: { listChanged: true } });
    const streams: Received['response'][] = [];
    let opened = () => {};
    const server = await fakeHttp(t, (request) => {
      if (request.method !== 'GET') {
        if (!open(request)) answerJson(request.response, resultFor(request.message, textResult('ok')));
        return;
      }
      request.response.writeHead(200, { 'content-type': 'text/event-stream' });
      request.response.flushHeaders();
      streams.push(request.response);
      opened();
    });
    const { upstream, list } = connect(t, server.transport);
    const next = () => new Promise<void>((resolve) => (notify = resolve));
    let notify = () => {};
    upstream.onChanged(() => notify());
    const first = new Promise<void>((resolve) => (opened = resolve));
    await list();
    await first;
    const announced = next();
    streams[0]?.write('data: {"jsonrpc":"2.0","method":"notifications/tools/list_changed"}\n\n');
    await announced;
    const reopened = next();
    streams[0]?.end();
    await reopened;
    assert.equal(streams.length, 2);
    const ended = once(streams[1] as Received['response'], 'close');
    await upstream.close();
    await ended;
  },
);

test(
  'plain http is for loopback, other schemes and credentials in the URL are refused, and nothing is sent [ATK-24]',
  LIMITS,
  async (t) => {
    for (const [url, detail] of [
      ['http://example.com/mcp', /loopback/],
      ['http://10.0.0.1/', /loopback/],
      ['http://[2001:db8::1]/', /loopback/],
      ['http://127.0.0.1.example.com/', /loopback/],
      ['ftp://127.0.0.1/', /neither/],
      ['https://user@127.0.0.1/', /not acceptable/],
      ['https://:pass@127.0.0.1/', /not acceptable/],
      ['not a url', /not acceptable/],
    ] as const) {
      const transport: CatalogServer['transport'] = { kind: 'http', url, tlsFingerprint: null };
      await assert.rejects(connect(t, transport).call('t'), failsWith('UPSTREAM_UNAVAILABLE', detail), url);
    }
    // `localhost` is only a name: what it led to is looked at before anything is written.
    const peer = (remoteAddress: string) => refusePlain({ remoteAddress } as Socket);
    for (const address of ['127.0.0.1', '127.8.8.8', '::1', '::ffff:127.0.0.1']) assert.equal(peer(address), null);
    for (const address of ['10.0.0.1', '::', '::ffff:10.0.0.1', '127.0.0.1.5', ''])
      assert.ok(peer(address) instanceof Error);
  },
);

test('a session that is not opened properly is not used [MCP26-41]', LIMITS, async (t) => {
  for (const refuse of ['session', 'initialized']) {
    const open = opening('handshake');
    const server = await fakeHttp(t, (request) => {
      if (request.message.method === 'notifications/initialized' && refuse === 'initialized')
        request.response.writeHead(400).end();
      else if (!open(refuse === 'session' ? { ...request, session: 'a b' } : request)) request.response.destroy();
    });
    await assert.rejects(
      connect(t, server.transport).call('t'),
      failsWith('UPSTREAM_UNAVAILABLE', /session id|end of the handshake/),
    );
  }
});

test('a time-out before anything was sent means unavailable, which is safe to retry [MCP26-32]', LIMITS, async (t) => {
  const certificate = selfSigned('vanishing');
  const answer = ({ message, response }: Received) =>
    answerJson(response, resultFor(message, textResult('ok')), 200, { connection: 'close' });
  const server = await serving(t, 'modern', answer, certificate);
  const { call } = connect(t, server.transport, { timeoutMs: 1000 }, { ca: [certificate.cert] });
  await call('t');
  server.stop();
  // On the same port, something that accepts and never says a word.
  const silent = createTcpServer().listen(server.port, '127.0.0.1');
  t.after(() => silent.close());
  // A connection that was kept from the first call may still seem to be there once.
  const outcome = async (): Promise<unknown> => {
    const error: unknown = await call('t').catch((thrown: unknown) => thrown);
    return error instanceof GatewayError && error.code === 'OUTCOME_UNKNOWN' ? outcome() : error;
  };
  failsWith('UPSTREAM_UNAVAILABLE', /nothing was sent/)(await outcome());
});

test('a server that floods its stream with requests gets a bounded number of answers [MCP26-25]', LIMITS, async (t) => {
  const held: Received['response'][] = [];
  const server = await serving(t, 'handshake', ({ message, response }) => {
    const result = resultFor(message, textResult('ok'));
    const ping = 'data: {"jsonrpc":"2.0","id":1,"method":"ping"}\n\n';
    if (message.method === undefined) held.push(response);
    else if (message.params?.name === 'quiet') answerJson(response, result);
    else sse(response, `${ping.repeat(100)}data: ${JSON.stringify(result)}\n\n`);
  });
  const { call } = connect(t, server.transport);
  await call('flood');
  for (let i = 0; i < 5; i += 1) await call('quiet');
  assert.ok(held.length > 0 && held.length <= 8, String(held.length));
});

test('a server that nobody answers for is unavailable, which is safe to retry [LIFE-03]', LIMITS, async (t) => {
  const server = await serving(t, 'modern', () => {});
  const probe = createTcpServer().listen(0);
  const { port } = probe.address() as AddressInfo;
  await new Promise((resolve) => probe.close(resolve));
  const transport: CatalogServer['transport'] = {
    kind: 'http',
    url: `http://127.0.0.1:${port}/mcp`,
    tlsFingerprint: null,
  };
  await assert.rejects(connect(t, transport).call('t'), failsWith('UPSTREAM_UNAVAILABLE'));
  assert.equal(server.received.length, 0);
});

test(
  'a pinned certificate is checked before any application byte, in addition to its chain [G10]',
  LIMITS,
  async (t) => {
    const certificate = selfSigned('good');
    const other = selfSigned('other');
    const open = opening('modern');
    const server = await fakeHttp(
      t,
      (request) => {
        if (!open(request)) answerJson(request.response, resultFor(request.message, textResult('secret')));
      },
      certificate,
    );
    assert.equal(server.transport.kind, 'http');
    const reach = (tlsFingerprint: string | null, ca: string[]) =>
      connect(t, { ...server.transport, tlsFingerprint } as typeof server.transport, {}, { ca }).call('t');
    const trusted = [certificate.cert];
    for (const pin of [null, certificate.pin, certificate.pin.replace(/=+$/, ''), `SHA256:${'A'.repeat(43)}=`]) {
      assert.equal(textOf(await reach(pin, trusted)), 'secret');
    }
    const before = server.received.length;
    for (const pin of [
      other.pin,
      certificate.pin.replace('SHA256:', 'sha256:'),
      'SHA256:short',
      `SHA256:${'A'.repeat(42)}E=`,
    ]) {
      await assert.rejects(reach(pin, trusted), failsWith('UPSTREAM_UNAVAILABLE'), pin);
    }
    // The right pin does not replace a trusted chain.
    await assert.rejects(reach(certificate.pin, [other.cert]), failsWith('UPSTREAM_UNAVAILABLE'));
    assert.equal(server.received.length, before);
  },
);

test('TLS below 1.2 is refused [G10]', LIMITS, async (t) => {
  const certificate = selfSigned('old');
  const tls = {
    ...certificate,
    ciphers: 'ALL:@SECLEVEL=0',
    minVersion: 'TLSv1.1' as const,
    maxVersion: 'TLSv1.1' as const,
  };
  const server = await fakeHttp(t, ({ response }) => void response.end(), tls);
  await assert.rejects(
    connect(t, server.transport, {}, { ca: [certificate.cert] }).call('t'),
    failsWith('UPSTREAM_UNAVAILABLE'),
  );
  assert.equal(server.received.length, 0);
});

test('closing gives up a connection that is still opening [D-48]', { timeout: 8000 }, async (t) => {
  const silent = createTcpServer().listen(0, '127.0.0.1');
  await once(silent, 'listening');
  t.after(() => silent.close());
  const { port } = silent.address() as AddressInfo;
  const { call, upstream } = connect(t, { kind: 'http', url: `https://127.0.0.1:${port}/`, tlsFingerprint: null });
  const pending = assert.rejects(call('t'), failsWith('UPSTREAM_UNAVAILABLE'));
  const [socket] = (await once(silent, 'connection')) as [Socket];
  const closed = once(socket.on('error', () => {}).resume(), 'close');
  await upstream.close();
  await pending;
  await closed;
});
