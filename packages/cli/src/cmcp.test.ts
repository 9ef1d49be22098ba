import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, test } from 'node:test';
import { stringifyJson } from '@cmcp/evidence';
import { CLI, cmcp } from '../../../tests/support/cli.ts';
import { cmcpInProcess } from '../../../tests/support/cli-in-process.ts';
import { makeSession, nameEntries, newKey, split } from '../../evidence/src/testing/session.ts';

const COMMANDS = [
  'demo',
  'init',
  'check',
  'policy',
  'catalog',
  'start',
  'session',
  'operator',
  'verify',
  'evidence',
  'help',
];

let folder = '';
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cmcp-cli-'));
});
after(() => rm(folder, { recursive: true, force: true }));

const inProcess = (args: string[]) => cmcpInProcess(args, folder);

/** A Node older than the product needs, if this machine has one. */
function oldNode(): string | null {
  const system = '/usr/bin/node';
  if (!existsSync(system)) return null;
  const version = execFileSync(system, ['-p', 'process.versions.node'], { encoding: 'utf8' });
  return Number.parseInt(version, 10) < 24 ? system : null;
}

test('an older Node is told so in one line, with exit code 3', (t) => {
  const node = oldNode();
  if (node === null) return t.skip('no Node older than 24 at /usr/bin/node');
  const { status, stdout, stderr } = spawnSync(node, [CLI, '--help'], { encoding: 'utf8' });
  assert.equal(status, 3);
  assert.equal(stdout, '');
  assert.match(stderr, /^cmcp needs Node\.js 24 or newer and this is \d+\.\d+\.\d+\. .*\n$/);
});

test('the version is that of the package', async () => {
  const manifest = JSON.parse(await readFile(new URL('../package.json', import.meta.url), 'utf8'));
  assert.deepEqual(await cmcp(['--version'], folder), { code: 0, stdout: `${manifest.version}\n`, stderr: '' });
});

test('a command of several actions lists them, and each explains itself with its own options', async () => {
  for (const [command, action, option] of [
    ['policy', 'test', '--min-coverage'],
    ['catalog', 'diff', '--live'],
    ['attest', 'measure', '--extend'],
  ] as const) {
    const list = await inProcess([command, '--help']);
    assert.match(list.stdout, new RegExp(`^  ${action} +[A-Z]`, 'm'));
    assert.doesNotMatch(list.stdout, new RegExp(`^  ${option} `, 'm'));
    const page = await inProcess([command, action, '--help']);
    assert.deepEqual([page.code, page.stderr], [0, '']);
    assert.match(page.stdout, new RegExp(`^Usage: cmcp ${command} ${action}`));
    assert.match(page.stdout, new RegExp(`^  ${option}`, 'm'));
    assert.match(page.stdout, new RegExp(`^  cmcp ${command} ${action}`, 'm'));
  }
});

test('help names every command, and each command explains itself with examples', async () => {
  const overview = await inProcess(['--help']);
  assert.equal(overview.code, 0);
  for (const name of COMMANDS) {
    assert.match(overview.stdout, new RegExp(`^  ${name} `, 'm'));
    const { code, stdout, stderr } = await inProcess([name, '--help']);
    assert.deepEqual({ code, stderr }, { code: 0, stderr: '' });
    assert.match(stdout, new RegExp(`^Usage: cmcp ${name}`, 'm'));
    assert.match(stdout, /^Examples:$/m);
    assert.match(stdout, /Exit codes: 0 .* 1 .* 2 .* 3 /);
  }
  assert.equal((await inProcess(['help', 'verify'])).stdout, (await inProcess(['verify', '--help'])).stdout);
});

const wrongUsage: [string[], RegExp][] = [
  [[], /Usage: cmcp <command>/],
  [['verfy'], /unknown command "verfy"; did you mean verify\?/],
  [['frobnicate'], /unknown command "frobnicate"$/m],
  [['verify'], /name at least one session file/],
  [['verify', 'x', '--polcy-hash', 'y'], /unknown option --polcy-hash; did you mean --policy-hash\?/],
  [['verify', 'x', '--policy-hash'], /policy-hash/],
  [['verify', 'x', '--policy-hash', 'latest'], /--policy-hash takes sha256:/],
  [['verify', 'x', '--accept-software=yes'], /accept-software/],
  [['verify', 'x', '--max-age', '1h'], /--max-age takes a whole number/],
  [['verify', 'x', '--at', 'yesterday'], /--at takes an RFC 3339 time/],
  [['verify', 'x', '--at', '2026-01-31T12:00:00'], /with its zone/],
  [['verify', 'x', '--allow-mode', 'quiet'], /--allow-mode takes advisory or silent/],
  [['session'], /say what to do: list, show, close/],
  [['session', 'salt', '0'.repeat(36)], /say which: cmcp session salt ID CALL/],
  [['session', 'list', '--operator', 'http://x'], /--operator takes https:\/\/host:port/],
  [['session', 'list', '--operator', 'https://x', '--socket', 'y'], /give one/],
  [['session', 'list', '--operator', 'https://x', '--tls-cert', import.meta.filename], /go together/],
  [['session', 'list', '--tls-ca', 'x'], /--tls-ca goes with --operator/],
  [['session', 'lst'], /did you mean list\?/],
  [['session', 'close'], /say which: cmcp session close ID/],
  [['session', 'close', '../../x'], /not a session id/],
  [['session', 'export', 'a', 'b'], /one export at a time/],
  [['session', 'reset', 'agent'], /give the reason with --reason/],
  [['init'], /--from/],
  [['help', 'nothing'], /no help on "nothing"/],
];

test('a wrong command line is explained, with exit code 2 and nothing on standard output', async () => {
  for (const [args, expected] of wrongUsage) {
    const { code, stdout, stderr } = await inProcess(args);
    assert.deepEqual({ args, code, stdout }, { args, code: 2, stdout: '' });
    assert.match(stderr, expected);
  }
});

test('what cannot be read is named without a stack, with exit code 1', async () => {
  const noKey = join(folder, 'key');
  await writeFile(noKey, 'not a key\n');
  const privateKey = join(folder, 'key.jwk');
  await writeFile(privateKey, '{"kty":"EC","crv":"P-256","x":"AA"}');
  const noReceipt = join(folder, 'receipt');
  await writeFile(noReceipt, '{"session_id":"x"}');
  const refused: [string[], RegExp][] = [
    [['verify', join(folder, 'absent')], /absent does not exist/],
    [['verify', folder], /is not a file/],
    [['verify', noKey, '--key', noKey], /holds no Ed25519 public key/],
    [['verify', noKey, '--key', privateKey], /holds no Ed25519 public key/],
    [['verify', noKey, '--receipt', noReceipt], /holds no receipt/],
    [['start', '--config', join(folder, 'absent.yaml')], /CONFIG_INVALID\)\n {2}.*absent\.yaml: no such file/],
    [['check', '--config', noKey], /CONFIG_INVALID/],
    [['init', '--from', noKey], /Comments and trailing commas are not JSON/],
  ];
  for (const [args, expected] of refused) {
    const { code, stdout, stderr } = await inProcess(args);
    assert.deepEqual({ args, code, stdout }, { args, code: 1, stdout: '' });
    assert.match(stderr, expected);
    assert.ok(!/^ +at /m.test(stderr), stderr);
  }
});

test('a file that is no session file is refused, whatever it holds', async () => {
  const file = join(folder, 'noise.cmcp.json');
  for (const noise of ['', '{}', '[', '\u0000', '{"format":"cmcp-session/1"}']) {
    await writeFile(file, noise);
    const { code, stdout } = await inProcess(['verify', file, '--accept-software', '--json']);
    assert.equal(code, 1);
    assert.equal(JSON.parse(stdout).verified, false);
  }
});

test('verify reads the entries of a long session from the file beside it, and says when that is missing', async () => {
  const key = await newKey();
  const { session, entries } = split(await makeSession(key));
  const away = join(folder, 'away');
  await mkdir(away);
  const [file, beside, trusted] = ['long.cmcp.json', 'beside.cmcp.ndjson', 'long.key'].map((name) => join(away, name));
  assert.ok(file && beside && trusted);
  await writeFile(file, stringifyJson(session));
  await writeFile(trusted, `${key.x}\n`);
  const relaxed = ['--accept-software', '--unpinned-policy', '--unpinned-catalog'];
  const run = () => inProcess(['verify', file, ...relaxed, '--key', trusted]);
  const missing = await run();
  assert.equal(missing.code, 1);
  assert.match(missing.stdout, /the entries are in another file, beside\.cmcp\.ndjson, and that file is missing/);
  await writeFile(beside, entries);
  const whole = await run();
  assert.equal(whole.code, 0, whole.stdout);
  await writeFile(beside, entries.replace('session_end', 'session_enb'));
  const altered = await run();
  assert.equal(altered.code, 1);
  assert.match(altered.stdout, /REFUSED[\s\S]*has not the digest/);
  await rm(beside);
  await mkdir(beside);
  assert.match((await run()).stderr, /beside\.cmcp\.ndjson is not a file/);
});

test('verify opens no entries file outside the folder of the session file', async () => {
  const { session, entries } = split(await makeSession(await newKey()));
  await writeFile(join(folder, 'out.cmcp.ndjson'), entries);
  await mkdir(join(folder, 'inner'));
  const file = join(folder, 'inner', 'long.cmcp.json');
  for (const name of ['../out.cmcp.ndjson', join(folder, 'out.cmcp.ndjson'), '..']) {
    const bundle = { ...(session.bundle as object), entries_file: { ...nameEntries(entries, 2), name } };
    await writeFile(file, stringifyJson({ ...session, bundle }));
    const { code, stdout } = await inProcess(['verify', file, '--accept-software']);
    assert.equal(code, 1);
    assert.match(stdout, /REFUSED[\s\S]*entries_file\.name has not the form/);
  }
});

test('outside dev mode a gateway without pins does not start [D-08]', async () => {
  const hash = 'a'.repeat(64);
  const config = join(folder, 'production.yaml');
  await writeFile(config, `agents: [{subject: a, token_sha256: ${hash}}]\n`);
  const unpinned = await cmcp(['start', '--config', config], folder, { CMCP_DEV_MODE: '' });
  assert.equal(unpinned.code, 1);
  assert.match(unpinned.stderr, /POLICY_PIN_REQUIRED/);
  const half = await cmcp(['start', '--config', config], folder, { CMCP_DEV_MODE: '', CMCP_POLICY_HASH: hash });
  assert.equal(half.code, 1);
  assert.match(half.stderr, /CATALOG_PIN_REQUIRED/);
});

test('start needs somebody who may call in the way that it is started', async () => {
  const stdioOnly = join(folder, 'stdio.yaml');
  await writeFile(stdioOnly, 'stdio: desktop\n');
  const http = await cmcp(['start', '--config', stdioOnly], folder);
  assert.equal(http.code, 1);
  assert.match(http.stderr, /has no `agents`/);
  const httpOnly = join(folder, 'http.yaml');
  await writeFile(httpOnly, `agents: [{subject: a, token_sha256: ${'a'.repeat(64)}}]\n`);
  const stdio = await cmcp(['start', '--stdio', '--config', httpOnly], folder);
  assert.deepEqual([stdio.code, stdio.stdout], [1, '']);
  assert.match(stdio.stderr, /CREDENTIAL_REQUIRED/);
});

test('an answer that nobody reads is not a success', async () => {
  const child = spawn(process.execPath, [CLI, 'help', 'config'], { stdio: ['ignore', 'pipe', 'pipe'] });
  child.stdout.destroy();
  const [[code], said] = await Promise.all([once(child, 'close'), text(child.stderr)]);
  assert.deepEqual([code, said], [1, '']);
});

test('a session command without a gateway says so, with exit code 3', async () => {
  const token = join(folder, 'operator.token');
  await writeFile(token, 'some-token\n');
  const gone = await cmcp(['session', 'list', '--socket', join(folder, 'none.sock'), '--token-file', token], folder);
  assert.equal(gone.code, 3);
  assert.match(gone.stderr, /no gateway answers at .*none\.sock/);
  const noToken = await cmcp(['session', 'list', '--socket', join(folder, 'none.sock')], folder);
  assert.equal(noToken.code, 3);
  assert.match(noToken.stderr, /--token-file/);
});

test('docs/configuration.md is the table that the gateway reads', async () => {
  const { code, stdout } = await cmcp(['help', 'config', '--markdown'], folder);
  assert.equal(code, 0);
  assert.equal(await readFile(new URL('../../../docs/configuration.md', import.meta.url), 'utf8'), stdout);
  const rows = JSON.parse((await cmcp(['help', 'config', '--json'], folder)).stdout);
  assert.ok(rows.some((row: { key: string }) => row.key === 'sessions.idle'));
});
