import assert from 'node:assert/strict';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { folderOf } from '../../../../tests/support/policy.ts';
import { measureCode } from './measure.ts';

const FILES = { 'index.js': 'export {};\n', 'rooms/door.ts': 'export const open = false;\n', 'data.json': '{}' };

test('the measurement is of the bytes of every code file: one byte, one file or one name changes it [W-11]', async (t) => {
  const root = await folderOf(t, FILES);
  const before = await measureCode({ gateway: root });
  assert.match(before, /^sha256:[0-9a-f]{64}$/);
  const changed = async (change: () => Promise<unknown>, undo: () => Promise<unknown>): Promise<void> => {
    await change();
    assert.notEqual(await measureCode({ gateway: root }), before);
    await undo();
    assert.equal(await measureCode({ gateway: root }), before);
  };
  const door = join(root, 'rooms', 'door.ts');
  const write = (path: string, text: string) => () => writeFile(join(root, path), text);
  await changed(
    write('rooms/door.ts', 'export const open = false; \n'),
    write('rooms/door.ts', FILES['rooms/door.ts']),
  );
  await changed(write('extra.mjs', ''), () => rm(join(root, 'extra.mjs')));
  await changed(
    () => rename(door, join(root, 'door.ts')),
    () => rename(join(root, 'door.ts'), door),
  );
  for (const kind of ['js', 'ts', 'mjs', 'json', 'wasm']) {
    await changed(write(`more.${kind}`, ''), () => rm(join(root, `more.${kind}`)));
  }
});

test('what is no code does not enter the measurement, nor does the place where the code lies', async (t) => {
  const root = await folderOf(t, FILES);
  const elsewhere = await folderOf(t, FILES);
  const before = await measureCode({ gateway: root });
  await writeFile(join(root, 'rooms', 'door.test.ts'), 'test');
  await writeFile(join(root, 'rooms', 'door.d.ts'), 'types');
  await writeFile(join(root, 'notes.md'), 'notes');
  await mkdir(join(root, 'folder.js'));
  assert.equal(await measureCode({ gateway: root }), before);
  assert.equal(await measureCode({ gateway: elsewhere }), before);
  assert.notEqual(await measureCode({ evidence: root }), before, 'which part it is does enter');
  assert.notEqual(await measureCode({ gateway: root, evidence: elsewhere }), before);
});
