import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import type { JsonValue } from '@cmcp/evidence';
import { type FlowLimits, FlowMemory } from './memory.ts';
import type { FlowSource } from './view.ts';

const PII = { class: 'pii', rank: 1 };
const CRM: FlowSource = { tool: 'get_customer', server: 'crm', domain: 'pii', sensitivity: PII };

function memoryOf(limits: Partial<FlowLimits> = {}): FlowMemory {
  return new FlowMemory({ random: (size) => randomBytes(size), monotonic: () => 0, soon: setImmediate, limits });
}

const seen = (memory: FlowMemory, value: JsonValue, source = CRM, sent: JsonValue = {}) =>
  memory.learn('agent', { source, value, sent });
const trace = (memory: FlowMemory, value: JsonValue, subject = 'agent') =>
  memory.trace(subject, { value, schema: null }, () => PII);

test('a value that was given is found again, and an unrelated one is not', async () => {
  const memory = memoryOf();
  await seen(memory, {
    name: 'Maria Okafor',
    card: '4111 1111 1111 1111',
    note: 'Prefers to be called in the evening, after six.',
  });
  for (const value of [
    'Maria Okafor',
    'MARIA OKAFOR',
    'To: maria  okafor, today',
    4111111111111111,
    '4111-1111-1111-1111',
    'She prefers to be called in the evening, after six.',
    Buffer.from('Maria Okafor').toString('base64'),
  ]) {
    assert.deepEqual((await trace(memory, { value })).tools, ['get_customer'], String(value));
  }
  assert.deepEqual(await trace(memory, { value: 'The weather in Lagos is fine.' }), {
    tools: [],
    servers: [],
    domains: [],
    classes: [],
    max: { class: 'public', rank: 0 },
    complete: true,
  });
});
