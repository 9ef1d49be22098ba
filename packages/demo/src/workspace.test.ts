import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { DemoRefused, makeWorkspace } from './workspace.ts';

async function inFolder(task: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'cmcp-workspace-'));
  try {
    await task(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

test('a second run replaces what the first one made, and nothing else', () =>
  inFolder(async (folder) => {
    const dir = join(folder, 'demo');
    const first = await makeWorkspace(dir);
    await writeFile(first.files.customers, 'changed');
    await mkdir(first.gateway);
    await writeFile(join(dir, 'my-notes.txt'), 'mine');
    const second = await makeWorkspace(dir);
    assert.match(await readFile(second.files.customers, 'utf8'), /Ada Example/);
    assert.ok(!(await readdir(dir)).includes('gateway'));
    assert.equal(await readFile(join(dir, 'my-notes.txt'), 'utf8'), 'mine');
  }));

test('an empty folder may be used', () =>
  inFolder(async (folder) => {
    assert.equal((await makeWorkspace(folder)).root, folder);
  }));

test('a folder with other files, a file, and a link to a folder are left alone', () =>
  inFolder(async (folder) => {
    const other = join(folder, 'other');
    await mkdir(join(other, 'files'), { recursive: true });
    await writeFile(join(folder, 'file'), '');
    await makeWorkspace(join(folder, 'demo'));
    await symlink(join(folder, 'demo'), join(folder, 'link'));
    for (const name of ['other', 'file', 'link']) await assert.rejects(makeWorkspace(join(folder, name)), DemoRefused);
    assert.deepEqual(await readdir(other), ['files']);
  }));

test('a folder too long for the path of a socket is refused before anything is made in it', () =>
  inFolder(async (folder) => {
    await assert.rejects(makeWorkspace(join(folder, 'x'.repeat(80))), DemoRefused);
    assert.deepEqual(await readdir(folder), []);
  }));
