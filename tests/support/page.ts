import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const BLOCK = /```sh\n([\s\S]*?)```/g;
/** Done by whoever runs the tests, and too slow to do again. */
const SET_UP = /^npm (ci|run build)$/gm;
/** The port that the pages name. */
const PORT = '8443';

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address !== 'object') throw new Error('a TCP server has a port');
  await new Promise((resolve) => server.close(resolve));
  return address.port;
}

/**
 * Runs every command of a page as one script, in a folder and with a port of this run's own. Everything that the commands
 * wrote is in `text`.
 *
 * @param folder that the page names
 */
export async function runPage(page: string, folder: string): Promise<{ code: number | null; text: string }> {
  const own = await mkdtemp(join(tmpdir(), 'cmcp-page-'));
  try {
    const port = await freePort();
    const blocks = [...(await readFile(join(root, page), 'utf8')).matchAll(BLOCK)];
    const script = blocks
      .map((match) => match[1] ?? '')
      .join('\n')
      .replace(SET_UP, '')
      .replaceAll(folder, own)
      .replaceAll(PORT, String(port))
      .replace('init --from mcp.json', `init --from mcp.json --listen 127.0.0.1:${port}`);
    const path = `${join(root, 'node_modules/.bin')}:${process.env.PATH ?? ''}`;
    const options = { cwd: root, env: { PATH: path, HOME: own, NO_COLOR: '1' } };
    const shell = spawn('bash', ['-euo', 'pipefail', '-m', '-s'], options);
    const said: Buffer[] = [];
    shell.stdout.on('data', (chunk: Buffer) => said.push(chunk));
    shell.stderr.on('data', (chunk: Buffer) => said.push(chunk));
    shell.stdin.end(script);
    const [code] = (await once(shell, 'close')) as [number | null];
    return { code, text: Buffer.concat(said).toString() };
  } finally {
    await rm(own, { recursive: true, force: true });
  }
}
