import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readProfile } from './server-profile.ts';

test('only what a server declares is asked of it; tools are for the server to refuse', () => {
  const bare = readProfile({ capabilities: {} }, true);
  const methods = [
    'resources/read',
    'prompts/get',
    'completion/complete',
    'tasks/get',
    'tasks/update',
    'tasks/cancel',
  ] as const;
  for (const method of methods) assert.equal(bare.offers(method), false, method);
  assert.equal(bare.offers('tools/call'), true);
  for (const kind of ['tools', 'resources', 'resourceTemplates', 'prompts'] as const)
    assert.equal(bare.lists(kind), false);
  assert.deepEqual([bare.announces, bare.subscribes, bare.logs, bare.instructions], [[], false, false, null]);

  const capabilities = {
    tools: { listChanged: true },
    resources: { subscribe: true, listChanged: 'yes' },
    prompts: {},
    completions: {},
    logging: {},
    extensions: { 'io.modelcontextprotocol/tasks': {} },
  };
  const full = readProfile({ capabilities, instructions: 'be kind' }, true);
  for (const method of methods) assert.equal(full.offers(method), true, method);
  for (const kind of ['tools', 'resources', 'resourceTemplates', 'prompts'] as const)
    assert.equal(full.lists(kind), true);
  assert.deepEqual([full.announces, full.subscribes, full.logs, full.instructions], [['tools'], true, true, 'be kind']);
});

test('the tasks extension belongs to one family, and odd capabilities are none', () => {
  const capabilities = {
    extensions: { 'io.modelcontextprotocol/tasks': {} },
    resources: true,
    prompts: [],
    completions: 1,
  };
  const profile = readProfile({ capabilities, instructions: 7 }, false);
  assert.deepEqual(
    [
      profile.offers('tasks/get'),
      profile.lists('resources'),
      profile.lists('prompts'),
      profile.offers('completion/complete'),
    ],
    [false, false, false, false],
  );
  assert.equal(profile.instructions, null);
});
