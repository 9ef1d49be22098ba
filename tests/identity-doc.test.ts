import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { readConfig, readEnvironment } from '@cmcp/gateway';

const page = await readFile(new URL('../docs/identity.md', import.meta.url), 'utf8');
const blocks = (language: string): string[] =>
  [...page.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, 'gms'))].map(([, text = '']) => text);

test('the settings on docs/identity.md are ones that a gateway starts with', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'cmcp-doc-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const issuer = (setting: string): string => `    - { issuer: "https://login.example", ${setting} }\n`;
  const rows = [...page.matchAll(/^\| .* \| `([a-z_]+(?:: \S+)?)`(?:, `(.*?)`)?.* \|$/gm)].map(([, first = '', more]) =>
    [first.includes(':') ? first : `${first}: x`, ...(more?.includes(':') ? [more] : [])].join(', '),
  );
  const settings = rows.filter((row) => /^(?:audience|token_type|subject_claim|groups_claim|scopes|ca)/.test(row));
  assert.equal(settings.length, 6, rows.join('\n'));
  const oauth = settings.map((row) => `identity:\n  resource: https://a.example\n  oauth:\n${issuer(row)}`);
  const texts = [...blocks('yaml'), ...oauth];
  assert.equal(texts.length, 10);
  await writeFile(join(folder, 'agents.yaml'), '[]\n');
  for (const text of texts) {
    const file = join(folder, 'cmcp.yaml');
    await writeFile(file, text);
    await readConfig(file, readEnvironment({}));
  }
});

test('the command on docs/identity.md makes a token and its digest', async () => {
  const [command = ''] = blocks('sh');
  const { stdout } = await promisify(execFile)('sh', ['-c', command]);
  assert.match(stdout, /^[0-9a-f]{64} {2}-\n$/);
});
