/** docs/stopping.md: what is written there works. */
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { RULES } from '../packages/gateway/src/stop/block.ts';
import { MAX_BLOCKS } from '../packages/gateway/src/stop/blocks.ts';
import { cmcpInProcess } from './support/cli-in-process.ts';
import { OPERATOR_TOKEN, TestBed } from './support/gateway.ts';

const doc = await readFile(new URL('../docs/stopping.md', import.meta.url), 'utf8');
const blocks = (language: string): string[] =>
  [...doc.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, 'gms'))].map(([, block = '']) => block);

test('the settings of the page are settings, and its commands run on a gateway that has them', async () => {
  const bed = await TestBed.create({ tools: [{ name: 'echo' }], config: blocks('yaml').join('\n') });
  try {
    await bed.start();
    const tokenFile = join(bed.folder, 'operator.token');
    await writeFile(tokenFile, OPERATOR_TOKEN);
    const run = (args: string[]) =>
      cmcpInProcess([...args, '--config', bed.configFile, '--token-file', tokenFile], bed.folder, {
        CMCP_DEV_MODE: '1',
      });
    const [commands = ''] = blocks('sh');
    let id = '';
    for (const line of commands.trim().split('\n')) {
      const words = line.replace(/#.*/, '').match(/"[^"]*"|\S+/g) ?? [];
      const given: Record<string, string> = {
        $SUBJECT: 'agent',
        $NAME: 'echo',
        $ID: line.includes('lift') ? id : 'scripted',
      };
      const args = words
        .slice(1)
        .map((word) => word.replace(/^"(.*)"$/, '$1'))
        .map((word) => given[word] ?? word);
      const { code, stdout, stderr } = await run(args);
      assert.equal(code, 0, `${line}: ${stderr}`);
      id = /: ([0-9a-f-]{36})$/m.exec(stdout)?.[1] ?? id;
    }
    const { body } = await bed.operator('GET', '/operator/v1/blocks');
    assert.deepEqual(
      (body.blocks as { scope: string }[]).map(({ scope }) => scope),
      ['agent', 'session', 'tool', 'server'],
      'the last one, of everything, was lifted',
    );
  } finally {
    await bed.close();
  }
});

test('the page says what stops by itself, and how much is held', () => {
  const named = [...doc.matchAll(/^\| `(\w+)` \| .* \| the (?:agent|server)/gm)].map(([, rule]) => rule);
  assert.deepEqual([...named, 'capacity'].sort(), [...RULES].sort());
  assert.ok(doc.includes(`At most ${MAX_BLOCKS.toLocaleString('en')} blocks`));
});
