import assert from 'node:assert/strict';
import { glob, readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ERRORS } from '@cmcp/gateway';

const root = fileURLToPath(new URL('..', import.meta.url));
const codes = Object.keys(ERRORS);

async function textOf(pattern: string): Promise<string> {
  let text = '';
  for await (const file of glob(pattern, { cwd: root })) text += await readFile(`${root}/${file}`, 'utf8');
  return text;
}

test('every error code is documented', async () => {
  const documented = await readFile(`${root}/docs/errors.md`, 'utf8');
  for (const code of codes) assert.ok(documented.includes(`| \`${code}\` |`), `${code} is missing in docs/errors.md`);
});

test('every error code is expected by name in some test', async () => {
  const tests = (await textOf('packages/*/src/**/*.test.ts')) + (await textOf('tests/*.test.ts'));
  for (const code of codes) assert.ok(tests.includes(`'${code}'`), `no test expects ${code}`);
});

test('own codes lie outside the ranges that JSON-RPC and MCP 2026-07-28 reserve [MCP26-19]', () => {
  const standard = [0, -32700, -32600, -32601, -32602, -32603, -32020, -32021, -32022];
  for (const [code, { rpc }] of Object.entries(ERRORS)) {
    assert.ok(standard.includes(rpc) || rpc < -32768 || rpc > -32000, `${code} uses ${rpc}`);
  }
});
