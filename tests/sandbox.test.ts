/** A server in a sandbox, behind a real gateway: what it can reach, and what the record says of it. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { digest, type JsonObject } from '@cmcp/evidence';
import { sandboxArguments } from '../packages/gateway/src/upstream/sandbox.ts';
import { callMeta, endSession, refused } from './support/calls.ts';
import { TestBed } from './support/gateway.ts';
import { sessionFile } from './support/session-files.ts';
import { scriptOf, textOf } from './support/upstreams.ts';

const LIMITS = { timeout: 60_000 };
const works = spawnSync('/usr/bin/bwrap', ['--unshare-all', '--ro-bind', '/', '/', 'true']).status === 0;
const NEEDS_BWRAP = { ...LIMITS, skip: !works && 'needs bubblewrap and user namespaces' };

const home = await mkdtemp(join(tmpdir(), 'cmcp-sandbox-'));
after(() => rm(home, { recursive: true, force: true }));
const NODE = join(home, 'node');
await copyFile(process.execPath, NODE);

/** Tries what it is asked to, and says what came of it. */
const SERVER = scriptOf(`
const fs = require('node:fs');
const net = require('node:net');
on.list = (m) => ok(m.id, { tools: [tool('try')] });
const told = (m) => (error) => ok(m.id, text(error?.code ?? 'done'));
on.call = (m) => {
  const { read, write, connect } = m.params.arguments;
  if (read) fs.readFile(read, told(m));
  else if (write) fs.writeFile(write, 'x', told(m));
  else net.connect(Number(connect), '127.0.0.1', function () { this.destroy(); told(m)(); }).on('error', told(m));
};
`);

interface Tried {
  what: (args: Record<string, string>) => Promise<string>;
  detail: JsonObject;
  started: JsonObject[];
}

/** Runs `attempt` against a server that is sandboxed as `sandbox` says; what the record says of it afterwards. */
async function tried(sandbox: string, attempt: (what: Tried['what']) => Promise<void>): Promise<Omit<Tried, 'what'>> {
  const folder = await mkdtemp(join(home, 'run-'));
  const script = join(folder, 'server.cjs');
  await writeFile(script, SERVER);
  // A sandboxed one is pinned as well: it is executed by its descriptor inside.
  const interpreter = { path: NODE, digest: await digestOf(NODE) };
  const pins = sandbox === '' ? {} : { binary_digest: await digestOf(script), interpreter };
  const spawn = { command: NODE, args: [script], measure_target: script, ...pins };
  const bed = await TestBed.create({
    tools: [{ name: 'try', inputSchema: { type: 'object' } }],
    record: { transport: 'stdio', spawn },
    config: sandbox === '' ? '' : `upstreams: { scripted: { sandbox: ${sandbox} } }`,
  });
  try {
    const { gateway, started, url } = await bed.start();
    const client = await bed.client(url);
    const call = (args: Record<string, string>) => client.callTool({ name: 'try', arguments: args });
    await attempt(async (args) => textOf((await call(args)) as unknown as JsonObject));
    const { session_id } = callMeta(await call({ read: script }));
    await endSession(client);
    await gateway.stop();
    const [opening] = (await sessionFile(started, session_id)).bundle.entries;
    const own = (await sessionFile(started, started.gatewaySession)).bundle.entries;
    const starts = own.filter(({ action }) => action === 'server.started').map(({ detail }) => detail ?? {});
    return { detail: opening?.detail ?? {}, started: starts };
  } finally {
    await bed.close();
  }
}

async function digestOf(path: string): Promise<string> {
  return digest(new Uint8Array(await readFile(path)));
}

/** A socket of this machine, and whether anybody came to it. */
async function listening(): Promise<{ port: string; visited: () => boolean; close: () => void }> {
  let visits = 0;
  const server = createServer((socket) => {
    visits += 1;
    socket.destroy();
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as { port: number };
  return { port: String(port), visited: () => visits > 0, close: () => void server.close() };
}

test(
  'a sandboxed server has no network and only the files it was given, and the record says so [NSA-2] [OMCP-09] [AISVS-10.1.3]',
  NEEDS_BWRAP,
  async () => {
    const socket = await listening();
    const given = join(home, 'given');
    const drafts = join(home, 'drafts');
    const secret = join(home, 'secret');
    await Promise.all([mkdir(given), mkdir(drafts), writeFile(secret, 's')]);
    await writeFile(join(given, 'note'), 'n');
    const { detail, started } = await tried(`{ read: [${given}], write: [${drafts}] }`, async (what) => {
      assert.match(await what({ connect: socket.port }), /^E/);
      assert.equal(await what({ read: join(given, 'note') }), 'done');
      assert.equal(await what({ write: join(given, 'note') }), 'EROFS');
      assert.equal(await what({ write: join(drafts, 'new') }), 'done');
      assert.equal(await what({ read: secret }), 'ENOENT');
      assert.equal(await what({ read: '/etc/shadow' }), 'ENOENT');
      assert.match(await what({ write: '/usr/bin/x' }), /^E/);
    });
    socket.close();
    assert.equal(socket.visited(), false);
    assert.equal(existsSync(join(drafts, 'new')), true);
    assert.equal(await readFile(join(given, 'note'), 'utf8'), 'n');
    assert.equal(detail.egress, 'confined');
    assert.deepEqual(
      started.map(({ executed, sandbox, egress }) => [executed, sandbox, egress]),
      [['descriptor', 'bwrap network=none', 'confined']],
    );
  },
);

test('a server that keeps the network is entered and claimed as unconfined [OMCP-09]', NEEDS_BWRAP, async () => {
  const socket = await listening();
  const { detail, started } = await tried('{ network: host }', async (what) => {
    assert.equal(await what({ connect: socket.port }), 'done');
  });
  socket.close();
  assert.equal(detail.egress, 'egress-unconfined');
  assert.equal(started[0]?.sandbox, 'bwrap network=host');
});

test('a server without a sandbox is entered and claimed as unconfined [OMCP-09]', LIMITS, async () => {
  const { detail, started } = await tried('', async () => undefined);
  assert.equal(detail.egress, 'egress-unconfined');
  assert.deepEqual(
    started.map(({ pinned, executed, sandbox, egress }) => [pinned, executed, sandbox, egress]),
    [['nothing', 'path', 'none', 'egress-unconfined']],
  );
});

test('a server whose sandbox cannot be built is not started', LIMITS, async () => {
  const missing = join(home, 'nowhere');
  const spawn = { command: NODE, args: ['--version'] };
  const config = `upstreams: { scripted: { sandbox: { read: [${missing}] } } }`;
  const bed = await TestBed.create({ tools: [{ name: 'try' }], record: { transport: 'stdio', spawn }, config });
  try {
    const { gateway, started, url } = await bed.start();
    const client = await bed.client(url);
    assert.equal((await refused(client.callTool({ name: 'try' }))).data.error_code, 'UPSTREAM_UNAVAILABLE');
    await gateway.stop();
    const own = (await sessionFile(started, started.gatewaySession)).bundle.entries;
    const [refusal] = own.filter(({ action }) => action === 'server.refused');
    assert.match(String(refusal?.detail?.reason), /does not exist|there is no bwrap/);
  } finally {
    await bed.close();
  }
});

test('a sandbox begins with nothing: every namespace is its own, and of the network only what was asked for', () => {
  const none = sandboxArguments({ tool: 'bwrap', network: 'none', read: [], write: [] });
  for (const option of ['--unshare-all', '--die-with-parent', '--cap-drop']) assert.ok(none.includes(option), option);
  assert.ok(!none.includes('--share-net'));
  assert.ok(!none.includes('/etc/resolv.conf'));
  assert.ok(sandboxArguments({ tool: 'bwrap', network: 'host', read: [], write: [] }).includes('--share-net'));
  assert.ok(
    !none.some((argument, i) => argument === '--ro-bind-try' && ['/', '/etc', '/home'].includes(none[i + 1] ?? '')),
  );
});
