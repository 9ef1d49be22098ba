import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { systemTsmFs } from './fs.ts';

test("the machine's files are read to their end, written in place, and never larger than asked for", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'tsm-fs-'));
  t.after(() => rm(folder, { recursive: true }));
  const [entry, file] = [join(folder, 'entry'), join(folder, 'entry', 'inblob')];
  await systemTsmFs.mkdir(entry);
  await assert.rejects(systemTsmFs.mkdir(entry), { code: 'EEXIST' });
  await assert.rejects(systemTsmFs.writeFile(file, new Uint8Array(1)), { code: 'ENOENT' });
  await writeFile(file, new Uint8Array(100));
  await systemTsmFs.writeFile(file, Uint8Array.of(1, 2));
  assert.equal((await readFile(file)).length, 100, 'nothing is cut off');
  assert.deepEqual([...(await systemTsmFs.readFile(file, 100)).subarray(0, 3)], [1, 2, 0]);
  await assert.rejects(systemTsmFs.readFile(file, 99), { code: 'EFBIG' });
  assert.deepEqual(await systemTsmFs.readdir(entry), ['inblob']);
  await rm(file);
  await systemTsmFs.rmdir(entry);
  await assert.rejects(systemTsmFs.readdir(entry), { code: 'ENOENT' });
});

test('a file of the kernel, whose size says nothing, is read whole', async () => {
  const status = new TextDecoder().decode(await systemTsmFs.readFile('/proc/self/status', 65_536));
  assert.match(status, /^Name:/);
});
