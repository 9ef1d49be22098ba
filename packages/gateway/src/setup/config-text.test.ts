import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import { readEnvironment } from '../config/environment.ts';
import { readConfig } from '../config/load.ts';
import { configText, type NewConfig } from './config-text.ts';

let folder = '';
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cmcp-config-text-'));
});
after(() => rm(folder, { recursive: true, force: true }));

const fixed: Omit<NewConfig, 'upstreams'> = {
  listen: '127.0.0.1:0',
  agent: { subject: 'agent', tokenSha256: 'a'.repeat(64) },
  operator: { subject: 'operator', tokenSha256: 'b'.repeat(64) },
  policyHash: `sha256:${'c'.repeat(64)}`,
  catalogHash: `sha256:${'d'.repeat(64)}`,
};

test('what init writes reads back as what was meant, whatever the secrets look like', async () => {
  const file = join(folder, 'cmcp.yaml');
  const secret = fc.string({ unit: 'binary', maxLength: 30 }).filter((text) => !text.includes('\0'));
  const env = fc.dictionary(fc.stringMatching(/^[A-Za-z_][A-Za-z0-9_]{0,10}$/), secret, { maxKeys: 3 });
  await fc.assert(
    fc.asyncProperty(env, async (values) => {
      const escaped = Object.fromEntries(
        Object.entries(values).map(([name, text]) => [name, text.replaceAll('$', '$$$$')]),
      );
      const upstreams = [
        { id: 'plain', env: {}, headers: {} },
        { id: 'yes', env: escaped, headers: { 'X-Key': 'k: "v" # no comment' } },
      ];
      await writeFile(file, configText({ ...fixed, upstreams }));
      const config = await readConfig(file, readEnvironment({}));
      assert.deepEqual(Object.entries(config.upstreams.yes?.env ?? {}), Object.entries(values));
      assert.equal(config.upstreams.yes?.headers['X-Key'], 'k: "v" # no comment');
      assert.equal(config.upstreams.plain, undefined);
      assert.equal(config.stdioSubject, 'agent');
    }),
    { numRuns: 60 },
  );
});
