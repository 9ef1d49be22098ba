import assert from 'node:assert/strict';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { cmcpInProcess } from './support/cli-in-process.ts';
import { OPERATOR_TOKEN, withBed } from './support/gateway.ts';
import { putBundle } from './support/signed-policy.ts';

const PAGE = await readFile(new URL('../docs/policy.md', import.meta.url), 'utf8');
const [, SECTION = ''] = /^## Sign, activate, revoke\n([\s\S]*?)^## /m.exec(PAGE) ?? [];
const BLOCKS = [...SECTION.matchAll(/```sh\n([\s\S]*?)```/g)].map((match) => (match[1] ?? '').trim().split('\n'));

test('the commands of "Sign, activate, revoke" do what the page says, in their order', () =>
  withBed({ tools: [{ name: 'echo' }] }, async (bed) => {
    const [signing = [], activating = [], succeeding = []] = BLOCKS;
    assert.deepEqual([signing.length, activating.length, succeeding.length, BLOCKS.length], [2, 4, 6, 3]);
    let keyId = '';
    /** The command as one would type it: files of the signer lie beside the folder `cmcp`, which is that of the bed. */
    const run = async (line: string): Promise<string> => {
      const words = [...line.matchAll(/"([^"]*)"|(\S+)/g)].map((match) => match[1] ?? match[2] ?? '');
      const args = words.slice(1).map((word) => {
        if (word === '$KEYID') return keyId;
        if (word.startsWith('cmcp/')) return join(bed.folder, word.slice('cmcp/'.length));
        return /\.(?:jwk|json)$/.test(word) ? join(bed.folder, word) : word;
      });
      const { code, stdout, stderr } = await cmcpInProcess(args, bed.folder, { CMCP_DEV_MODE: '1' });
      assert.equal(code, 0, `${line}: ${stderr}`);
      return stdout;
    };
    const token = join(bed.folder, 'secrets', 'operator.token');
    await mkdir(dirname(token));
    await writeFile(token, OPERATOR_TOKEN);
    const made = await run(signing[0] ?? '');
    keyId = /Key id: ([\w-]{43})/.exec(made)?.[1] ?? '';
    await bed.writeConfig(`policy: { path: ./policy, key: ${/key: "([\w-]{43})"/.exec(made)?.[1]} }`);
    await run(signing[1] ?? '');
    await bed.start();
    await putBundle(bed, { version: '1.10.0', by: null });
    await run(signing[1] ?? '');
    const said = [];
    for (const line of activating) said.push(await run(line));
    assert.match(said[2] ?? '', /^Version 1.10.0 is in force/);
    for (const line of succeeding) said.push(await run(line));
    assert.match(said.at(-1) ?? '', /^Version 1.10.0 is in force: .*, signed by/);
    assert.ok(!said.at(-1)?.includes(keyId), 'under the name of the successor');
  }));
