import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { it } from 'node:test';
import { valueTable } from './support/detector-table.ts';

it('docs/inspection.md lists every rule that recognises a value, and what it finds', () => {
  const page = readFileSync(new URL('../docs/inspection.md', import.meta.url), 'utf8');
  const table = valueTable();
  assert.ok(page.includes(table), `the table under "What is recognised" has to be:\n${table}`);
});
