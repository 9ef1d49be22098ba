import assert from 'node:assert/strict';
import { copyFile, cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { readConfigWithoutSecrets, readEnvironment } from '@cmcp/gateway';
import { startingPolicy } from '../packages/gateway/src/policy/starting-policy.ts';
import { callMeta } from './support/calls.ts';
import { cmcpInProcess } from './support/cli-in-process.ts';
import { catalogOf, catalogRecord, folderOf, toolRecord } from './support/policy.ts';
import { withRecordingBed } from './support/recording.ts';

const PAGE = await readFile(new URL('../docs/policy.md', import.meta.url), 'utf8');

const sectionOf = (title: string): string => PAGE.split(/^## /m).find((part) => part.startsWith(`${title}\n`)) ?? '';
const EXPLAIN = sectionOf('Explain a decision');
const RECORD = sectionOf('Record decisions and replay them');

function blocks(section: string, language: string): string[] {
  return [...section.matchAll(new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``, 'g'))].map(
    (match) => match[1] ?? '',
  );
}

const commands = (section: string): string[] => blocks(section, 'sh').flatMap((block) => block.trim().split('\n'));

/** The words of a command of the page, with what it names found in `folder`. */
function wordsOf(command: string, folder: string): string[] {
  const [program, ...words] = command.split(' ');
  assert.equal(program, 'cmcp');
  return words.map((word, index) => {
    const isPath =
      /\.(?:json|key|decisions|yaml)$/.test(word) || ['--bundle', '--from'].includes(words[index - 1] ?? '');
    return isPath ? join(folder, word) : word;
  });
}

const TOOLS = [
  toolRecord('send_mail', { effects: 'write', destination_class: 'external' }, { to: { type: 'string' } }),
  toolRecord('read_file', {}, { path: { type: 'string' } }),
];

test('the explanation on the page is what the command says of the bundle that init writes', async (t) => {
  const policy = Object.entries(startingPolicy(catalogOf(...TOOLS))).map(([name, text]) => [`policy/${name}`, text]);
  const folder = await folderOf(t, {
    ...Object.fromEntries(policy),
    'catalog.json': JSON.stringify(catalogRecord(TOOLS)),
    'cmcp.yaml': 'policy: ./policy\n',
    'scenario.yaml': blocks(EXPLAIN, 'yaml')[0] ?? '',
  });
  const [command = ''] = commands(EXPLAIN);
  const run = (words: string[]) => cmcpInProcess([...words, '--config', join(folder, 'cmcp.yaml')], folder);
  const ran = await run(wordsOf(command, folder));
  assert.equal(ran.stderr, '');
  assert.equal(ran.stdout, blocks(EXPLAIN, 'text')[0]);
  const scenario = await run(['policy', 'explain', '--scenario', join(folder, 'scenario.yaml')]);
  assert.match(scenario.stdout, /^elicit local by research-agent: deny: no permit applies\n/);
});

test('the commands of the page make a key, explain an entry and replay a recording', () =>
  withRecordingBed({ tools: [{ name: 'echo' }] }, async ({ bed, keyFile, files }) => {
    const { gateway, started, url } = await bed.start();
    const { session_id } = callMeta(await (await bed.client(url)).callTool({ name: 'echo', arguments: {} }));
    await gateway.stop();
    const [recording = ''] = await files();
    const folder = join(bed.folder, 'page');
    await mkdir(folder);
    await cp(join(bed.folder, 'policy'), join(folder, 'policy'), { recursive: true });
    await cp(join(bed.folder, 'policy'), join(folder, 'policy-next'), { recursive: true });
    await copyFile(recording, join(folder, 'run.decisions'));
    await copyFile(join(started.sessionsFolder, `${session_id}.cmcp.json`), join(folder, 'session.cmcp.json'));
    const run = (command: string) =>
      cmcpInProcess([...wordsOf(command, folder), '--config', bed.configFile], bed.folder);

    const [keygen = '', replay = ''] = commands(RECORD);
    const made = await run(keygen);
    assert.equal(made.code, 0, made.stderr);
    assert.match(made.stdout, /record:\n {2}decisions:\n {4}to: \.\/recordings\n {4}key: [\w-]{43}\n/);
    await copyFile(keyFile, join(folder, 'recording.key'));
    const replayed = await run(replay);
    assert.deepEqual([replayed.code, replayed.stderr], [0, '']);
    for (const command of commands(EXPLAIN).slice(1)) {
      const ran = await run(command);
      assert.deepEqual([ran.code, ran.stderr], [0, ''], command);
    }
  }));

test('the configuration of the page is read', async (t) => {
  const folder = await folderOf(t, {});
  const file = join(folder, 'cmcp.yaml');
  await writeFile(file, blocks(RECORD, 'yaml')[0] ?? '');
  const { recordDecisions } = await readConfigWithoutSecrets(file, readEnvironment({}));
  assert.equal(recordDecisions?.folder, join(folder, 'recordings'));
});
