import assert from 'node:assert/strict';
import { mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import fc from 'fast-check';
import { GatewayError } from '../errors.ts';
import { type Shebang, shebangOf } from './shebang.ts';

const folder = await mkdtemp(join(tmpdir(), 'cmcp-shebang-'));
after(() => rm(folder, { recursive: true, force: true }));

async function of(text: string | Uint8Array): Promise<Shebang | null> {
  const path = join(folder, 'script');
  await writeFile(path, text);
  const file = await open(path);
  try {
    return await shebangOf(file);
  } finally {
    await file.close();
  }
}

test('the first line of a script is read as Linux reads it, and env is not followed', async () => {
  assert.equal(await of('\x7fELF'), null);
  assert.equal(await of(''), null);
  const sh = { path: '/bin/sh', name: '/bin/sh', args: [] };
  assert.deepEqual(await of('#!/bin/sh\necho'), sh);
  assert.deepEqual(await of('#! \t/bin/sh \t\n'), sh);
  assert.deepEqual(await of('#!/usr/bin/python3 -I -u\n'), {
    path: '/usr/bin/python3',
    name: '/usr/bin/python3',
    args: ['-I -u'],
  });
  assert.deepEqual(await of('#!/usr/bin/env node\n'), { path: null, name: 'node', args: [] });
  for (const line of [
    '#!node',
    '#!\n',
    '#!/bin/sh',
    '#!/usr/bin/env -S node x\n',
    '#!/usr/bin/env A=b node\n',
    '#!/usr/bin/env\n',
  ]) {
    await assert.rejects(of(line), { code: 'UPSTREAM_UNAVAILABLE' }, line);
  }
  await assert.rejects(of(`#!/${'x'.repeat(300)}\n`), { code: 'UPSTREAM_UNAVAILABLE' });
});

test('any bytes are a program, a script or refused', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), async (bytes) => {
      try {
        const found = await of(new Uint8Array([0x23, 0x21, ...bytes]));
        assert.ok(found !== null && (found.path === null || found.path.startsWith('/')));
      } catch (error) {
        assert.ok(error instanceof GatewayError, String(error));
      }
    }),
    { numRuns: 200 },
  );
});
