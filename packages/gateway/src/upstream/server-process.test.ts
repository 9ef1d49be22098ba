import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { chmod, copyFile, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { connect, failsWith, gone, scripted, textOf } from '../../../../tests/support/upstreams.ts';
import type { CatalogServer } from '../catalog/types.ts';
import { childEnvironment } from './child-environment.ts';

const LIMITS = { timeout: 30_000 };
const STUBBORN = `
  process.on('SIGTERM', () => {});
  process.stdin.on('end', () => {});
  setInterval(() => {}, 1000);
  on.call = (m) => ok(m.id, text(String(process.pid)));`;
const PID = `on.call = (m) => ok(m.id, text(String(process.pid)));`;

async function temporary(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'cmcp-upstream-'));
  t.after(() => rm(folder, { recursive: true }));
  return folder;
}

test(
  'a child sees allow-listed variables and configured ones, nothing of the gateway [G28] [ATK-25] [D-52] [W-29]',
  LIMITS,
  async (t) => {
    const baseEnv = {
      PATH: process.env.PATH,
      HOME: '/h',
      CMCP_BEARER_TOKEN: 's',
      AWS_SECRET: 's',
      NODE_OPTIONS: '--bad',
      LD_PRELOAD: 'x',
    };
    const env = { API_KEY: 'k', CMCP_DEV_MODE: '1' };
    const { call } = connect(
      t,
      scripted('on.call = (m) => ok(m.id, text(JSON.stringify(process.env)));'),
      { env },
      { baseEnv },
    );
    assert.deepEqual(JSON.parse(textOf(await call('t'))), { PATH: process.env.PATH, HOME: '/h', API_KEY: 'k' });
    assert.deepEqual(childEnvironment({}, { cmcp_x: '1', TERM: 'dumb' }), { TERM: 'dumb' });
  },
);

test('a child holds no descriptor but its three standard streams [ATK-25]', LIMITS, async (t) => {
  const script = `
    const fs = require('node:fs');
    const own = fs.readdirSync('/proc/self/fd').map(Number);
    on.call = (m) => ok(m.id, text(JSON.stringify(own.filter((fd) => fs.existsSync('/proc/self/fd/' + fd) && fs.readlinkSync('/proc/self/fd/' + fd).startsWith('socket:')))));`;
  const { call } = connect(t, scripted(script));
  assert.deepEqual(JSON.parse(textOf(await call('t'))), [0, 1, 2]);
});

test('close ends a polite child by closing its input [MCP26-40] [D-48] [G28]', LIMITS, async (t) => {
  const { call, upstream, logged } = connect(t, scripted(PID), {}, { graceMs: 20_000 });
  const pid = Number(textOf(await call('t')));
  await upstream.close();
  await gone(pid);
  assert.match((await logged('ended')).detail, /^exit code 0/);
  await assert.rejects(call('t'), failsWith('UPSTREAM_UNAVAILABLE'));
});

test(
  'close ends a child that ignores the end of its input and SIGTERM, and what it started [MCP26-40] [D-48] [G28]',
  LIMITS,
  async (t) => {
    const script = `${STUBBORN}
    const child = require('node:child_process').spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' });
    on.call = (m) => ok(m.id, text(process.pid + ' ' + child.pid));`;
    const { call, upstream } = connect(t, scripted(script));
    const pids = textOf(await call('t'))
      .split(' ')
      .map(Number);
    await upstream.close();
    await Promise.all(pids.map(gone));
  },
);

test('a stubborn child is gone after kill -9 of the gateway [G28] [D-48]', LIMITS, async () => {
  const gateway = `
    import { createUpstream } from ${JSON.stringify(import.meta.resolve('./upstream.ts'))};
    const transport = ${JSON.stringify(scripted(STUBBORN))};
    const settings = { timeoutMs: 20000, maxResponseBytes: 100000, concurrency: 1, env: {}, headers: {}, credential: null };
    const server = { id: 's', transport, asks: [] };
    const upstream = createUpstream(server, settings, () => {}, { baseEnv: process.env, graceMs: 100 });
    const call = {
      callId: 'c', method: 'tools/call', params: { name: 't' }, inputSchema: {}, trace: {}, abilities: {}, round: null,
      signal: new AbortController().signal, wantsProgress: false, logLevel: null, onNotice() {}, onAsk() {},
    };
    console.log((await upstream.send(call)).result.content[0].text);`;
  const process_ = spawn(process.execPath, ['--conditions=cmcp-source', '--input-type=module', '-e', gateway]);
  const [line] = (await once(process_.stdout, 'data')) as [Buffer];
  const pid = Number(line.toString());
  process_.kill('SIGKILL');
  await gone(pid);
});

test('a child is gone, and its call fails once, when its guard is killed [MCP26-40]', LIMITS, async (t) => {
  const { call } = connect(
    t,
    scripted(
      `${STUBBORN} on.call = (m) => m.params.name === 'pid' ? ok(m.id, text(process.pid + ' ' + process.ppid)) : 0;`,
    ),
  );
  const [pid, guard] = textOf(await call('pid'))
    .split(' ')
    .map(Number);
  assert.ok(pid !== undefined && guard !== undefined);
  const pending = call('hang');
  process.kill(guard, 'SIGKILL');
  await assert.rejects(pending, failsWith('OUTCOME_UNKNOWN'));
  await gone(pid);
});

test('the guard stays when the terminal interrupts the whole group', LIMITS, async (t) => {
  const { call } = connect(t, scripted(`on.call = (m) => ok(m.id, text(String(process.ppid)));`));
  const guard = Number(textOf(await call('t')));
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.kill(guard, signal);
  for (let i = 0; i < 50; i += 1) assert.equal(Number(textOf(await call('t'))), guard);
});

test('what a server started and left behind ends with it [G28] [D-48]', LIMITS, async (t) => {
  const script = `
    const child = require('node:child_process').spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' });
    child.unref();
    on.call = (m) => ok(m.id, text(String(child.pid)));`;
  const { call, upstream } = connect(t, scripted(script), {}, { graceMs: 20_000 });
  const pid = Number(textOf(await call('t')));
  await upstream.close();
  await gone(pid);
});

test(
  'a child that dies in a call: the call fails once with an unknown outcome, the next use starts it again [MCP26-40] [LIFE-05] [W-29]',
  LIMITS,
  async (t) => {
    const { call, upstream, log } = connect(
      t,
      scripted(`on.call = (m) => m.params.name === 'die' ? process.exit(3) : ok(m.id, text(String(process.pid)));`),
    );
    const first = textOf(await call('pid'));
    const changed = new Promise((resolve) => upstream.onChanged(resolve));
    await assert.rejects(call('die'), failsWith('OUTCOME_UNKNOWN', /exit code 3/));
    await changed;
    assert.notEqual(textOf(await call('pid')), first);
    assert.equal(log.filter(({ event }) => event === 'started').length, 2);
  },
);

test('a restarted server is not called before its definitions were listed again [LIFE-12]', LIMITS, async (t) => {
  const { call, list } = connect(
    t,
    scripted(`on.call = (m) => m.params.name === 'die' ? process.exit(3) : ok(m.id, text('done'));`),
  );
  await list();
  await assert.rejects(call('die'), failsWith('OUTCOME_UNKNOWN'));
  await assert.rejects(call('t'), failsWith('UPSTREAM_UNAVAILABLE', /not compared/));
  await list();
  assert.equal(textOf(await call('t')), 'done');
});

test('a crash loop is contained: starts wait in doubling steps, up to a bound [LIFE-12]', LIMITS, async (t) => {
  const { timers, due, advance } = manualTimers();
  const { call, logged, log, upstream } = connect(t, scripted('process.exit(1);'), { timeoutMs: 20_000 }, { timers });
  // Twice in the first use: once more without the probe that it seemed to die of.
  await assert.rejects(call('t'), failsWith('UPSTREAM_UNAVAILABLE'));
  await assert.rejects(call('t'), failsWith('UPSTREAM_UNAVAILABLE'));
  const waits: number[] = [];
  for (let i = 0; i < 7; i += 1) {
    const failed = log.length;
    const next = assert.rejects(call('t'), failsWith('UPSTREAM_UNAVAILABLE'));
    // The scope's own limit is 20 s; the other timer is the back-off.
    const [run, wait] = [...due].find(([, ms]) => ms !== 20_000) ?? [];
    assert.ok(run !== undefined && wait !== undefined);
    waits.push(wait);
    due.delete(run);
    advance(wait);
    run();
    await next;
    assert.equal(log.length, failed + 1);
  }
  assert.deepEqual(waits, [250, 500, 1000, 2000, 4000, 8000, 16_000]);
  // 30 s from now is later than this call may wait, so it fails at once and nothing is started.
  const starts = log.length;
  await assert.rejects(call('t'), failsWith('UPSTREAM_UNAVAILABLE', /keeps ending/));
  assert.equal(log.length, starts);
  await logged('start_failed');
  await upstream.close();
});

test('closing ends the wait before a next start', LIMITS, async (t) => {
  const { timers, due } = manualTimers();
  const { call, upstream } = connect(t, scripted('process.exit(1);'), { timeoutMs: 20_000 }, { timers });
  for (let i = 0; i < 2; i += 1) await assert.rejects(call('t'), failsWith('UPSTREAM_UNAVAILABLE'));
  const waiting = assert.rejects(call('t'), failsWith('UPSTREAM_UNAVAILABLE', /closed/));
  assert.ok([...due.values()].includes(250));
  await upstream.close();
  await waiting;
});

/** Timers that a test fires itself. */
function manualTimers() {
  let now = 0;
  const due = new Map<() => void, number>();
  const timers = {
    nowMs: () => now,
    after: (ms: number, run: () => void) => {
      due.set(run, ms);
      return () => void due.delete(run);
    },
  };
  const advance = (ms: number) => {
    now += ms;
  };
  return { timers, due, advance };
}

test('closing during the start ends the child and the start', LIMITS, async (t) => {
  const file = join(await temporary(t), 'pid');
  const script = `require('node:fs').writeFileSync(process.env.PID_FILE, String(process.pid)); on.discover = on.initialize = () => {};`;
  const { call, upstream, log } = connect(t, scripted(script), { env: { PID_FILE: file } });
  const pending = assert.rejects(call('t'), failsWith('UPSTREAM_UNAVAILABLE'));
  const pid = await appears(file);
  await upstream.close();
  await pending;
  await gone(pid);
  assert.ok(log.every(({ event }) => event !== 'started'));
});

/** The number in a file, once it is there. */
async function appears(file: string): Promise<number> {
  for (;;) {
    const text = await readFile(file, 'utf8').catch(() => '');
    if (text !== '') return Number(text);
    await setImmediate();
  }
}

test('what is run is an absolute path to an executable file [ATK-24]', LIMITS, async (t) => {
  const folder = await temporary(t);
  const plain = join(folder, 'plain');
  await writeFile(plain, '#!/nonexistent/interpreter\n');
  const spawnOf = (command: string): CatalogServer['transport'] => ({
    kind: 'stdio',
    command,
    args: [],
    binaryDigest: null,
    measureTarget: null,
  });
  await assert.rejects(connect(t, spawnOf('node')).call('t'), failsWith('UPSTREAM_UNAVAILABLE', /absolute/));
  await assert.rejects(connect(t, spawnOf('./node')).call('t'), failsWith('UPSTREAM_UNAVAILABLE', /absolute/));
  for (const path of [plain, folder, join(folder, 'missing')]) {
    await assert.rejects(connect(t, spawnOf(path)).call('t'), failsWith('UPSTREAM_UNAVAILABLE', /executable/));
  }
  await chmod(plain, 0o755);
  await assert.rejects(connect(t, spawnOf(plain)).call('t'), failsWith('UPSTREAM_UNAVAILABLE', /did not start/));
});

test('a pinned digest is checked over the measured file before anything runs [ATK-24] [W-29]', LIMITS, async (t) => {
  const folder = await temporary(t);
  const server = scripted(PID);
  assert.equal(server.kind, 'stdio');
  const script = join(folder, 'server.cjs');
  await writeFile(script, server.args[1] ?? '');
  const digestOf = async (path: string) =>
    `sha256:${createHash('sha256')
      .update(await readFile(path))
      .digest('hex')}`;
  const pinned = { ...server, args: [script], measureTarget: script, binaryDigest: await digestOf(script) };
  assert.match(textOf(await connect(t, pinned).call('t')), /^\d+$/);

  const linked = join(folder, 'linked.cjs');
  await symlink(script, linked);
  const refused = (transport: typeof pinned, detail: RegExp, env = {}) =>
    assert.rejects(connect(t, transport, { env }).call('t'), failsWith('UPSTREAM_UNAVAILABLE', detail));
  // What a link leads to can be exchanged between the look and the start.
  await refused({ ...pinned, args: [linked] }, /neither the command nor/);
  await refused({ ...pinned, args: [linked], measureTarget: linked }, /symbolic link/);
  const copy = join(folder, 'copy.cjs');
  await copyFile(script, copy);
  await refused({ ...pinned, measureTarget: copy }, /neither the command nor/);
  await refused({ ...pinned, measureTarget: 'server.cjs' }, /absolute/);
  for (const name of ['NODE_OPTIONS', 'LD_PRELOAD', 'ld_library_path', 'PYTHONPATH', 'OPENSSL_CONF', '_JAVA_OPTIONS'])
    await refused(pinned, /load code/, { [name]: 'x' });
  assert.match(textOf(await connect(t, pinned, { env: { PYTHONUNBUFFERED: '1' } }).call('t')), /^\d+$/);
  await writeFile(script, `${server.args[1]}\n//`);
  await refused(pinned, /digest differs/);
  await refused(
    { ...pinned, measureTarget: null as never, binaryDigest: await digestOf(script) } as typeof pinned,
    /digest differs/,
  );
});
