import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import test, { type TestContext } from 'node:test';
import { GatewayError } from '../../errors.ts';
import { tempDir } from '../fixtures.test.ts';
import { siblingExposures } from './sibling-exposures.ts';
import { siblingStandings } from './sibling-standings.ts';
import { openSqliteStore } from './sqlite.ts';

/** A data folder with the store of one gateway, not yet written, and the folder of another that asks. */
function siblings(t: TestContext) {
  const root = tempDir(t);
  const folder = join(root, 'stdio', '0');
  mkdirSync(folder, { recursive: true });
  const own = join(root, 'stdio', '1');
  return {
    folder,
    file: join(folder, 'audit.db'),
    ask: async () => [await siblingExposures(root, own), await siblingStandings(root, own, 'policy')],
  };
}

const invalid = (error: unknown): boolean => error instanceof GatewayError && error.code === 'STORE_INVALID';

test('a store that another gateway is only making holds nothing yet', async (t) => {
  const { folder, file, ask } = siblings(t);
  assert.deepEqual(await ask(), [[], []], 'before its file');
  writeFileSync(file, '');
  assert.deepEqual(await ask(), [[], []], 'before its first page');
  const db = new DatabaseSync(file);
  db.exec('PRAGMA journal_mode = WAL; BEGIN IMMEDIATE; CREATE TABLE exposures (subject TEXT)');
  assert.deepEqual(await ask(), [[], []], 'before its tables are committed');
  db.exec('ROLLBACK');
  db.close();
  const store = openSqliteStore(folder);
  t.after(() => store.close());
  assert.deepEqual(await ask(), [[], []]);
});

test('a store that cannot be read is not taken for an empty one', async (t) => {
  const { file, ask } = siblings(t);
  writeFileSync(file, 'no database at all, and longer than a header has to be '.repeat(40));
  await assert.rejects(ask, invalid);
  writeFileSync(file, '');
  const db = new DatabaseSync(file);
  db.exec('CREATE TABLE other (a TEXT)');
  db.close();
  await assert.rejects(ask, invalid);
});
