import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { claimedIds } from './collect.ts';

interface Manifest {
  [id: string]: string[];
}

const manifest = JSON.parse(await readFile(new URL('manifest.json', import.meta.url), 'utf8')) as Manifest;
const claimed = await claimedIds();

test('every requirement in the manifest has a test whose title claims it', () => {
  for (const [id, files] of Object.entries(manifest)) {
    assert.ok(files.length > 0, `${id} has no test`);
    for (const file of files) assert.ok(claimed.get(id)?.includes(file), `no test in ${file} claims ${id}`);
  }
});

test('every requirement that a test claims is in the manifest', () => {
  for (const [id, files] of claimed) assert.deepEqual(manifest[id], files, `${id}: run \`npm run requirements\``);
});
