import assert from 'node:assert/strict';
import type { ServerResponse } from 'node:http';
import { type TestContext, test } from 'node:test';
import type { JsonObject } from '@cmcp/evidence';
import {
  ABLE,
  answerJson,
  connect,
  failsWith,
  fakeHttp,
  type Message,
  opening,
  type Received,
  resultFor,
  textOf,
  textResult,
} from '../../../../tests/support/upstreams.ts';
import type { Ask } from '../mcp/asks.ts';
import type { UpstreamRequest } from './types.ts';

const LIMITS = { timeout: 30_000 };
const question = (id: string, method = 'elicitation/create'): JsonObject => ({
  jsonrpc: '2.0',
  id,
  method,
  params: { message: 'who?', requestedSchema: { type: 'object', properties: {} } },
});

/** A server of a session that asks on the session's stream; `onCall` is told of each call, `onTold` of each answer. */
async function asksAside(
  t: TestContext,
  onCall: (call: Received, ask: (message: JsonObject) => void) => void,
  onTold: (answer: Message) => void,
) {
  const open = opening('handshake', { tools: {} });
  let stream = Promise.withResolvers<ServerResponse>();
  const ask = (message: JsonObject): void =>
    void stream.promise.then((response) => response.write(`data: ${JSON.stringify(message)}\n\n`));
  const server = await fakeHttp(t, (request) => {
    const { method, message, response } = request;
    if (method === 'GET') {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write(': open\n\n');
      stream.resolve(response);
      response.on('close', () => {
        stream = Promise.withResolvers<ServerResponse>();
      });
    } else if (message.method === 'tools/call') onCall(request, ask);
    else if (method === 'POST' && message.method === undefined) {
      response.writeHead(202).end();
      onTold(message);
    } else open(request);
  });
  return connect(t, server.transport, {}, { asks: ['elicit', 'sample', 'list_roots'] });
}

const codeOf = (message: Message | undefined): unknown => (message?.error as JsonObject | undefined)?.code;

function answering(): { asked: Ask[]; more: Partial<UpstreamRequest> } {
  const asked: Ask[] = [];
  const onAsk = async (ask: Ask): Promise<JsonObject> => {
    asked.push(ask);
    return { action: 'decline' };
  };
  return { asked, more: { abilities: ABLE, onAsk } };
}

test(
  'what a server asks on the stream of its session belongs to the one call in progress, and from then on there is only one [MCP25-11]',
  LIMITS,
  async (t) => {
    const open: Received[] = [];
    let most = 0;
    const upstream = await asksAside(
      t,
      (call, ask) => {
        open.push(call);
        most = Math.max(most, open.length);
        ask(question(`q${open.length}`));
      },
      (answer) => {
        const call = open.shift();
        if (call !== undefined) {
          answerJson(call.response, resultFor(call.message, textResult(JSON.stringify(answer.result))));
        }
      },
    );
    const first = answering();
    assert.equal(textOf(await upstream.call('t', {}, first.more)), '{"action":"decline"}');
    assert.equal(first.asked.length, 1);
    const both = [answering(), answering()];
    await Promise.all(both.map(({ more }, index) => upstream.call('t', {}, { ...more, callId: `c${index}` })));
    assert.deepEqual(
      both.map(({ asked }) => asked.length),
      [1, 1],
    );
    assert.equal(most, 1);
  },
);

test('while two calls are in progress nobody is asked on the stream of the session [MCP25-11]', LIMITS, async (t) => {
  const open: Received[] = [];
  const told: Message[] = [];
  const upstream = await asksAside(
    t,
    (call, ask) => {
      open.push(call);
      if (open.length === 2) ask(question('q'));
    },
    (answer) => {
      told.push(answer);
      for (const { response, message } of open) answerJson(response, resultFor(message, textResult('done')));
    },
  );
  const { asked, more } = answering();
  await Promise.all(['a', 'b'].map((callId) => upstream.call('t', {}, { ...more, callId })));
  assert.deepEqual(asked, []);
  assert.equal(codeOf(told[0]), -32600);
});

test('roots that are asked for on the stream of the session are those of nobody [MCP25-11]', LIMITS, async (t) => {
  const told: Message[] = [];
  let waiting: Received | null = null;
  const upstream = await asksAside(
    t,
    (call, ask) => {
      waiting = call;
      ask(question('r', 'roots/list'));
    },
    (answer) => {
      told.push(answer);
      if (waiting !== null) answerJson(waiting.response, resultFor(waiting.message, textResult('done')));
    },
  );
  const { asked, more } = answering();
  await upstream.call('t', {}, more);
  assert.deepEqual(asked, []);
  assert.equal(codeOf(told[0]), -32600);
});

test(
  'a server that may still be at a call that was given up asks nobody, until a session that knows nothing of it [MCP25-11]',
  LIMITS,
  async (t) => {
    const gone = new AbortController();
    const told: Message[] = [];
    let waiting: Received | null = null;
    const upstream = await asksAside(
      t,
      (call, ask) => {
        if (!gone.signal.aborted) return gone.abort();
        waiting = call;
        ask(question('q'));
      },
      (answer) => {
        if (answer.id !== 'q') return;
        told.push(answer);
        if (waiting !== null) answerJson(waiting.response, resultFor(waiting.message, textResult('done')));
      },
    );
    const { asked, more } = answering();
    const first = upstream.call('t', {}, { ...more, callId: 'given-up', signal: gone.signal });
    await assert.rejects(first, failsWith('CALL_CANCELLED'));
    await upstream.call('t', {}, { ...more, callId: 'second' });
    assert.deepEqual(asked, []);
    assert.equal(codeOf(told[0]), -32600);
    await upstream.list();
    await upstream.call('t', {}, { ...more, callId: 'third' });
    assert.equal(asked.length, 1);
    assert.deepEqual(told[1]?.result, { action: 'decline' });
  },
);
