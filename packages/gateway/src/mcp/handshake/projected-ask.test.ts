import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type JsonObject, member } from '@cmcp/evidence';
import { GatewayError } from '../../errors.ts';
import type { AskKind } from '../asks.ts';
import { projectAsk } from './projected-ask.ts';
import { agreeOn } from './revision.ts';

const project = (version: string, kind: AskKind, params: JsonObject): JsonObject =>
  projectAsk({ kind, params }, agreeOn(version), () => 'new-id');
const refused = (version: string, kind: AskKind, params: JsonObject): void => {
  assert.throws(
    () => project(version, kind, params),
    (error) => error instanceof GatewayError && error.code === 'ASK_UNANSWERED',
  );
};
const form = (properties: JsonObject): JsonObject => ({
  mode: 'form',
  message: 'm',
  requestedSchema: { type: 'object', properties, required: ['a'] },
});

test('2025-11-25 is asked as the server asks, and each elicitation by URL has a name there [MCP25-12]', () => {
  const rich = form({ a: { type: 'array', items: { enum: ['x'] } }, b: { type: 'string', default: 'y' } });
  assert.deepEqual(project('2025-11-25', 'elicit', rich), rich);
  const url = { mode: 'url', message: 'm', url: 'https://example.com' };
  assert.deepEqual(project('2025-11-25', 'elicit', url), { ...url, elicitationId: 'new-id' });
  const named = { ...url, elicitationId: 'own' };
  assert.deepEqual(project('2025-11-25', 'elicit', named), named);
  const sampled = { messages: [], tools: [], toolChoice: {}, maxTokens: 1 };
  assert.deepEqual(project('2025-11-25', 'sample', sampled), sampled);
  assert.deepEqual(project('2025-03-26', 'list_roots', {}), {});
});

test('2025-06-18 is shown plain fields; a choice with titles has its form of then', () => {
  const asked = form({
    name: { type: 'string', title: 'Name', default: 'x' },
    sure: { type: 'boolean', default: true },
    colour: {
      type: 'string',
      default: 'r',
      oneOf: [
        { const: 'r', title: 'Red' },
        { const: 'g', title: 'Green' },
      ],
    },
    old: { type: 'string', enum: ['a'], enumNames: ['A'] },
  });
  assert.deepEqual(project('2025-06-18', 'elicit', asked), {
    message: 'm',
    requestedSchema: {
      type: 'object',
      properties: {
        name: { type: 'string', title: 'Name' },
        sure: { type: 'boolean', default: true },
        colour: { type: 'string', enum: ['r', 'g'], enumNames: ['Red', 'Green'] },
        old: { type: 'string', enum: ['a'], enumNames: ['A'] },
      },
      required: ['a'],
    },
  });
});

test('what a revision has no words for is refused, not mutilated', () => {
  refused('2025-06-18', 'elicit', form({ a: { type: 'array', items: { enum: ['x'] } } }));
  refused('2025-06-18', 'elicit', { mode: 'url', message: 'm', url: 'https://example.com' });
  refused('2025-06-18', 'sample', { messages: [], tools: [] });
  refused('2025-03-26', 'sample', { messages: [], toolChoice: { mode: 'auto' } });
  for (const content of [{ type: 'tool_use' }, [{ type: 'tool_result' }], 'text', null]) {
    refused('2025-06-18', 'sample', { messages: [{ role: 'user', content }] });
  }
});

test('a message with several blocks becomes as many messages', () => {
  const [text, image] = [
    { type: 'text', text: 'a' },
    { type: 'image', data: 'AA==', mimeType: 'image/png' },
  ];
  const messages = [
    { role: 'user', content: [text, image], _meta: {} },
    { role: 'assistant', content: text },
  ];
  const asked = project('2025-06-18', 'sample', { messages, maxTokens: 3 });
  assert.deepEqual(member(asked, 'messages'), [
    { role: 'user', content: text },
    { role: 'user', content: image },
    { role: 'assistant', content: text },
  ]);
});
