import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash, generateKeyPairSync } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { buildTwice } from '../scripts/release/build-twice.ts';
import { nodeBinaries } from '../scripts/release/node-binaries.ts';
import { readSigningKey } from '../scripts/release/sign.ts';
import { folderOf } from './support/policy.ts';

const modules = fileURLToPath(new URL('../node_modules', import.meta.url));

test('a build that is not the same twice is no release, and what differs is named', async (t) => {
  const root = await folderOf(t, {
    'tsconfig.base.json': '{}',
    'tsconfig.build.json': '{"files":["packages/console/types.d.ts"],"compilerOptions":{"types":[]}}',
    'packages/console/types.d.ts': 'export {};',
    'packages/console/package.json': '{"name":"@cmcp/console","version":"1.0.0","files":["dist"]}',
    'packages/console/build.ts': `
      import { mkdirSync, writeFileSync } from 'node:fs';
      mkdirSync('dist');
      writeFileSync('dist/same.txt', 'the same');
      writeFileSync('dist/different.txt', process.cwd());`,
  });
  const work = await folderOf(t, { 'work/none': '' });
  await assert.rejects(buildTwice(root, modules, work), (error: Error) => {
    assert.match(error.message, /^cmcp-console-1\.0\.0\.tgz differs between two builds of the same source:\n/);
    assert.match(error.message, /different\.txt$/);
    assert.doesNotMatch(error.message, /same\.txt/);
    return true;
  });
});

/** A repository that pins a Node.js binary, and an `npm` that fetches `fetched` for it. */
async function pinned(t: TestContext, fetched: string, integrityOf: string): Promise<{ root: string; work: string }> {
  const work = await folderOf(t, { 'a/package/bin/node': fetched, 'b/package/bin/node': integrityOf, 'bin/none': '' });
  for (const name of ['a', 'b']) {
    const archive = ['-cf', '-', '--sort=name', '--mtime=@0', '--owner=0', '--group=0', 'package'];
    await writeFile(join(work, `${name}.tgz`), gzipSync(execFileSync('tar', archive, { cwd: join(work, name) })));
  }
  const integrity = `sha512-${createHash('sha512')
    .update(await readFile(join(work, 'b.tgz')))
    .digest('base64')}`;
  const npm = `#!/bin/sh\ncp "${join(work, 'a.tgz')}" node.tgz\necho '[{"filename":"node.tgz"}]'\n`;
  await writeFile(join(work, 'bin/npm'), npm, { mode: 0o755 });
  const path = process.env.PATH ?? '';
  process.env.PATH = `${join(work, 'bin')}:${path}`;
  t.after(() => {
    process.env.PATH = path;
  });
  const root = await folderOf(t, {
    'package.json': '{"optionalDependencies":{"node-other-cpu":"24.0.0"}}',
    'package-lock.json': JSON.stringify({ packages: { 'node_modules/node-other-cpu': { integrity } } }),
  });
  return { root, work };
}

test('a Node.js binary from the registry counts only with the integrity that the lockfile names', async (t) => {
  const good = await pinned(t, 'binary', 'binary');
  const [binary, ...more] = await nodeBinaries(good.root, good.work, []);
  assert.deepEqual([binary?.platform, binary?.version, more], ['other-cpu', '24.0.0', []]);
  assert.equal(await readFile(binary?.path ?? '', 'utf8'), 'binary');
  await assert.rejects(nodeBinaries(good.root, good.work, ['no-such']), /no Node\.js is pinned for no-such/);
  const other = await pinned(t, 'another binary', 'binary');
  await assert.rejects(nodeBinaries(other.root, other.work, []), /is not what package-lock\.json names/);
});

test('a release is signed with an Ed25519 key or not at all', async (t) => {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const pem = String(privateKey.export({ format: 'pem', type: 'pkcs8' }));
  const folder = await folderOf(t, { 'key.pem': pem });
  await assert.rejects(readSigningKey(join(folder, 'key.pem')), /holds no Ed25519 key/);
});
