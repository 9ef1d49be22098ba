import assert from 'node:assert/strict';
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { encodeUtf8 } from '@cmcp/evidence';
import fc from 'fast-check';
import { GatewayError } from '../errors.ts';
import { type ClientConfig, readClientConfig } from './client-config.ts';

let folder = '';
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cmcp-client-config-'));
  await mkdir(join(folder, 'bin'));
  await mkdir(join(folder, 'bin', 'folder'));
  for (const name of ['server', 'not-executable']) await writeFile(join(folder, 'bin', name), '#!/bin/sh\n');
  await chmod(join(folder, 'bin', 'server'), 0o755);
});
after(() => rm(folder, { recursive: true, force: true }));

const read = (config: unknown): Promise<ClientConfig> =>
  readClientConfig(encodeUtf8(JSON.stringify(config)), 'mcp.json', `relative:${join(folder, 'bin')}`, folder);

/** The reason for which the one server of a configuration is left out. */
async function reason(entry: unknown): Promise<string> {
  const { servers, leftOut } = await read({ mcpServers: { it: entry } });
  assert.deepEqual(servers, []);
  return leftOut[0]?.reason ?? assert.fail('nothing was left out');
}

test('servers are read from mcpServers and from servers, with commands made absolute [ASI-05]', async () => {
  for (const key of ['mcpServers', 'servers']) {
    const { servers, leftOut } = await read({
      [key]: {
        'On PATH': { command: 'server', args: ['--x'] },
        relative: { type: 'stdio', command: './bin/server' },
        web: { url: 'https://tools.example/mcp', headers: { Authorization: 'Bearer x$y' } },
        typed: { type: 'streamable-http', url: 'http://127.0.0.1:9/mcp' },
      },
      inputs: [],
    });
    assert.deepEqual(leftOut, []);
    const command = join(folder, 'bin', 'server');
    assert.deepEqual(servers, [
      { id: 'on-path', name: 'On PATH', transport: { kind: 'stdio', command, args: ['--x'] }, env: {}, headers: {} },
      { id: 'relative', name: 'relative', transport: { kind: 'stdio', command, args: [] }, env: {}, headers: {} },
      {
        id: 'web',
        name: 'web',
        transport: { kind: 'http', url: 'https://tools.example/mcp' },
        env: {},
        headers: { Authorization: 'Bearer x$$y' },
      },
      { id: 'typed', name: 'typed', transport: { kind: 'http', url: 'http://127.0.0.1:9/mcp' }, env: {}, headers: {} },
    ]);
  }
});

test('names that would become one server id are told apart', async () => {
  const server = { command: 'server' };
  const { servers } = await read({ mcpServers: { 'a b': server, 'A/B': server, '…': server, __proto__x: server } });
  assert.deepEqual(
    servers.map(({ id }) => id),
    ['a-b', 'a-b-2', 'server', 'proto-x'],
  );
});

test('references to environment variables are kept, and others leave the server out', async () => {
  // biome-ignore-start lint/suspicious/noTemplateCurlyInString: the references under test
  const env = { A: '${env:HOME}', B: 'x${TOKEN}y', C: 'a$b' };
  const { servers } = await read({ mcpServers: { it: { command: 'server', env } } });
  assert.deepEqual(servers[0]?.env, { A: '${HOME}', B: 'x${TOKEN}y', C: 'a$$b' });
  for (const value of ['${input:key}', '${workspaceFolder:x}/x', '${TOKEN:-x}', '${}']) {
    const text = await reason({ command: 'server', env: { A: value } });
    assert.match(text, /env\.A uses \$\{.*only the client can fill in/);
  }
  assert.match(await reason({ command: 'server', args: ['${HOME}'] }), /command line uses a variable/);
  // biome-ignore-end lint/suspicious/noTemplateCurlyInString: the references under test
});

const leftOut: [unknown, RegExp][] = [
  ['server', /not an object/],
  [{}, /no command/],
  [{ command: 'server', disabled: true }, /disabled/],
  [{ command: 7 }, /its command is not text/],
  [{ command: 'absent' }, /"absent" is not found on PATH/],
  [{ command: 'not-executable' }, /not executable/],
  [{ command: 'folder' }, /not executable/],
  [{ command: '' }, /not found/],
  [{ command: 'server', args: 'x' }, /args are not a list/],
  [{ command: 'server', args: [1] }, /args are not a list/],
  [{ command: 'server', cwd: '/tmp' }, /working folder/],
  [{ command: 'server', env: { A: 1 } }, /env\.A is not text/],
  [{ command: 'server', env: [] }, /env is not an object/],
  [{ type: 'sse', url: 'https://x.example' }, /"sse" is not supported/],
  [{ url: 'ftp://x.example' }, /not an http/],
  [{ url: 'not a url' }, /not an http/],
  [{ url: 'https://user:pw@x.example' }, /holds a password/],
];

test('a server that cannot be taken over is left out, and the reason says why', async () => {
  for (const [entry, expected] of leftOut) assert.match(await reason(entry), expected, JSON.stringify(entry));
});

test('whatever the file holds, the answer is a list of servers or CONFIG_INVALID', async () => {
  const check = async (bytes: Uint8Array): Promise<void> => {
    await readClientConfig(bytes, 'mcp.json', '', folder).catch((error: unknown) => {
      assert.ok(error instanceof GatewayError && error.code === 'CONFIG_INVALID', String(error));
    });
  };
  await fc.assert(fc.asyncProperty(fc.uint8Array({ maxLength: 40 }), check), { numRuns: 200 });
  const entries = fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 3 }));
  const configs = fc.record({ mcpServers: fc.oneof(entries, fc.jsonValue()) });
  await fc.assert(
    fc.asyncProperty(configs, (config) => check(new TextEncoder().encode(JSON.stringify(config)))),
    { numRuns: 200 },
  );
});
