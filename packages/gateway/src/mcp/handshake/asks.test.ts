/** What a server asks of the side of the agent while a call waits, over Streamable HTTP. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '@cmcp/evidence';
import { echo } from '../../../../../tests/support/fake-governed.ts';
import {
  ALICE,
  BOB,
  inSession,
  type OpenStream,
  open,
  type Sent,
  send,
  serve,
  stream,
} from '../../../../../tests/support/ingress.ts';
import { GatewayError } from '../../errors.ts';
import type { Ask } from '../asks.ts';

const CAN: JsonObject = { elicitation: { form: {}, url: {} }, sampling: { tools: {} }, roots: {} };
const call = (id: number | string) => ({ jsonrpc: '2.0', id, method: 'tools/call', params: { name: 'echo' } });
const FORM: Ask = { kind: 'elicit', params: { message: 'Name?', requestedSchema: { type: 'object', properties: {} } } };
const SAMPLE: Ask = { kind: 'sample', params: { maxTokens: 5, messages: [] } };
const ROOTS: Ask = { kind: 'list_roots', params: {} };

/** The next thing that a client is asked. */
async function asked(answer: OpenStream): Promise<{ id: number; method: string; params: JsonObject }> {
  return (await answer.next()) as never;
}

const reply = (id: unknown, result: JsonObject = { ok: true }) => ({ jsonrpc: '2.0', id, result }) as JsonObject;
const code = (error: unknown): string => (error instanceof GatewayError ? error.code : String(error));

test('each kind of ask reaches the client that can answer it, on the stream of the call that asks, and its answer comes back [MCP25-11]', async (t) => {
  const { port, gateway } = await serve(t);
  const session = await open(port, ALICE, '2025-11-25', CAN);
  const answers: JsonObject[] = [];
  gateway.onCall = async (each) => {
    for (const ask of [FORM, SAMPLE, ROOTS]) {
      answers.push((await each.client.ask?.(ask, each.signal)) ?? assert.fail('cannot be asked'));
    }
    return echo(each);
  };
  const answer = await stream(port, inSession(session, call(1)));
  for (const [method, ask] of [
    ['elicitation/create', FORM],
    ['sampling/createMessage', SAMPLE],
    ['roots/list', ROOTS],
  ] as const) {
    const request = await asked(answer);
    assert.deepEqual([request.method, request.params], [method, ask.params]);
    assert.equal((await send(port, inSession(session, reply(request.id, { method })))).status, 202);
  }
  assert.equal((await answer.next())?.id, 1);
  assert.deepEqual(
    answers.map(({ method }) => method),
    ['elicitation/create', 'sampling/createMessage', 'roots/list'],
  );
  assert.deepEqual(gateway.calls[0]?.client.ask === null, false);
});

test('an answer counts only with the exact id, in the session that was asked, from its caller [ATK-20] [MCP25-08] [MCP25-11]', async (t) => {
  const { port, gateway } = await serve(t);
  const [session, other] = [await open(port, ALICE, '2025-11-25', CAN), await open(port, ALICE, '2025-11-25', CAN)];
  gateway.onCall = async (each) => {
    const { value } = (await each.client.ask?.(FORM, each.signal)) ?? {};
    return echo({ ...each, arguments: { value: value ?? null } });
  };
  const answer = await stream(port, inSession(session, call(1)));
  const { id } = await asked(answer);
  for (const wrong of [String(id), id + 1, 0, '']) {
    assert.equal((await send(port, inSession(session, reply(wrong, { value: 'wrong' })))).status, 202);
  }
  assert.equal((await send(port, inSession(other, reply(id, { value: 'other session' })))).status, 202);
  const thief = await send(port, { ...inSession(session, reply(id, { value: 'other caller' })), credential: BOB });
  assert.equal(thief.status, 404);
  assert.equal((await send(port, inSession(session, reply(id, { value: 'right' })))).status, 202);
  assert.equal((await send(port, inSession(session, reply(id, { value: 'again' })))).status, 202);
  const { result } = (await answer.next()) as { result: { content: { text: string }[] } };
  assert.equal(result.content[0]?.text, '{"value":"right"}');
});

test('a client that answers with an error, or with no object, has not answered [MCP25-11]', async (t) => {
  const { port, gateway } = await serve(t);
  const session = await open(port, ALICE, '2025-11-25', CAN);
  const failures: string[] = [];
  gateway.onCall = async (each) => {
    await each.client.ask?.(FORM, each.signal).catch((error: unknown) => failures.push(code(error)));
    return echo(each);
  };
  for (const body of [{ error: { code: -1, message: 'no' } }, { result: null }, { result: 'text' }, { result: [] }]) {
    const answer = await stream(port, inSession(session, call(1)));
    const { id } = await asked(answer);
    await send(port, inSession(session, { jsonrpc: '2.0', id, ...body }));
    assert.equal((await answer.next())?.id, 1);
  }
  assert.deepEqual(failures, Array(4).fill('ASK_UNANSWERED'));
});

test('when the call that asked is over, the client is told to stop; a late answer means nothing [MCP25-11] [MCP25-13]', async (t) => {
  const { port, gateway } = await serve(t);
  const session = await open(port, ALICE, '2025-11-25', CAN);
  const failures: string[] = [];
  gateway.onCall = async (each) => {
    await each.client.ask?.(FORM, each.signal).catch((error: unknown) => failures.push(code(error)));
    return echo(each);
  };
  const answer = await stream(port, inSession(session, call('c')));
  const { id } = await asked(answer);
  const params = { requestId: 'c' };
  await send(port, inSession(session, { jsonrpc: '2.0', method: 'notifications/cancelled', params }));
  const told = await answer.next();
  assert.equal(told?.method, 'notifications/cancelled');
  assert.deepEqual(told?.params, { requestId: id, reason: 'no longer needed' });
  // A cancelled request has no answer.
  assert.equal(await answer.next(), null);
  assert.deepEqual(failures, ['CALL_CANCELLED']);
  assert.equal((await send(port, inSession(session, reply(id)))).status, 202);
});

test('an ask that is withdrawn at once is never sent, and one that is withdrawn later is taken back [MCP25-11]', async (t) => {
  const { port, gateway } = await serve(t);
  const session = await open(port, ALICE, '2025-11-25', CAN);
  const failures: string[] = [];
  const given = new AbortController();
  gateway.onCall = async (each) => {
    const { ask } = each.client;
    await ask?.(ROOTS, AbortSignal.abort()).catch((error: unknown) => failures.push(code(error)));
    await ask?.(FORM, given.signal).catch((error: unknown) => failures.push(code(error)));
    return echo(each);
  };
  const answer = await stream(port, inSession(session, call(1)));
  assert.equal((await asked(answer)).method, 'elicitation/create');
  given.abort();
  assert.equal((await answer.next())?.method, 'notifications/cancelled');
  assert.equal((await answer.next())?.id, 1);
  assert.deepEqual(failures, ['CALL_CANCELLED', 'CALL_CANCELLED']);
});

test('what one client has to answer at once is bounded, and the end of its session ends it [G5] [LIFE-02]', async (t) => {
  const { port, gateway } = await serve(t);
  const session = await open(port, ALICE, '2025-11-25', CAN);
  const failures: string[] = [];
  gateway.onCall = async (each) => {
    // Not even those wait whom the end of the call would not reach.
    const { signal } = new AbortController();
    const asks = Array.from({ length: 40 }, () => each.client.ask?.(ROOTS, signal) ?? assert.fail());
    for (const { status, reason } of (await Promise.allSettled(asks)) as PromiseRejectedResult[]) {
      assert.equal(status, 'rejected');
      failures.push(code(reason));
    }
    return echo(each);
  };
  const answer = await stream(port, inSession(session, call(1)));
  for (let i = 0; i < 32; i++) assert.equal((await asked(answer)).method, 'roots/list');
  assert.equal((await send(port, { ...inSession(session, ''), method: 'DELETE' })).status, 204);
  await answer.rest();
  assert.equal(failures.length, 40);
  assert.ok(failures.every((each) => each === 'ASK_UNANSWERED'));
  assert.deepEqual(gateway.ended, [{ sessionId: 'audited-1', reason: 'client' }]);
});

test('an ask survives a lost connection: the client that comes back sees it and answers [MCP25-10] [MCP25-11]', async (t) => {
  const { port, gateway } = await serve(t);
  const session = await open(port, ALICE, '2025-11-25', CAN);
  const gate = Promise.withResolvers<void>();
  gateway.onCall = async (each) => {
    each.client.notify({ kind: 'log', level: 'info', logger: 'x', data: 'first' });
    await gate.promise;
    await each.client.ask?.(FORM, each.signal);
    return echo(each);
  };
  const lost = await stream(port, inSession(session, call(1)));
  const primer = await lost.block();
  lost.close();
  gate.resolve();
  const get = (id: string): Sent => ({
    ...inSession(session, '', { headers: { 'Last-Event-ID': id } }),
    method: 'GET',
  });
  const resumed = await stream(port, { ...get(primer?.id ?? ''), body: undefined as never });
  assert.equal((await resumed.next())?.method, 'notifications/message');
  const { id, method } = await asked(resumed);
  assert.equal(method, 'elicitation/create');
  await send(port, inSession(session, reply(id)));
  assert.equal((await resumed.next())?.id, 1);
});

test('what a client can be asked is what it declared, as far as its revision has it [MCP25-11] [MCP25-12]', async (t) => {
  const { port, gateway } = await serve(t);
  const abilities: Record<string, boolean>[] = [];
  gateway.onCall = async (each) => {
    abilities.push({ ...each.client.abilities });
    return echo(each);
  };
  const table: [string, JsonObject, string[]][] = [
    ['2025-11-25', {}, []],
    ['2025-11-25', CAN, ['elicitForm', 'elicitUrl', 'sample', 'sampleTools', 'roots']],
    ['2025-11-25', { elicitation: {}, sampling: { context: {} } }, ['elicitForm', 'sample', 'sampleContext']],
    ['2025-11-25', { elicitation: { url: {} } }, ['elicitUrl']],
    ['2025-11-25', { extensions: { 'io.modelcontextprotocol/tasks': {} }, tasks: {} }, []],
    ['2025-06-18', CAN, ['elicitForm', 'sample', 'sampleContext', 'roots']],
    ['2025-06-18', { elicitation: { url: {} } }, ['elicitForm']],
    ['2025-03-26', CAN, ['sample', 'sampleContext', 'roots']],
  ];
  for (const [version, capabilities] of table) {
    const session = await open(port, ALICE, version, capabilities);
    await send(port, inSession(session, call(1), { headers: { 'MCP-Protocol-Version': version } }));
  }
  for (const [index, [version, , expected]] of table.entries()) {
    const can = Object.entries(abilities[index] ?? {}).filter(([, is]) => is);
    assert.deepEqual(
      can.map(([name]) => name),
      expected,
      `${version} ${index}`,
    );
  }
});
