import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { digest, parseJson } from '@cmcp/evidence';
import { canonicalDigest } from '../packages/gateway/src/catalog/digests.ts';
import { parseCatalog } from '../packages/gateway/src/catalog/load.ts';
import { RESERVED_NAMES } from '../packages/gateway/src/catalog/names.ts';
import { treeDigest } from '../packages/gateway/src/upstream/tree-digest.ts';
import { selfSigned } from './support/certificate.ts';
import { cmcpInProcess } from './support/cli-in-process.ts';
import { TestBed } from './support/gateway.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const doc = await readFile(new URL('../docs/catalog.md', import.meta.url), 'utf8');

/** The first block in a language, or the first that holds a text. */
function block(language: string, about = ''): string {
  const blocks = doc.matchAll(new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``, 'g'));
  const text = [...blocks].map(([, inside = '']) => inside).find((inside) => inside.includes(about));
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

const SHAPE = /```json\n(\{\n {2}"id": "notes",[\s\S]*?)```/;

test('the pinned server of the page loads', () => {
  const server = SHAPE.exec(doc)?.[1] ?? '';
  const [read] = parseCatalog(`{"catalog":1,"servers":[${server}],"tools":[]}`, 'docs/catalog.md').servers;
  assert.equal(read?.transport.kind === 'stdio' && read.transport.package?.path, '/srv/notes/node_modules');
});

test('the digest of a tree is what the page says that it is', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'cmcp-tree-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  await mkdir(join(folder, 'lib/empty'), { recursive: true });
  await writeFile(join(folder, 'lib/a.js'), 'a');
  await writeFile(join(folder, 'run'), 'b', { mode: 0o755 });
  await symlink('lib/a.js', join(folder, 'main'));
  const stated = {
    'lib/a.js': ['file', '-', digest('a')],
    main: ['link', 'lib/a.js'],
    run: ['file', 'x', digest('b')],
  };
  assert.equal(await treeDigest(folder), canonicalDigest(stated));
});

test('the command of the page computes the pin of a key', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'cmcp-pin-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const { cert, spki } = selfSigned('server');
  await writeFile(join(folder, 'server.pem'), cert);
  const [command] = /^openssl .*$/m.exec(doc) ?? [''];
  const printed = execFileSync('bash', ['-eo', 'pipefail', '-c', command], { cwd: folder, encoding: 'utf8' });
  assert.equal(`sha256:${printed.split(' ')[0]}`, spki);
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
  const yaml = block('yaml', 'KEY-OF-ADA')
    .replace('KEY-OF-ADA', keys[0] ?? '')
    .replace('KEY-OF-BOB', keys[1] ?? '');
  const policy = yaml.replace('catalog:', 'policy:').replace('./catalog.json', './policy');
  await bed.writeConfig(`${yaml}${policy}`);
  await run(look, 1);
  for (const line of signing) await run(line);
  const { started } = await bed.start();
  assert.match(started.catalogHash, /^sha256:/);
});
