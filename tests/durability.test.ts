import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Client } from '@modelcontextprotocol/client';
import { callMeta, refused } from './support/calls.ts';
import { TestBed, type TestTool } from './support/gateway.ts';
import { text } from './support/scripted-server.ts';
import { WatchedStore } from './support/watched-store.ts';

const TOOLS: TestTool[] = [{ name: 'write' }, { name: 'read', catalog: { effects: 'read' } }, { name: 'forbidden' }];
const POLICIES = {
  'allow.cedar': 'permit (principal, action in Action::"call_tool", resource);',
  'forbid.cedar': 'forbid (principal, action == Action::"forbidden", resource);',
};

interface Scene {
  bed: TestBed;
  store: WatchedStore;
  client: Client;
  /** Calls a tool; the reply joins the timeline. */
  call: (name: string) => Promise<unknown>;
}

async function scene(durability: string, run: (scene: Scene) => Promise<void>): Promise<void> {
  const bed = await TestBed.create({
    tools: TOOLS,
    policies: POLICIES,
    config: `audit: { durability: ${durability} }`,
  });
  const timeline: string[] = [];
  const store = new WatchedStore(timeline);
  bed.server.answer = (name) => {
    timeline.push('upstream');
    return text(name);
  };
  try {
    const { url } = await bed.start({ openLog: store.openLog });
    const client = await bed.client(url);
    const call = async (name: string): Promise<unknown> => {
      try {
        return await client.callTool({ name, arguments: {} });
      } finally {
        timeline.push('reply');
      }
    };
    await run({ bed, store, client, call });
  } finally {
    // A log that was made to fail cannot close its sessions: the gateway says so when it stops.
    await bed.close().catch((error: unknown) => assert.match(String(error), /AUDIT_UNAVAILABLE/));
  }
}

test('strict: the intent is on disk before the first byte upstream, the entry before the reply [G20]', () =>
  scene('strict', async ({ store, call }) => {
    await call('write');
    assert.deepEqual(store.timeline, ['intent durable', 'upstream', 'entry durable', 'reply']);
  }));

test('strict: a tool marked read-only needs no intent, and its entry is on disk before the reply [G20]', () =>
  scene('strict', async ({ store, call }) => {
    await call('read');
    assert.deepEqual(store.timeline, ['upstream', 'entry durable', 'reply']);
  }));

test('batched: nothing is awaited before the server, the intent before the reply, and the entry follows [G20]', () =>
  scene('batched', async ({ store, call }) => {
    const letGo = store.hold('entry');
    const meta = callMeta((await call('write')) as Parameters<typeof callMeta>[0]);
    assert.ok(
      store.timeline.indexOf('intent durable') < store.timeline.indexOf('reply'),
      'the intent is before the reply',
    );
    assert.equal(store.timeline.includes('entry durable'), false);
    assert.deepEqual(Object.keys(meta).sort(), ['call_id', 'session_id']);
    letGo();
  }));

for (const durability of ['strict', 'batched']) {
  test(`${durability}: a denial is on disk before its reply`, () =>
    scene(durability, async ({ store, call }) => {
      await refused(call('forbidden'));
      assert.deepEqual(store.timeline, ['entry durable', 'reply']);
    }));
}

test('an intent that cannot be stored keeps the call from the server, and nothing is served afterwards', () =>
  scene('strict', async ({ bed, store, call }) => {
    store.failNext('intent');
    assert.equal((await refused(call('write'))).data.error_code, 'AUDIT_UNAVAILABLE');
    assert.equal((await refused(call('read'))).data.error_code, 'AUDIT_UNAVAILABLE');
    assert.equal(bed.server.calls.length, 0);
  }));

test('an answer whose entry cannot be stored is not released', () =>
  scene('strict', async ({ store, call }) => {
    store.failNext('entry');
    assert.equal((await refused(call('read'))).data.error_code, 'AUDIT_UNAVAILABLE');
  }));
