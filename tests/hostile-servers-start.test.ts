/** Servers that fail before there is anything to ask of them, and lists without end. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { BadCompany, type BadServer } from './support/bad-company.ts';
import { answerJson, type Received, resultFor } from './support/upstreams.ts';

const MEGABYTE = 1024 * 1024;

/** A server of which the list of tools is answered as `page` says; null: not at all, the connection is closed. */
function lists(page: (cursor: string | undefined) => unknown): BadServer {
  return {
    family: 'modern',
    handle: ({ response }) => void response.destroy(),
    instead: ({ message, response }) => {
      if (message.method !== 'tools/list') return false;
      const result = page(message.params?.cursor);
      if (result === null) response.destroy();
      else answerJson(response, resultFor(message, result));
      return true;
    },
  };
}

const tools = (count: number): unknown[] =>
  Array.from({ length: count }, (_, at) => ({ name: at === 0 ? 't' : `t${at}`, inputSchema: { type: 'object' } }));

const opens = (instead: (received: Received) => void): BadServer => ({
  family: 'modern',
  handle: () => {},
  instead: (received) => {
    instead(received);
    return true;
  },
  timeout: '500ms',
});

const stdio = (script: string): BadServer => ({ script, timeout: '500ms' });

/** None of these can be called; each call says so, and nothing of it is sent. */
const DEAD: Record<string, BadServer> = {
  'endless-pages': lists((cursor = '0') => ({ tools: tools(1), nextCursor: String(Number(cursor) + 1) })),
  'same-page-again': lists(() => ({ tools: tools(1), nextCursor: 'again' })),
  'too-many-tools': lists((cursor) => ({ tools: tools(6000), ...(cursor === undefined && { nextCursor: 'more' }) })),
  'list-of-megabytes': lists(() => ({
    tools: [{ name: 't', inputSchema: {}, description: 'x'.repeat(4 * MEGABYTE) }],
  })),
  'list-of-nothing': lists(() => ({})),
  'never-lists': {
    family: 'modern',
    handle: () => {},
    instead: ({ message }) => message.method === 'tools/list',
    timeout: '500ms',
  },
  'hangs-up-when-asked': lists(() => null),
  'never-answers': opens(() => {}),
  'hangs-up-at-once': opens(({ response }) => void response.destroy()),
  'redirects-at-once': opens(({ response }) => {
    response.writeHead(302, { location: 'http://169.254.169.254/' }).end();
  }),
  'exits-at-once': stdio('process.exit(3);'),
  'exits-on-discovery': stdio('on.discover = () => process.exit(3); on.initialize = () => process.exit(3);'),
  'never-shakes-hands': stdio('on.discover = () => {}; on.initialize = () => {};'),
  'says-garbage-at-once': stdio(
    "raw('\\0\\0\\0\\0{'.repeat(100000)); on.discover = () => {}; on.initialize = () => {};",
  ),
  'does-not-exist': { url: 'http://127.0.0.1:1/mcp' },
};

/** Where a server has shown itself to be at fault, this is said; elsewhere that it cannot be reached. */
const SAID: Readonly<Record<string, string>> = {
  'endless-pages': 'UPSTREAM_PROTOCOL_ERROR',
  'same-page-again': 'UPSTREAM_PROTOCOL_ERROR',
  'too-many-tools': 'UPSTREAM_PROTOCOL_ERROR',
  'list-of-nothing': 'UPSTREAM_PROTOCOL_ERROR',
  'list-of-megabytes': 'RESPONSE_SIZE_EXCEEDED',
};

/** These can, in their own time. */
const ALIVE: Record<string, BadServer> = {
  'ten-thousand-tools': {
    ...lists(() => ({ tools: tools(10_000) })),
    family: 'modern',
    handle: ({ message, response }) => {
      answerJson(response, resultFor(message, { resultType: 'complete', content: [{ type: 'text', text: 'ok' }] }));
    },
  },
  'slow-to-start': {
    script: 'const own = on.discover; on.discover = (m) => setTimeout(() => own(m), 800);',
  },
};

const company = await BadCompany.meet({ after }, { ...DEAD, ...ALIVE });
const { gateway } = company;

for (const id of Object.keys(DEAD)) {
  test(`${id}: its call is refused, is not sent, and the other servers answer [LIFE-03] [LIFE-12] [MCP26-22]`, async () => {
    const called = company.call(id);
    await company.othersAnswer();
    const { code, message } = await called;
    // Nothing was sent, so its outcome is not unknown.
    assert.equal(code, SAID[id] ?? 'UPSTREAM_UNAVAILABLE', JSON.stringify(message));
    assert.equal(await company.calls(id), 0);
    await company.othersAnswer();
  });
}

for (const id of Object.keys(ALIVE)) {
  test(`${id}: its call is answered, once [LIFE-12]`, async () => {
    assert.equal((await company.call(id)).code, 'result');
    assert.equal(await company.calls(id), 1);
  });
}

test('a server that goes on failing is left alone for a while, and costs no process and no connection [LIFE-03] [LIFE-12]', async () => {
  for (let again = 0; again < 10; again += 1) await Promise.all(Object.keys(DEAD).map((id) => company.call(id)));
  await company.othersAnswer();
  // The two that can be called, each with its guard; whoever fails to start is gone.
  await gateway.until((now) => now.clients === 0 && now.upstreams === 0 && now.processes <= 4);
});
