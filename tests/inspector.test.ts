import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { type EverythingServer, startEverythingServer } from './conformance/everything/http.ts';
import { ALLOW_EVERYTHING, TakenOver } from './support/taken-over.ts';

const INSPECTOR = fileURLToPath(
  new URL('../node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js', import.meta.url),
);

let server: EverythingServer;
let over: TakenOver;
let gateway: URL;

before(async () => {
  server = await startEverythingServer();
  over = await TakenOver.create({ everything: { url: server.url } }, { policies: ALLOW_EVERYTHING });
  gateway = await over.start();
});
after(async () => {
  await over?.close();
  await server?.close();
});

/** How the Inspector is told to reach the gateway. */
type Way = () => string[] | Promise<string[]>;

const WAYS: Record<string, Way> = {
  'over HTTP, with the bearer header': () => [
    gateway.href,
    ...['--transport', 'http', '--header', `Authorization: ${over.headers.authorization}`],
  ],
  'over HTTP, in 2026-07-28': () => [
    gateway.href,
    ...['--transport', 'http', '--header', `Authorization: ${over.headers.authorization}`, '--protocol-era', 'modern'],
  ],
  'over `cmcp start --stdio`, from the configuration that `cmcp init` prints': async () => {
    const file = join(over.folder, 'inspector.json');
    const { stderr: _, ...cmcp } = over.spawned;
    await writeFile(file, JSON.stringify({ mcpServers: { cmcp } }));
    return ['--config', file, '--server', 'cmcp'];
  },
};

interface Printed {
  [member: string]: unknown;
  _meta?: Record<string, unknown>;
}

/** What the Inspector prints of the answer to one request. */
async function inspected(way: string[], method: string, ...details: string[]): Promise<Printed> {
  const args = [INSPECTOR, '--cli', ...way, '--connect-timeout', '0', '--method', method, ...details];
  const env = { ...over.spawned.env, HOME: over.folder };
  const { stdout } = await promisify(execFile)(process.execPath, args, { env });
  // `resultType` is of one of the two families only.
  const { _meta, resultType: _, ...printed } = JSON.parse(stdout) as Printed;
  return Object.hasOwn(_meta ?? {}, 'io.cmcp/call') ? { ...printed, governed: true } : printed;
}

/** What is listed is what the catalog approves, under the names that it has there. */
const named = (kind: 'tools' | 'resources' | 'prompts'): unknown[] =>
  over.catalog[kind].flatMap((record) => ('uri_template' in record ? [] : [record.name])).sort();
const namesOf = (list: unknown): unknown[] => (list as { name: string }[]).map(({ name }) => name).sort();

for (const [name, way] of Object.entries(WAYS)) {
  test(`the Inspector ${name}: lists and calls tools, lists and reads resources, lists and uses prompts [ERA-02]`, async () => {
    const to = await way();
    const tools = await inspected(to, 'tools/list');
    const called = await inspected(to, 'tools/call', '--tool-name', 'greet', '--tool-arg', 'name=Zoë');
    const resources = await inspected(to, 'resources/list');
    const read = await inspected(to, 'resources/read', '--uri', 'test://static-text');
    const prompts = await inspected(to, 'prompts/list');
    const prompt = ['--prompt-name', 'test_prompt_with_arguments', '--prompt-args', 'arg1=a', 'arg2=b'];
    const got = await inspected(to, 'prompts/get', ...prompt);
    assert.deepEqual(namesOf(tools.tools), named('tools'));
    assert.deepEqual(called, { governed: true, content: [{ type: 'text', text: 'Hello, Zoë!' }] });
    assert.deepEqual(namesOf(resources.resources), named('resources'));
    const text = 'This is the content of the static text resource.';
    assert.deepEqual(read.contents, [{ uri: 'test://static-text', mimeType: 'text/plain', text }]);
    assert.deepEqual(namesOf(prompts.prompts), named('prompts'));
    const content = { type: 'text', text: "Prompt with arguments: arg1='a', arg2='b'" };
    assert.deepEqual(got, { governed: true, messages: [{ role: 'user', content }] });
  });
}
