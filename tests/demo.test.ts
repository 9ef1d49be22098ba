import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, readlink, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, sep } from 'node:path';
import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { type TestContext, test } from 'node:test';
import { runDemo } from '@cmcp/demo';
import { CLI, cliEnvironment, cmcp } from './support/cli.ts';

interface Step {
  id: string;
  chapter: string;
  asked: string;
  decided: string;
  by: string[];
  by_kind: string | null;
  why: string;
  facts: Record<string, unknown>;
}

interface Told {
  as_told: boolean;
  differs: { number: number; id: string } | null;
  problem?: string;
  files: Record<string, string>;
  next: { why: string; command: string }[];
  steps: Step[];
}

/** The story of the issue, step by step: what was decided, and by what first of all. */
const STORY: [id: string, decided: string, by: string | null][] = [
  ['client-config', 'done', null],
  ['init', 'done', null],
  ['review', 'done', null],
  ['check', 'done', null],
  ['start', 'done', null],
  ['list-tools', 'done', null],
  ['allowed-filesystem', 'allowed', 'allow-catalogued-tools'],
  ['allowed-everything', 'allowed', 'allow-catalogued-tools'],
  ['allowed-memory', 'allowed', 'allow-catalogued-tools'],
  ['allowed-outbox', 'allowed', 'allow-catalogued-tools'],
  ['external-write-before', 'allowed', 'allow-catalogued-tools'],
  ['forbidden-argument', 'refused', 'secrets-stay-unread'],
  ['not-in-catalog', 'refused', 'catalog_miss'],
  ['held-for-approval', 'refused', 'refunds-need-a-person'],
  ['approve', 'done', null],
  ['approved-call', 'allowed', 'allow-catalogued-tools'],
  ['customer-data', 'allowed', 'allow-catalogued-tools'],
  ['external-write-after', 'refused', 'no-external-writes-after-sensitive-data'],
  ['close-session', 'done', null],
  ['external-write-new-session', 'refused', 'no-external-writes-after-sensitive-data'],
  ['rug-pull', 'refused', 'catalog_drift'],
  ['stop', 'done', null],
  ['verify', 'verified', null],
  ['flipped-byte', 'refused', 'chain.hashes'],
  ['forged', 'refused', 'key.pinned'],
];

async function inFolder(task: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'cmcp-demo-'));
  try {
    await task(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Every process that the demo starts, and every process that those start, works in the demo's folder. */
async function assertNobodyLeft(t: TestContext, folder: string): Promise<void> {
  if (process.platform !== 'linux') return t.diagnostic('whether a process is left can be seen on Linux only');
  assert.deepEqual(await processesIn(folder), []);
}

async function processesIn(folder: string): Promise<string[]> {
  const found: string[] = [];
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    // A process may end, or belong to somebody else.
    const at = await readlink(`/proc/${pid}/cwd`).catch(() => '');
    if (at.startsWith(folder + sep)) found.push(`${pid} ${await readFile(`/proc/${pid}/cmdline`, 'utf8')}`);
  }
  return found;
}

test('`cmcp demo --json` tells every step of the story, and leaves files but no process [UX-06] [ATK-03]', (t) =>
  inFolder(async (folder) => {
    const { code, stdout, stderr } = await cmcp(['demo', '--json'], folder);
    assert.equal(code, 0, `${stdout}\n${stderr}`);
    const told = JSON.parse(stdout) as Told;
    assert.equal(told.as_told, true);
    assert.deepEqual(
      told.steps.map(({ id, decided, by: [first = null] }) => [id, decided, first]),
      STORY,
    );
    for (const step of told.steps) assert.ok(step.asked !== '' && step.why !== '', step.id);
    const facts = new Map(told.steps.map((step) => [step.id, step.facts]));
    const exposure = (id: string): unknown[] => [facts.get(id)?.exposure_before, facts.get(id)?.exposure_after];
    assert.deepEqual(exposure('external-write-before'), ['public', 'public']);
    assert.deepEqual(exposure('customer-data'), ['public', 'pii']);
    assert.notEqual(facts.get('external-write-after')?.session_id, facts.get('external-write-new-session')?.session_id);
    assert.equal(facts.get('rug-pull')?.updates_published, 2, 'refused updates never reached the server');
    assert.deepEqual(facts.get('verify')?.relaxations, ['--accept-software']);
    assert.equal(facts.get('verify')?.approvals, 'proven');
    assert.match(told.steps.find(({ id }) => id === 'verify')?.why ?? '', /granted by \S+ through operator/);
    for (const path of Object.values(told.files)) await stat(path);
    await verifyAsSuggested(told, folder);
    await assertNobodyLeft(t, folder);
  }));

/** The first command that the demo suggests does what it promises, word for word. */
async function verifyAsSuggested({ next, files }: Told, folder: string): Promise<void> {
  const command = next[0]?.command ?? '';
  assert.match(command, /^npx cmcp verify /);
  const args = command.split(' ').slice(2);
  assert.ok(args.includes(String(files.session_file)));
  const { code, stdout } = await cmcp(args, folder);
  assert.equal(code, 0, stdout);
}

test('a person who presses Ctrl-C finds the gateway and its servers gone, and a screen without colour codes', (t) =>
  inFolder(async (folder) => {
    const child = spawn(process.execPath, [CLI, 'demo'], {
      cwd: folder,
      env: cliEnvironment(folder),
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const seen = await printed(child, /decided +ALLOWED/);
    if (process.platform === 'linux') {
      const running = (await processesIn(folder)).join('\n');
      for (const server of ['filesystem', 'everything', 'memory'])
        assert.match(running, new RegExp(`server-${server}`));
    }
    child.kill('SIGINT');
    const [code] = (await once(child, 'close')) as [number | null];
    assert.equal(code, 1);
    assert.match(seen(), /interrupted by SIGINT/);
    assert.ok(!seen().includes('\u001b'));
    for (const line of seen().split('\n')) assert.ok(line.length <= 100, line);
    await assertNobodyLeft(t, folder);
  }));

/** Resolves when `moment` has been printed, with all that is printed from the start to whenever it is asked. */
async function printed(child: ChildProcess, moment: RegExp): Promise<() => string> {
  const { stdout } = child;
  assert.ok(stdout);
  let seen = '';
  await new Promise<void>((resolve, reject) => {
    stdout.setEncoding('utf8');
    stdout.on('data', (piece: string) => {
      seen += piece;
      if (moment.test(seen)) resolve();
    });
    stdout.once('end', () => reject(new Error(`the demo ended before that: ${seen}`)));
  });
  return () => seen;
}

test('a folder that the demo did not make is left as it is, with exit code 2', () =>
  inFolder(async (folder) => {
    const own = join(folder, 'own');
    await mkdir(own);
    await writeFile(join(own, 'mcp.json'), '{}');
    const { code, stdout } = await cmcp(['demo', '--dir', own, '--json'], folder);
    assert.equal(code, 2);
    const told = JSON.parse(stdout) as Told;
    assert.equal(told.as_told, false);
    assert.match(String(told.problem), /did not make/);
    assert.deepEqual(await readdir(own), ['mcp.json']);
    assert.equal(await readFile(join(own, 'mcp.json'), 'utf8'), '{}');
  }));

/** Fails, and leaves a process behind that needs a moment to notice. */
const BROKEN = `
  import { spawn } from 'node:child_process';
  spawn(process.execPath, ['-e', 'setTimeout(() => {}, 500)'], { stdio: 'ignore' }).unref();
  console.error('no servers today');
  process.exitCode = 1;
`;

test('a product that does not do its part is not covered up: the step is named, with exit code 1', (t) =>
  inFolder(async (folder) => {
    const broken = join(folder, 'broken.mjs');
    await writeFile(broken, BROKEN);
    const stdout = new PassThrough();
    const options = { node: process.execPath, variables: {}, json: true, color: false, stdin: null };
    assert.equal(await runDemo({ ...options, cli: broken, dir: join(folder, 'demo'), stdout }), 1);
    const told = JSON.parse(await text(stdout.end())) as Told;
    assert.deepEqual(told.differs, { number: 2, id: 'init' });
    assert.match(String(told.problem), /no servers today/);
    await assertNobodyLeft(t, folder);
  }));
