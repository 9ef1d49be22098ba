import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { test } from 'node:test';

const FOLDER = new URL('./', import.meta.url);
const PAGE = await readFile(new URL('../docs/invariants.md', FOLDER), 'utf8');
const ROWS = [...PAGE.matchAll(/^\| (INV-\d\d) \|.*\|$/gm)].map(([row, id = '']) => ({ row, id }));

const sorted = (ids: Iterable<string>): string[] => [...new Set(ids)].sort();

test('each invariant of docs/invariants.md is in the title of a test, each that a test names is on the page, and the tests it names are there', async () => {
  const ids = ROWS.map(({ id }) => id);
  assert.ok(ids.length > 0);
  assert.deepEqual(sorted(ids), ids, 'in order, and each once');
  const files = (await readdir(FOLDER)).filter((name) => name.endsWith('.test.ts'));
  const titled: string[] = [];
  const named: string[] = [];
  for (const file of files) {
    const text = await readFile(new URL(file, FOLDER), 'utf8');
    for (const [title] of text.matchAll(/^ *test\((['`]).*?\1,/gms))
      titled.push(...Array.from(title.matchAll(/INV-\d\d/g), String));
    named.push(...Array.from(text.matchAll(/INV-\d\d/g), String));
  }
  assert.deepEqual(sorted(titled), ids);
  assert.deepEqual(sorted(named), ids);
  for (const { row, id } of ROWS) {
    const also = [...row.matchAll(/`([a-z-]+\.test\.ts)`/g)].map(([, name = '']) => name);
    assert.ok(also.length > 0, `${id} names no test`);
    for (const name of also) assert.ok(files.includes(name), `${id} names ${name}`);
  }
});
