/** Servers over HTTP that do what they should not: what a call of theirs ends with, and that nobody else notices. */
import assert from 'node:assert/strict';
import type { ServerResponse } from 'node:http';
import { after, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { BadCompany, type BadServer } from './support/bad-company.ts';
import { answerJson, type Message, type Received, resultFor, textResult } from './support/upstreams.ts';

const MEGABYTE = 1024 * 1024;
const LINK_LOCAL = 'http://169.254.169.254/latest/meta-data';

const result = (message: Message): unknown =>
  resultFor(message, { resultType: 'complete', ...(textResult('ok') as object) });
const event = (message: unknown): string => `data: ${JSON.stringify(message)}\n\n`;
const notice = (method: string, params: unknown): string => event({ jsonrpc: '2.0', method, params });
const tokenOf = (message: Message): unknown => message.params?._meta?.progressToken;

function stream(response: ServerResponse, text = ''): ServerResponse {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  response.write(text);
  return response;
}

/** Goes on writing for as long as anybody takes it. */
function flood(response: ServerResponse, piece: string): void {
  const more = (): void => {
    if (response.destroyed) return;
    if (response.write(piece)) setImmediate(more);
    else response.once('drain', more);
  };
  more();
}

const raw = (answer: string) => (received: Received) => void received.response.socket?.end(answer);
const head = 'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n';

const QUESTION = { message: 'Who?', requestedSchema: { type: 'object', properties: { name: { type: 'string' } } } };

interface Case {
  /** What a call of its tool ends with. */
  ends: string;
  /** How often the server is called meanwhile; once where nothing is said. */
  calls?: number;
  server: BadServer;
}

const misbehaves = (
  ends: string,
  handle: (received: Received) => void,
  more: Partial<Extract<BadServer, { family: string }>> = {},
): Case => ({ ends, server: { family: 'modern', handle, ...more } });

const HASTY = { timeout: '500ms' };

const CASES: Record<string, Case> = {
  garbage: misbehaves('UPSTREAM_PROTOCOL_ERROR', ({ response }) => answerJson(response, '{"jsonrpc": nonsense')),
  'a-page': misbehaves('UPSTREAM_PROTOCOL_ERROR', ({ response }) => {
    response.writeHead(200, { 'content-type': 'text/html' }).end('<html>');
  }),
  'broken-text': misbehaves('RESPONSE_ENCODING_INVALID', ({ response }) => {
    response.writeHead(200, { 'content-type': 'application/json' }).end(Buffer.from([0x7b, 0xff, 0xfe, 0x7d]));
  }),
  'endless-body': misbehaves('RESPONSE_SIZE_EXCEEDED', ({ response }) => {
    response.writeHead(200, { 'content-type': 'application/json' });
    flood(response, ' '.repeat(MEGABYTE));
  }),
  'endless-line': misbehaves('RESPONSE_SIZE_EXCEEDED', ({ response }) => {
    flood(stream(response, 'data: '), 'x'.repeat(MEGABYTE));
  }),
  'endless-event': misbehaves('RESPONSE_SIZE_EXCEEDED', ({ response }) => {
    flood(stream(response), `data: ${'x'.repeat(MEGABYTE)}\n`);
  }),
  'endless-comments': misbehaves(
    'UPSTREAM_TIMEOUT',
    ({ response }) => flood(stream(response), ':\n\n'.repeat(1000)),
    HASTY,
  ),
  'half-then-gone': misbehaves('OUTCOME_UNKNOWN', raw(`${head}content-length: 500\r\n\r\n{"jsonrpc":"2.0",`)),
  'half-then-silent': misbehaves(
    'UPSTREAM_TIMEOUT',
    ({ response }) => {
      response.writeHead(200, { 'content-type': 'application/json' }).write('{"jsonrpc":"2.0",');
    },
    HASTY,
  ),
  'half-an-event': misbehaves('OUTCOME_UNKNOWN', ({ message, response }) => {
    stream(response, event(result(message)).trimEnd()).end();
  }),
  'says-nothing': misbehaves('UPSTREAM_TIMEOUT', () => {}, HASTY),
  'hangs-up': misbehaves('OUTCOME_UNKNOWN', ({ response }) => void response.destroy()),
  'no-http': misbehaves('OUTCOME_UNKNOWN', raw('220 smtp.example ESMTP\r\n')),
  'claims-less': misbehaves('UPSTREAM_PROTOCOL_ERROR', ({ message, response }) => {
    const body = JSON.stringify(result(message));
    raw(`${head}content-length: 10\r\n\r\n${body}`)({ message, response } as Received);
  }),
  'claims-twice': misbehaves('OUTCOME_UNKNOWN', ({ message, response }) => {
    const body = JSON.stringify(result(message));
    const lengths = `content-length: ${body.length}\r\ncontent-length: 5\r\n`;
    raw(`${head}${lengths}\r\n${body}`)({ message, response } as Received);
  }),
  'both-framings': misbehaves('OUTCOME_UNKNOWN', ({ message, response }) => {
    const body = JSON.stringify(result(message));
    raw(`${head}content-length: ${body.length}\r\ntransfer-encoding: chunked\r\n\r\n${body}`)({
      message,
      response,
    } as Received);
  }),
  compressed: misbehaves('UPSTREAM_PROTOCOL_ERROR', ({ message, response }) => {
    const headers = { 'content-type': 'application/json', 'content-encoding': 'gzip' };
    response.writeHead(200, headers).end(gzipSync(JSON.stringify(result(message))));
  }),
  'a-bomb': misbehaves('UPSTREAM_PROTOCOL_ERROR', ({ response }) => {
    const headers = { 'content-type': 'application/json', 'content-encoding': 'gzip' };
    response.writeHead(200, headers).end(gzipSync(Buffer.alloc(50 * MEGABYTE)));
  }),
  'wrong-id': misbehaves('UPSTREAM_PROTOCOL_ERROR', ({ message, response }) => {
    answerJson(response, result({ ...message, id: 'another' }));
  }),
  'number-id': misbehaves('UPSTREAM_PROTOCOL_ERROR', ({ response }) => {
    answerJson(response, { ...(result({}) as object), id: 1 });
  }),
  'foreign-id': misbehaves('OUTCOME_UNKNOWN', ({ message, response }) => {
    stream(response, event(result({ ...message, id: 'another' }))).end();
  }),
  'no-result': misbehaves('UPSTREAM_PROTOCOL_ERROR', ({ message, response }) => {
    answerJson(response, { jsonrpc: '2.0', id: message.id });
  }),
  empty: misbehaves('UPSTREAM_PROTOCOL_ERROR', ({ message, response }) => answerJson(response, resultFor(message, {}))),
  'both-ways': misbehaves('UPSTREAM_PROTOCOL_ERROR', ({ message, response }) => {
    answerJson(response, { ...(result(message) as object), error: { code: 1, message: 'no' } });
  }),
  twice: misbehaves('result', ({ message, response }) => {
    stream(response, event(result(message)).repeat(2)).end();
  }),
  'without-end': misbehaves('result', ({ message, response }) => {
    flood(stream(response, event(result(message))), event(result(message)));
  }),
  'never-closes': misbehaves('result', ({ message, response }) => void stream(response, event(result(message)))),
  'notices-without-end': misbehaves(
    'UPSTREAM_TIMEOUT',
    ({ response }) => {
      const log = notice('notifications/message', { level: 'error', data: 'x'.repeat(200) });
      flood(stream(response), `${log}${notice('notifications/tools/list_changed', {})}`.repeat(100));
    },
    HASTY,
  ),
  'notices-then-answer': misbehaves('result', ({ message, response }) => {
    const progress = notice('notifications/progress', { progressToken: tokenOf(message), progress: 1 });
    stream(response, `${progress.repeat(20_000)}${event(result(message))}`).end();
  }),
  'a-drip': misbehaves(
    'UPSTREAM_TIMEOUT',
    ({ message, response }) => {
      let progress = 0;
      const open = stream(response);
      const drip = setInterval(() => {
        progress += 1;
        open.write(notice('notifications/progress', { progressToken: tokenOf(message), progress }));
      }, 20);
      response.once('close', () => clearInterval(drip));
    },
    HASTY,
  ),
  'asks-without-end': misbehaves(
    'UPSTREAM_TIMEOUT',
    ({ message, response }) => {
      if (message.method === undefined) return void response.writeHead(202).end();
      let id = 0;
      const open = stream(response);
      const asking = setInterval(() => {
        for (let each = 0; each < 100; each += 1) {
          id += 1;
          open.write(event({ jsonrpc: '2.0', id, method: 'sampling/createMessage', params: {} }));
        }
      }, 5);
      response.once('close', () => clearInterval(asking));
    },
    { family: 'handshake', ...HASTY },
  ),
  'redirects-away': misbehaves('UPSTREAM_PROTOCOL_ERROR', ({ response }) => {
    response.writeHead(307, { location: LINK_LOCAL }).end();
  }),
  'redirects-here': misbehaves('UPSTREAM_PROTOCOL_ERROR', ({ response }) => {
    response.writeHead(308, { location: '/elsewhere' }).end();
  }),
  'a-long-refusal': misbehaves('OUTCOME_UNKNOWN', ({ response }) => {
    response.writeHead(503, { 'content-type': 'application/json' }).end(`"${'x'.repeat(MEGABYTE)}"`);
  }),
  'an-endless-refusal': misbehaves('UPSTREAM_PROTOCOL_ERROR', ({ response }) => {
    flood(response.writeHead(404, { 'content-type': 'text/plain' }), 'x'.repeat(MEGABYTE));
  }),
  'asks-for-ever': {
    ...misbehaves('UPSTREAM_PROTOCOL_ERROR', ({ message, response }) => {
      answerJson(response, resultFor(message, { resultType: 'input_required', requestState: 'x' }));
    }),
    // No question stands in the way, so it is tried again, a bounded number of times.
    calls: 32,
  },
  'state-of-megabytes': misbehaves(
    'RESPONSE_SIZE_EXCEEDED',
    ({ message, response }) => {
      const inputRequests = { a: { method: 'elicitation/create', params: QUESTION } };
      const requestState = 'x'.repeat(MEGABYTE);
      answerJson(response, resultFor(message, { resultType: 'input_required', inputRequests, requestState }));
    },
    { asks: ['elicit'] },
  ),
  'asks-what-it-may-not': misbehaves('ASK_REFUSED', ({ message, response }) => {
    const inputRequests = { a: { method: 'sampling/createMessage', params: { messages: [], maxTokens: 1 } } };
    answerJson(response, resultFor(message, { resultType: 'input_required', inputRequests }));
  }),
};

/** Speaks of its first call on the stream of its second. */
const first: Received[] = [];
const meddling: BadServer = {
  family: 'modern',
  handle: (received) => {
    const [held] = first;
    first.push(received);
    if (held === undefined) return;
    const meddles = notice('notifications/progress', { progressToken: tokenOf(held.message), progress: 1 });
    const own = notice('notifications/progress', { progressToken: tokenOf(received.message), progress: 2 });
    const answers = event(result(held.message)) + event(result(received.message));
    stream(received.response, `${meddles}${own}${answers}`).end();
    stream(held.response, event(result(held.message))).end();
  },
};

const company = await BadCompany.meet(
  { after },
  { ...Object.fromEntries(Object.entries(CASES).map(([id, { server }]) => [id, server])), meddling },
);
const { gateway } = company;
const rest = await company.atRest();

/** A client that can be asked, and wants to hear everything. */
const OPEN_EARED = {
  progressToken: 'p',
  'io.modelcontextprotocol/logLevel': 'debug',
  'io.modelcontextprotocol/clientCapabilities': { elicitation: { form: {} } },
};

for (const [id, { ends, calls = 1 }] of Object.entries(CASES)) {
  test(`${id}: ends its own call as ${ends}, is called no more than that, and leaves nothing [LIFE-03] [LIFE-05]`, async () => {
    const called = company.call(id, OPEN_EARED);
    await company.othersAnswer();
    const { code, message } = await called;
    assert.equal(code, ends, JSON.stringify(message).slice(0, 500));
    assert.equal(await company.calls(id), calls);
    await company.othersAnswer();
    await gateway.returnsTo(rest);
  });
}

test('what names another call does not reach it, and answers none [MCP26-17] [MCP26-31] [ATK-15]', async () => {
  const held = company.call('meddling', { progressToken: 'held' });
  while (first.length === 0) await company.othersAnswer();
  const [one, other] = await Promise.all([held, company.call('meddling', { progressToken: 'other' })]);
  assert.deepEqual([one.code, other.code], ['result', 'result']);
  assert.deepEqual(one.before, [], 'nothing was said on its own stream');
  assert.deepEqual(
    other.before.map(({ params }) => params),
    [{ progressToken: 'other', progress: 2 }],
  );
  await gateway.returnsTo(rest);
});

test('what they sent is not kept [D-06]', async () => {
  const before = await gateway.heap();
  for (const id of ['endless-event', 'notices-then-answer', 'a-long-refusal', 'a-bomb', 'without-end']) {
    for (let again = 0; again < 5; again += 1) await company.call(id, OPEN_EARED);
  }
  await gateway.returnsTo(rest);
  const grown = (await gateway.heap()) - before;
  assert.ok(grown < 8 * MEGABYTE, `${grown} bytes more are held`);
});
