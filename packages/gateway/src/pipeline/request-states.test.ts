import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { toolCall } from '../../../../tests/support/governed-request.ts';
import { ManualTime } from '../../../../tests/support/manual-time.ts';
import { GatewayError } from '../errors.ts';
import type { Ask } from '../mcp/asks.ts';
import { SealedBox } from '../sealed-box.ts';
import { type Continuation, RequestStates } from './request-states.ts';

const LIFETIME_MS = 60_000;
const asks = new Map<string, Ask>([['name', { kind: 'elicit', params: { message: 'Who are you?' } }]]);
const passed: Continuation = { kind: 'passed', state: 'of the server', asks };

function states() {
  const time = new ManualTime();
  const box = new SealedBox(randomBytes(32), randomBytes);
  return { time, states: new RequestStates(box, time, randomUUID, LIFETIME_MS) };
}

const refused = { name: 'GatewayError', code: 'INVALID_PARAMS' };

test('a state brings back what the server wants and what it asked, and shows the client neither [MCP26-29]', () => {
  const { states: kept } = states();
  const text = kept.seal(toolCall(), passed);
  assert.deepEqual(kept.open(toolCall(), text), passed);
  assert.ok(!Buffer.from(text, 'base64url').includes('of the server'));
  assert.deepEqual(kept.open(toolCall(), kept.seal(toolCall(), { kind: 'parked', id: 'p1' })), {
    kind: 'parked',
    id: 'p1',
  });
});

test('a state of another subject, method, name or arguments is refused [MCP26-29]', () => {
  const { states: kept } = states();
  const text = kept.seal(toolCall(), passed);
  for (const request of [
    toolCall({ subject: 'agent-b' }),
    toolCall({ name: 'refund' }),
    toolCall({ arguments: { amount: 11 } }),
    { ...toolCall(), method: 'prompts/get', name: 'transfer', arguments: { amount: '10' } } as const,
  ]) {
    assert.throws(() => kept.open(request, text), refused);
  }
  assert.deepEqual(kept.open(toolCall(), text), passed);
});

test('a state is good for one retry, and until it lapses [MCP26-29]', () => {
  const { states: kept, time } = states();
  const once = kept.seal(toolCall(), passed);
  kept.open(toolCall(), once);
  assert.throws(() => kept.open(toolCall(), once), refused);
  const late = kept.seal(toolCall(), passed);
  time.advance(LIFETIME_MS);
  assert.throws(() => kept.open(toolCall(), late), refused);
  // What was used is forgotten only once it has lapsed as well.
  assert.throws(() => kept.open(toolCall(), once), refused);
});

test('what was altered, cut, or sealed by another process is refused [MCP26-29]', () => {
  const { states: kept } = states();
  const text = kept.seal(toolCall(), passed);
  assert.throws(() => states().states.open(toolCall(), text), refused);
  fc.assert(
    fc.property(fc.nat(text.length - 1), fc.constantFrom('A', 'B', '-', '=', '', '.'), (at, other) => {
      const altered = `${text.slice(0, at)}${other}${text.slice(at + 1)}`;
      fc.pre(altered !== text);
      assert.throws(() => kept.open(toolCall(), altered), refused);
    }),
  );
});

test('whatever a client sends as a state is refused with the declared error, or opens', () => {
  const { states: kept } = states();
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 400 }), (text) => {
      try {
        kept.open(toolCall(), text);
        return false;
      } catch (error) {
        return error instanceof GatewayError && error.code === 'INVALID_PARAMS';
      }
    }),
  );
});

test('a state that would not be taken back is not given out', () => {
  const { states: kept } = states();
  const huge: Continuation = { kind: 'passed', state: 'x'.repeat(300_000), asks };
  assert.throws(() => kept.seal(toolCall(), huge), { code: 'RESPONSE_SIZE_EXCEEDED' });
});
