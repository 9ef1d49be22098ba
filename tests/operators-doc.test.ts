import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { readConfig, readEnvironment } from '@cmcp/gateway';
import { ROLES } from '../packages/gateway/src/operator/route.ts';
import { cmcpInProcess } from './support/cli-in-process.ts';

const PAGE = await readFile(new URL('../docs/operators.md', import.meta.url), 'utf8');
const blocks = (language: string): string[] =>
  [...PAGE.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, 'gms'))].map(([, text = '']) => text);

test('the settings of docs/operators.md are ones that a gateway reads, and its roles are all there are', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'cmcp-doc-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const file = join(folder, 'cmcp.yaml');
  for (const text of blocks('yaml')) {
    await writeFile(file, text);
    await readConfig(file, readEnvironment({ CMCP_DEV_MODE: '1' }));
  }
  assert.equal(blocks('yaml').length, 3);
  const named = [...PAGE.matchAll(/^\| `(\w+)` \|/gm)].map(([, role]) => role);
  assert.deepEqual(named, [...ROLES]);
});

test('the commands of docs/operators.md are commands, with options that they take', async () => {
  const lines = [
    ...blocks('sh').flatMap((block) => block.split('\n')),
    ...[...PAGE.matchAll(/`(cmcp [^`]+)`/g)].map(([, line = '']) => line),
  ].filter((line) => line.startsWith('cmcp '));
  assert.ok(lines.length > 12);
  for (const line of lines) {
    const words = line.split(' ').slice(1);
    const [command = '', action = ''] = words;
    const { code, stdout } = await cmcpInProcess([command, action, '--help'].filter(Boolean), '/nowhere');
    assert.equal(code, 0, line);
    for (const option of words.filter((word) => word.startsWith('--')))
      assert.match(stdout, new RegExp(`^ +${option}\\b`, 'm'), `${line}: ${option}`);
  }
});
