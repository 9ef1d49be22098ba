import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { evidenceCommand } from '../packages/cli/src/commands/evidence.ts';
import { verifyCommand } from '../packages/cli/src/commands/verify.ts';

const doc = await readFile(new URL('../docs/verifying.md', import.meta.url), 'utf8');
const options = new Set([...Object.keys(verifyCommand.options), ...Object.keys(evidenceCommand.options)]);

test('docs/verifying.md names no flag that does not exist', () => {
  const named = [...doc.matchAll(/(?<![\w-])--([a-z][a-z-]*)/g)].map((match) => match[1] ?? '');
  assert.ok(named.length > 20);
  for (const flag of named) assert.ok(options.has(flag), `--${flag}`);
});

test('docs/verifying.md explains every flag of verify and of evidence verify', () => {
  for (const flag of options) assert.match(doc, new RegExp(`--${flag}\\b`), `--${flag}`);
});

test('its table of contents names its headings', () => {
  const headings = [...doc.matchAll(/^## (.*)$/gm)].map((match) => match[1] ?? '');
  const listed = [...doc.matchAll(/^- \[(.*?)\]\(#/gm)].map((match) => match[1] ?? '');
  assert.deepEqual(listed, headings);
});
