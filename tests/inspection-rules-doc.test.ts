/** docs/inspection.md, "Your own rules and settings" and "Quarantine": what is written there works. */
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { BUILT_IN_SETTINGS } from '../packages/gateway/src/inspection/rules/settings.ts';
import { FINDING_KINDS } from '../packages/gateway/src/inspection/types.ts';
import { cmcpInProcess } from './support/cli-in-process.ts';
import { TestBed } from './support/gateway.ts';

const doc = await readFile(new URL('../docs/inspection.md', import.meta.url), 'utf8');
const own = section('## Your own rules and settings');
const quarantine = section('## Quarantine');

function section(title: string): string {
  const [, after = ''] = doc.split(`${title}\n`);
  return after.split('\n## ')[0] ?? '';
}

function blocks(text: string, language: string): string[] {
  return [...text.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, 'gms'))].map(([, block = '']) => block);
}

test('the files of the page load, and its commands run on them', async () => {
  const [config = '', file = '', ...more] = blocks(own, 'yaml');
  assert.deepEqual(more, []);
  const bed = await TestBed.create({ tools: [{ name: 'read_ticket' }], config });
  try {
    await writeFile(join(bed.folder, 'inspection.yaml'), file);
    const answer = join(bed.folder, 'answer.json');
    await writeFile(answer, '{"content":[{"type":"text","text":"see NJ-1234"}]}');
    const [commands = ''] = blocks(own, 'sh');
    const lines = commands
      .trim()
      .split('\n')
      .map((line) => line.replace(/#.*/, '').trim().split(/\s+/).slice(1));
    assert.deepEqual(
      lines.map(([, action]) => action),
      ['test', 'rules', 'try', 'hash'],
    );
    for (const [group = '', action = '', ...args] of lines) {
      const given = args.map((arg) => (arg === 'answer.json' ? answer : arg));
      const { code, stdout, stderr } = await cmcpInProcess(
        [group, action, ...given, '--config', bed.configFile],
        bed.folder,
      );
      // A secret in what this tool answers is refused by the file of the page.
      assert.equal(code, action === 'try' ? 1 : 0, stderr);
      assert.match(stdout, action === 'try' ? /^project-code +secret +deny/m : /./);
    }
  } finally {
    await bed.close();
  }
});

test('the built-in settings of the page are those of the gateway', () => {
  for (const kind of FINDING_KINDS)
    assert.match(doc, new RegExp(`^\\| \`${kind}\` \\|.*\\| \`${BUILT_IN_SETTINGS.outcomes[kind]}\` \\|$`, 'm'));
  const { schema, stream, budgetMs } = BUILT_IN_SETTINGS;
  const says = (setting: string, value: string): void =>
    assert.match(own, new RegExp(`^\\| \`${setting}\` \\|.*\\| \`${value}\` \\|$`, 'm'));
  says('schema', schema);
  says('stream', stream);
  says('budget', `${budgetMs / 1000}s`);
});

test('the quarantine commands of the page are commands', async () => {
  const [commands = ''] = blocks(quarantine, 'sh');
  const actions = commands
    .trim()
    .split('\n')
    .map((line) => line.split(/\s+/)[2] ?? '');
  assert.deepEqual(actions, ['list', 'show', 'release', 'discard']);
  for (const action of actions) {
    const { code, stdout: said } = await cmcpInProcess(['quarantine', action, '--help'], '/nowhere');
    assert.equal(code, 0);
    assert.match(said, new RegExp(`quarantine ${action}`));
  }
});
