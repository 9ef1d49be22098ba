/** `cmcp catalog pin` prints what the gateway then holds a server to. */
import assert from 'node:assert/strict';
import { copyFile, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { parseCatalog } from '../packages/gateway/src/catalog/load.ts';
import { cmcpInProcess } from './support/cli-in-process.ts';
import { connect, failsWith, scriptOf, textOf } from './support/upstreams.ts';

const LIMITS = { timeout: 60_000 };
const home = await mkdtemp(join(tmpdir(), 'cmcp-pin-'));
after(() => rm(home, { recursive: true, force: true }));
const bin = join(home, 'bin');
await mkdir(bin);
await copyFile(process.execPath, join(bin, 'node'));

const INTEGRITY = `sha512-${'B'.repeat(86)}==`;

/** A project into which the server `notes` was installed from npm, with a dependency beside it. */
async function project(): Promise<{ modules: string; script: string; linked: string; dependency: string }> {
  const modules = join(await mkdtemp(join(home, 'project-')), 'node_modules');
  const script = join(modules, 'notes/server.cjs');
  const dependency = join(modules, 'words/index.js');
  const linked = join(modules, '.bin/notes');
  for (const folder of ['notes', 'words', '.bin']) await mkdir(join(modules, folder), { recursive: true });
  await writeFile(join(modules, 'notes/package.json'), '{}');
  const server = scriptOf("on.call = (m) => ok(m.id, text(require('words').word));");
  await writeFile(script, `#!/usr/bin/env node\n${server}`, { mode: 0o755 });
  await writeFile(dependency, "exports.word = 'hello';\n");
  await symlink('../notes/server.cjs', linked);
  const packages = { 'node_modules/notes': { version: '1.0.0', integrity: INTEGRITY }, 'node_modules/words': {} };
  await writeFile(join(modules, '.package-lock.json'), JSON.stringify({ packages }));
  return { modules, script, linked, dependency };
}

/** A configuration whose catalog has the one server `notes`. */
async function configured(spawn: unknown): Promise<{ config: string }> {
  const folder = await mkdtemp(join(home, 'config-'));
  const config = join(folder, 'cmcp.yaml');
  await writeFile(join(folder, 'catalog.json'), catalogText(spawn));
  await writeFile(config, 'catalog: ./catalog.json\n');
  return { config };
}

const catalogText = (spawn: unknown): string =>
  JSON.stringify({ catalog: 1, servers: [{ id: 'notes', transport: 'stdio', spawn }], tools: [] });

const pin = (config: string, ...more: string[]) =>
  cmcpInProcess(['catalog', 'pin', 'notes', '--config', config, ...more], home, { PATH: bin });

test(
  'what is printed is what is started, and a changed dependency is then refused [OMCP-04] [ATK-24]',
  LIMITS,
  async (t) => {
    const { modules, script, linked, dependency } = await project();
    const { config } = await configured({ command: linked, args: [] });
    const { code, stdout, stderr } = await pin(config);
    assert.equal(code, 0, stderr);
    const { spawn } = JSON.parse(stdout);
    const { path, integrity } = spawn.package;
    assert.deepEqual([spawn.command, spawn.args], [join(bin, 'node'), [script]]);
    assert.deepEqual([path, integrity], [modules, INTEGRITY]);
    const [server] = parseCatalog(catalogText(spawn), '/catalog.json').servers;
    assert.ok(server !== undefined);
    assert.equal(textOf(await connect(t, server.transport).call('t')), 'hello');
    await writeFile(dependency, "exports.word = 'hallo';\n");
    await assert.rejects(connect(t, server.transport).call('t'), failsWith('UPSTREAM_UNAVAILABLE', /the package/));
  },
);

test('an interpreter with a file, a program alone, and a folder that is named', LIMITS, async () => {
  const { modules, script, linked } = await project();
  const node = join(bin, 'node');
  const pinned = async (spawn: unknown, ...more: string[]) => {
    const { config } = await configured(spawn);
    const { code, stdout, stderr } = await pin(config, '--json', ...more);
    assert.equal(code, 0, stderr);
    return JSON.parse(stdout).spawn;
  };
  const asArgument = await pinned({ command: node, args: ['--no-warnings', linked, '/tmp'] });
  assert.deepEqual(asArgument.args, ['--no-warnings', script, '/tmp']);
  assert.equal(asArgument.measure_target, script);
  const alone = await pinned({ command: node, args: ['--version'] });
  assert.deepEqual(Object.keys(alone).sort(), ['args', 'binary_digest', 'command']);
  const named = await pinned({ command: linked, args: [] }, '--package', join(modules, 'notes'));
  assert.equal(named.package.path, join(modules, 'notes'));
});

test('what cannot be pinned is refused with what to do', LIMITS, async () => {
  const { script } = await project();
  const npx = join(bin, 'npx');
  await writeFile(npx, '#!/usr/bin/env node\n', { mode: 0o755 });
  const cases: [unknown, string[], number, RegExp][] = [
    [{ command: npx, args: ['-y', 'notes'] }, [], 1, /fetches what it runs; install the server/],
    [{ command: join(home, 'none'), args: [] }, [], 1, /cannot be read \(ENOENT\)/],
    [{ command: script, args: [] }, ['more'], 2, /name one server/],
  ];
  for (const [spawn, more, expected, why] of cases) {
    const { code, stderr } = await pin((await configured(spawn)).config, ...more);
    assert.equal(code, expected, stderr);
    assert.match(stderr, why);
  }
  const { config } = await configured({ command: script, args: [] });
  const other = await cmcpInProcess(['catalog', 'pin', 'nodes', '--config', config], home);
  assert.match(other.stderr, /there is no server "nodes"; the servers are notes/);
});
