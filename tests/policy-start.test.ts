import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { JsonObject } from '@cmcp/evidence';
import { startingTests } from '../packages/gateway/src/authoring/policy/starting-tests.ts';
import { loadBundle } from '../packages/gateway/src/policy/bundle.ts';
import { createEngine } from '../packages/gateway/src/policy/engine.ts';
import { sensitivityRanks } from '../packages/gateway/src/policy/sensitivity.ts';
import { startingPolicy } from '../packages/gateway/src/policy/starting-policy.ts';
import { type Approved, catalogWith, promptRecord, resourceRecord } from './support/catalog.ts';
import { cmcpInProcess } from './support/cli-in-process.ts';
import { folderOf, toolRecord } from './support/policy.ts';
import { policyBench } from './support/policy-bench.ts';

const SERVERS = fileURLToPath(new URL('../node_modules/.bin/', import.meta.url));

test('what cmcp init writes is tested: its tests pass, and its invariant holds', async (t) => {
  const folder = await folderOf(t, { 'note.txt': 'a note' });
  const servers = {
    files: { command: join(SERVERS, 'mcp-server-filesystem'), args: [folder] },
    memory: { command: join(SERVERS, 'mcp-server-memory'), env: { MEMORY_FILE_PATH: join(folder, 'memory.jsonl') } },
  };
  await writeFile(join(folder, 'mcp.json'), JSON.stringify({ mcpServers: servers }));
  const init = ['init', '--from', join(folder, 'mcp.json'), '--out', join(folder, 'out')];
  assert.equal((await cmcpInProcess(init, folder)).code, 0);
  const config = ['--config', join(folder, 'out', 'cmcp.yaml')];
  const tested = await cmcpInProcess(['policy', 'test', '--json', ...config], folder);
  assert.equal(tested.code, 0, tested.stdout + tested.stderr);
  const names = (JSON.parse(tested.stdout).tests as { name: string }[]).map(({ name }) => name);
  assert.deepEqual(names, [
    'a catalogued tool is called',
    'a catalogued resource is read',
    'a server puts a form to the user',
    'no server sends the user to a web page',
    'no server asks the model',
  ]);
  const held = await cmcpInProcess(['policy', 'test', '--property', '--runs', '200', ...config], folder);
  assert.equal(held.code, 0, held.stdout + held.stderr);
});

/** The starting policy of a catalog, with its tests, run. */
async function started(t: TestContext, approved: Approved) {
  const catalog = catalogWith(approved);
  const policy = startingPolicy(catalog);
  const engine = createEngine(await loadBundle(await folderOf(t, policy)), catalog);
  t.after(() => engine.close());
  const tests = startingTests({ catalog, ranks: sensitivityRanks() }, engine);
  const bench = await policyBench(t, approved, { ...policy, ...tests });
  return { bench, ran: await bench.json('test'), text: tests['tests/start.yaml'] ?? '' };
}

test('the tests of a starting policy say what its rules are for, and its invariant is held against something', async (t) => {
  const { bench, ran } = await started(t, {
    tools: [
      toolRecord('look', {}, { path: { type: 'string' } }),
      toolRecord('send', { server: 'web', destination_class: 'external', effects: 'write' }),
    ],
    resources: [resourceRecord('note', 'file:///note')],
    prompts: [promptRecord('greet')],
  });
  assert.equal(ran.code, 0, ran.stdout + ran.stderr);
  assert.equal((ran.report.tests as unknown[]).length, 8);
  const { covered } = ran.report.coverage as { covered: number };
  assert.equal(covered, 5);
  const { code, stdout } = await bench.policy('test', '--property', '--runs', '400', '--seed', '1');
  assert.equal(code, 0, stdout);
  assert.match(stdout, /held {4}no agent that has seen sensitive data .* {2}\([1-9]\d* requests\)/);
  const rule = '20-no-external-writes-after-sensitive-data.cedar';
  const text = await readFile(join(bench.folder, 'policy', rule), 'utf8');
  await bench.bundle('policy', { [rule]: text.replaceAll('>= 1', '>= 3') });
  assert.deepEqual([(await bench.policy('test')).code, (await bench.policy('test', '--property')).code], [1, 1]);
});

test('a schema that arguments cannot be made for is no test, and a catalog with nothing in it has none', async (t) => {
  const odd: JsonObject = { a: { type: 'string', enum: [7] } };
  const tool = toolRecord('odd', { definition: { name: 'odd', inputSchema: { properties: odd, required: ['a'] } } });
  const strange = await started(t, { tools: [tool] });
  assert.equal(strange.ran.code, 0, strange.ran.stdout + strange.ran.stderr);
  assert.ok(!strange.text.includes('a catalogued tool is called'), strange.text);
  const nothing = await started(t, {});
  assert.ok(!nothing.text.includes('tests:\n'), nothing.text);
  assert.match((await nothing.bench.policy('test')).stdout, /There are no such tests/);
});
