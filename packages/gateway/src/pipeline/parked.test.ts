import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { type JsonObject, member } from '@cmcp/evidence';
import { toolCall } from '../../../../tests/support/governed-request.ts';
import { ManualTime } from '../../../../tests/support/manual-time.ts';
import type { Ask } from '../mcp/asks.ts';
import type { GovernedRequest, Outcome } from '../mcp/types.ts';
import { SealedBox } from '../sealed-box.ts';
import { ParkedCalls } from './parked.ts';
import { RequestStates } from './request-states.ts';

const never = new AbortController().signal;
const question = (message: string): Ask => ({ kind: 'elicit', params: { message } });
const done: Outcome = { kind: 'result', type: 'complete', result: { done: true } };

function lot() {
  const states = new RequestStates(new SealedBox(randomBytes(32), randomBytes), new ManualTime(), randomUUID, 60_000);
  const parked = new ParkedCalls(states, randomUUID);
  const comeBack = (request: GovernedRequest, asked: Outcome, responses: JsonObject): Promise<Outcome> => {
    const state = String(member(resultOf(asked), 'requestState'));
    const continuation = states.open(request, state);
    assert.ok(continuation.kind === 'parked');
    return parked.find(continuation.id, request.caller).resume({ ...request, round: { responses, state } });
  };
  return { parked, comeBack };
}

function resultOf(outcome: Outcome): JsonObject {
  assert.ok(outcome.kind === 'result');
  return outcome.result;
}

test('a call that asks nothing is answered like any other', async () => {
  assert.deepEqual(await lot().parked.start(toolCall(), async () => done), done);
});

test('what a server asks is the interim answer, and what the client brings back goes to the server [MCP26-28]', async () => {
  const { parked, comeBack } = lot();
  const request = toolCall();
  let answer: JsonObject | null = null;
  const asked = await parked.start(request, async (call) => {
    call.meta = { call_id: 'c1' };
    answer = await call.ask(question('Who?'), never);
    return done;
  });
  assert.equal(asked.kind === 'result' && asked.type, 'input_required');
  assert.deepEqual(member(resultOf(asked), 'inputRequests'), {
    'ask-1': { method: 'elicitation/create', params: { message: 'Who?' } },
  });
  assert.deepEqual(member(resultOf(asked), '_meta'), { 'io.cmcp/call': { call_id: 'c1' } });
  assert.deepEqual(await comeBack(request, asked, { 'ask-1': { action: 'decline' } }), done);
  assert.deepEqual(answer, { action: 'decline' });
});

test('what a client does not answer it is asked again, with another state [MCP26-28]', async () => {
  const { parked, comeBack } = lot();
  const request = toolCall();
  const asked = await parked.start(request, async (call) => {
    await Promise.all([call.ask(question('One?'), never), call.ask(question('Two?'), never)]);
    return done;
  });
  const again = await comeBack(request, asked, { 'ask-1': { action: 'decline' }, other: {} });
  assert.deepEqual(Object.keys(member(resultOf(again), 'inputRequests') ?? {}), ['ask-2']);
  assert.notEqual(member(resultOf(again), 'requestState'), member(resultOf(asked), 'requestState'));
  assert.deepEqual(await comeBack(request, again, { 'ask-2': { action: 'cancel' } }), done);
});

test('a question that nobody answers in time ends, and so does the call that was parked for it', async () => {
  const { parked, comeBack } = lot();
  const request = toolCall();
  const over = new AbortController();
  const ended = Promise.withResolvers<void>();
  const asked = await parked.start(request, async (call) => {
    await assert.rejects(call.ask(question('Who?'), over.signal), { code: 'ASK_UNANSWERED' });
    setImmediate(ended.resolve);
    return done;
  });
  over.abort();
  await ended.promise;
  await assert.rejects(async () => comeBack(request, asked, {}), { code: 'INVALID_PARAMS' });
});

test('a client that closes its stream cancels the call; one that went to find an answer does not [MCP26-26]', async () => {
  const { parked } = lot();
  const first = new AbortController();
  const call = Promise.withResolvers<AbortSignal>();
  void parked.start(toolCall({ signal: first.signal }), async ({ signal }) => {
    call.resolve(signal);
    await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
    return done;
  });
  const signal = await call.promise;
  first.abort();
  assert.ok(signal.aborted);

  const second = new AbortController();
  let asking: AbortSignal | null = null;
  await parked.start(toolCall({ signal: second.signal }), async (parkedCall) => {
    asking = parkedCall.signal;
    await parkedCall.ask(question('Who?'), never);
    return done;
  });
  second.abort();
  assert.ok(asking !== null && !(asking as AbortSignal).aborted);
});

test('one agent cannot park calls without end, nor keep others from it', async () => {
  const { parked } = lot();
  const park = (subject: string): Promise<Outcome> =>
    parked.start(toolCall({ subject }), async (call) => {
      await call.ask(question('Who?'), never);
      return done;
    });
  for (let count = 0; count < 64; count += 1) await park('agent-a');
  await assert.rejects(park('agent-a'), { code: 'OVERLOADED' });
  assert.equal((await park('agent-b')).kind, 'result');
});
