import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const PACKAGES = ['evidence', 'gateway', 'console', 'cli', 'demo'];
const root = fileURLToPath(new URL('..', import.meta.url));

interface Packed {
  filename: string;
  files: { path: string }[];
}

async function pack(name: string, into: string): Promise<Packed> {
  const { stdout } = await run('npm', ['pack', '--json', '--pack-destination', into], {
    cwd: join(root, 'packages', name),
  });
  const [packed] = JSON.parse(stdout) as Packed[];
  assert.ok(packed);
  return packed;
}

test('the packed packages install into an empty folder, and help, demo and verify work there [D-23] [OMCP-04]', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'cmcp-packed-'));
  try {
    const packed = await Promise.all(PACKAGES.map((name) => pack(name, folder)));
    for (const { filename, files } of packed) {
      const stray = files.filter(({ path }) => /\.test\.|tsbuildinfo|\/src\//.test(path));
      assert.deepEqual(stray, [], `${filename} holds only what is published`);
    }
    await writeFile(join(folder, 'package.json'), '{"name":"empty","private":true}');
    const tarballs = packed.map(({ filename }) => `./${filename}`);
    await run('npm', ['install', '--prefer-offline', '--no-audit', '--no-fund', ...tarballs], { cwd: folder });
    const cmcp = join(folder, 'node_modules', '.bin', 'cmcp');
    const help = await run(process.execPath, [cmcp, '--help'], { cwd: folder });
    assert.match(help.stdout, /verify/);
    const demo = await run(process.execPath, [cmcp, 'demo', '--json'], { cwd: folder, maxBuffer: 1 << 26 });
    assert.match(demo.stdout, /"verified"/);
    const help2 = await run(process.execPath, [cmcp, 'verify', '--help'], { cwd: folder });
    assert.match(help2.stdout, /--accept-software/);
    await run(process.execPath, [cmcp, 'verify', '--page', 'verify.html'], { cwd: folder });
    assert.match(await readFile(join(folder, 'verify.html'), 'utf8'), /<script>/);
    const { version } = JSON.parse(await readFile(join(root, 'packages/cli/package.json'), 'utf8')) as {
      version: string;
    };
    assert.match((await run(process.execPath, [cmcp, '--version'])).stdout, new RegExp(version.replaceAll('.', '\\.')));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
