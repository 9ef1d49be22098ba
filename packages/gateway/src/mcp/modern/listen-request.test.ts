import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '@cmcp/evidence';
import { readServerMessage } from '../client.ts';
import { listening } from './listen-request.ts';

test('announcements are asked for by kind and by URI, and nothing that is not wanted [MCP26-30]', () => {
  assert.ok(listening.by === 'listening');
  assert.deepEqual(listening.params({ kinds: ['tools', 'prompts'], uris: ['a:b'] }), {
    notifications: { toolsListChanged: true, promptsListChanged: true, resourceSubscriptions: ['a:b'] },
  });
  assert.deepEqual(listening.params({ kinds: ['resources'], uris: [] }), {
    notifications: { resourcesListChanged: true },
  });
});

test('only the acknowledgement of this very stream is one, and it says what is agreed [MCP26-30]', () => {
  const { acknowledged } = listening.by === 'listening' ? listening : assert.fail();
  const read = (params: JsonObject, method = 'notifications/subscriptions/acknowledged') =>
    acknowledged(readServerMessage({ jsonrpc: '2.0', method, params }), 'l-1');
  const _meta = { 'io.modelcontextprotocol/subscriptionId': 'l-1' };
  const notifications = { toolsListChanged: true, promptsListChanged: false, resourceSubscriptions: ['a:b', 1] };
  assert.deepEqual(read({ _meta, notifications }), { kinds: ['tools'], uris: ['a:b'] });
  assert.deepEqual(read({ _meta, notifications: {} }), { kinds: [], uris: [] });
  assert.equal(read({ notifications }), null);
  assert.equal(read({ _meta: { 'io.modelcontextprotocol/subscriptionId': 'l-2' }, notifications }), null);
  assert.equal(read({ _meta, notifications: [] }), null);
  assert.equal(read({ _meta, notifications }, 'notifications/tools/list_changed'), null);
  assert.equal(acknowledged(readServerMessage({ jsonrpc: '2.0', id: 'l-1', result: {} }), 'l-1'), null);
});
