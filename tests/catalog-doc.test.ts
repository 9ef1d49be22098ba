import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parseJson } from '@cmcp/evidence';
import { canonicalDigest } from '../packages/gateway/src/catalog/digests.ts';
import { parseCatalog } from '../packages/gateway/src/catalog/load.ts';
import { RESERVED_NAMES } from '../packages/gateway/src/catalog/names.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const doc = await readFile(new URL('../docs/catalog.md', import.meta.url), 'utf8');

function block(language: string): string {
  const [, text] = new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``).exec(doc) ?? [];
  assert.ok(text);
  return text;
}

test('the catalog of the page loads, and approves what the page says that it does', () => {
  const catalog = parseCatalog(block('json'), 'docs/catalog.md');
  assert.equal(catalog.resolveResource('note:///by-id/7')?.name, 'any-note');
  assert.equal(catalog.resolveResource('note:///by-id/7/private'), null);
  assert.equal(catalog.resolveResource('note:///style-guide.md')?.name, 'style-guide');
  assert.deepEqual(catalog.servers[0]?.asks, ['elicit']);
});

test('the command of the page computes the digest that contents are held to', () => {
  const [, contents] = /echo '(.*)'/.exec(block('sh')) ?? [];
  assert.ok(contents);
  const path = `${dirname(process.execPath)}:${process.env.PATH ?? ''}`;
  const env = { PATH: path, NODE_OPTIONS: '--conditions=cmcp-source' };
  const printed = execFileSync('bash', ['-eo', 'pipefail', '-c', block('sh')], { cwd: root, env, encoding: 'utf8' });
  assert.equal(printed.trim(), canonicalDigest(parseJson(contents)));
});

test('the page names every action that no tool may be called like', () => {
  for (const name of RESERVED_NAMES) assert.ok(doc.includes(`\`${name}\``), name);
});

test('its table of contents names its headings', () => {
  const headings = [...doc.matchAll(/^## (.*)$/gm)].map((match) => match[1]);
  const listed = [...doc.matchAll(/^- \[(.*?)\]\(#/gm)].map((match) => match[1]);
  assert.deepEqual(listed, headings);
});
