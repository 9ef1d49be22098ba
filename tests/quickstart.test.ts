import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const BLOCK = /```sh\n([\s\S]*?)```/g;
/** Done by whoever runs the tests, and too slow to do again. */
const SET_UP = /^npm (ci|run build)$/gm;

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  assert.ok(address !== null && typeof address === 'object');
  await new Promise((resolve) => server.close(resolve));
  return address.port;
}

/** The page's commands as one script, with a folder and a port of this run's own. */
async function script(folder: string, port: number): Promise<string> {
  const page = await readFile(join(root, 'docs/quickstart.md'), 'utf8');
  const commands = [...page.matchAll(BLOCK)].map((match) => match[1] ?? '').join('\n');
  return commands
    .replace(SET_UP, '')
    .replaceAll('/tmp/cmcp-quickstart', folder)
    .replaceAll('8443', String(port))
    .replace('init --from mcp.json', `init --from mcp.json --listen 127.0.0.1:${port}`);
}

test('every command of the quickstart works, in the order of the page', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'cmcp-quickstart-'));
  try {
    const options = { cwd: root, env: { PATH: process.env.PATH, HOME: folder, NO_COLOR: '1' } };
    const shell = spawn('bash', ['-euo', 'pipefail', '-m', '-s'], options);
    const said: Buffer[] = [];
    shell.stdout.on('data', (chunk: Buffer) => said.push(chunk));
    shell.stderr.on('data', (chunk: Buffer) => said.push(chunk));
    shell.stdin.end(await script(folder, await freePort()));
    const [code] = (await once(shell, 'close')) as [number | null];
    const text = Buffer.concat(said).toString();
    assert.equal(code, 0, text);
    assert.match(text, /hello from a file/);
    assert.match(text, /TOOL_NOT_IN_CATALOG/);
    assert.match(text, /Drafts are private/);
    assert.match(text, /verified/i);
    assert.match(text, /refused/i);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
