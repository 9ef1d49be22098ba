import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { installedCode, measureCode, PLAIN_LAUNCH } from '@cmcp/gateway';
import { folderOf } from '../../../../../tests/support/policy.ts';
import type { Io } from '../../io.ts';
import { measuredFrom } from './from.ts';

const MANIFEST = JSON.stringify({ name: '@cmcp/cli', version: '1.0.0' });

/** A folder with two tarballs, a Node.js binary, and an `npm` that does as `script` says. */
async function withNpm(t: TestContext, script: string | null): Promise<{ folder: string; io: Io; tarballs: string[] }> {
  const folder = await folderOf(t, { 'odd name@1.tgz': 'one', 'two.tgz': 'two', node: 'the binary', 'tools/none': '' });
  if (script !== null) await writeFile(join(folder, 'tools/npm'), script, { mode: 0o755 });
  const io: Io = {
    out: () => {},
    err: () => {},
    variables: {
      PATH: script === null ? join(folder, 'tools') : `${join(folder, 'tools')}:/usr/bin:/bin`,
      OUT: folder,
    },
    color: false,
  };
  return { folder, io, tarballs: [join(folder, 'odd name@1.tgz'), join(folder, 'two.tgz')] };
}

const INSTALL = `#!/bin/sh
echo "$@" > "$OUT/arguments"
pwd > "$OUT/place"
cat ./0-odd_name_1.tgz ./1-two.tgz > "$OUT/contents"
mkdir -p node_modules/@cmcp/cli
printf '%s' '${MANIFEST}' > node_modules/@cmcp/cli/package.json
`;

test('packed packages are installed by npm in a folder of its own, which runs no script of theirs and is removed', async (t) => {
  const { folder, io, tarballs } = await withNpm(t, INSTALL);
  const node = join(folder, 'node');
  const measured = await measuredFrom(tarballs, node, io);
  assert.match(
    await readFile(join(folder, 'arguments'), 'utf8'),
    /^install --ignore-scripts .* \.\/0-odd_name_1\.tgz \.\/1-two\.tgz$/m,
  );
  assert.equal(await readFile(join(folder, 'contents'), 'utf8'), 'onetwo');
  const place = (await readFile(join(folder, 'place'), 'utf8')).trim();
  await assert.rejects(readFile(join(place, 'package.json')), { code: 'ENOENT' });
  const same = await folderOf(t, { 'node_modules/@cmcp/cli/package.json': MANIFEST });
  assert.deepEqual(measured, measureCode(installedCode(same, node, PLAIN_LAUNCH)));
  assert.notEqual(dirname(place), folder);
});

test('without npm, or when npm refuses, it is said what lacks', async (t) => {
  const absent = await withNpm(t, null);
  await assert.rejects(measuredFrom(absent.tarballs, null, absent.io), /npm is not installed/);
  const failing = await withNpm(t, '#!/bin/sh\necho "no such package" >&2\nexit 1\n');
  await assert.rejects(
    measuredFrom(failing.tarballs, null, failing.io),
    /npm could not install the packages:\n +no such package/,
  );
});
