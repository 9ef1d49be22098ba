import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parseJson } from '@cmcp/evidence';
import { canonicalDigest } from '../packages/gateway/src/catalog/digests.ts';
import { parseCatalog } from '../packages/gateway/src/catalog/load.ts';
import { RESERVED_NAMES } from '../packages/gateway/src/catalog/names.ts';
import { cmcpInProcess } from './support/cli-in-process.ts';
import { TestBed } from './support/gateway.ts';

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

/** The commands of a section, line by line. */
function commandsOf(section: string): string[] {
  const [, text = ''] = new RegExp(`^## ${section}\\n([\\s\\S]*?)(?=^## )`, 'm').exec(doc) ?? [];
  const blocks = [...text.matchAll(/```sh\n([\s\S]*?)```/g)].map(([, lines = '']) => lines.trim().split('\n'));
  return blocks.flat();
}

test('the commands of the page add a server, show a change, and bring it in force with two approvals', async (t) => {
  const bed = await TestBed.create({ tools: [{ name: 'echo' }] });
  t.after(() => bed.close());
  const run = async (whole: string, expected = 0): Promise<string> => {
    const [line = '', file] = whole.split(' > ');
    const fake = [process.execPath, '--conditions=cmcp-source', join(root, 'tests/support/stdio-fake.ts')];
    const words = line.split(' ').flatMap((word) => {
      if (word === 'https://crm.example/mcp') return [bed.server.url];
      if (word === 'notes-server') return fake;
      return word.endsWith('.json') ? [join(bed.folder, word)] : [word];
    });
    const [, group = '', action = '', ...rest] = words;
    const own = action === 'reviewer-key' ? [] : ['--config', bed.configFile];
    const ran = await cmcpInProcess([group, action, ...own, ...rest], bed.folder);
    assert.equal(ran.code, expected, `${line}\n${ran.stdout}${ran.stderr}`);
    if (file !== undefined) await writeFile(join(bed.folder, file), ran.stdout);
    return ran.stdout;
  };
  for (const line of commandsOf('Add a server')) await run(line);
  for (const line of commandsOf('Review a change')) await run(line);
  const [makeKey = '', look = '', ...signing] = commandsOf('Approve');
  const keyOf = async (name: string): Promise<string> =>
    /key: ([\w-]{43})/.exec(await run(makeKey.replace('ada', name)))?.[1] ?? '';
  const keys = [await keyOf('ada'), await keyOf('bob')];
  const yaml = block('yaml')
    .replace('KEY-OF-ADA', keys[0] ?? '')
    .replace('KEY-OF-BOB', keys[1] ?? '');
  const policy = yaml.replace('catalog:', 'policy:').replace('./catalog.json', './policy');
  await bed.writeConfig(`${yaml}${policy}`);
  await run(look, 1);
  for (const line of signing) await run(line);
  const { started } = await bed.start();
  assert.match(started.catalogHash, /^sha256:/);
});
