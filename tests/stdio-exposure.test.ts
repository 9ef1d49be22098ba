import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Client } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { refused } from './support/calls.ts';
import { CLI, cliEnvironment } from './support/cli.ts';
import { ALLOW_ALL, TestBed } from './support/gateway.ts';

const POLICIES = {
  ...ALLOW_ALL,
  'forbid.cedar':
    'forbid (principal, action == Action::"publish", resource) when { context.session.max_class_rank >= 1 };',
};

async function spawnedClient(bed: TestBed): Promise<Client> {
  const client = new Client({ name: 'desktop', version: '1' });
  const args = [CLI, 'start', '--stdio', '--config', bed.configFile];
  const env = cliEnvironment(bed.folder);
  await client.connect(new StdioClientTransport({ command: process.execPath, args, env, stderr: 'ignore' }));
  return client;
}

test('an agent keeps its exposure in a second gateway that is spawned beside the first, and in a later one', async () => {
  const bed = await TestBed.create({
    tools: [{ name: 'customers', catalog: { sensitivity: 'pii', effects: 'read' } }, { name: 'publish' }],
    policies: POLICIES,
  });
  try {
    const first = await spawnedClient(bed);
    assert.ok(await first.callTool({ name: 'publish', arguments: {} }));
    await first.callTool({ name: 'customers', arguments: {} });
    const beside = await spawnedClient(bed);
    assert.equal((await refused(beside.callTool({ name: 'publish', arguments: {} }))).data.error_code, 'POLICY_DENY');
    await first.close();
    await beside.close();
    const later = await spawnedClient(bed);
    assert.equal((await refused(later.callTool({ name: 'publish', arguments: {} }))).data.error_code, 'POLICY_DENY');
    await later.close();
  } finally {
    await bed.close();
  }
});
