import assert from 'node:assert/strict';
import { once } from 'node:events';
import { chmod, cp, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { CLI, cliEnvironment, cmcp, startProcess } from '../../../tests/support/cli.ts';
import { cmcpInProcess } from '../../../tests/support/cli-in-process.ts';

const SERVERS = fileURLToPath(new URL('../../../node_modules/.bin/', import.meta.url));
const RELAXED = ['--accept-software', '--unpinned-policy', '--unpinned-catalog'];

let folder = '';
let config = '';
let initialised: {
  agent: { token: string; file: string };
  operator: { token: string; file: string };
  servers: { id: string; tools: { name: string; effects: string }[]; resources: { name: string; uri: string }[] }[];
  leftOut: { name: string; reason: string }[];
  clients: { stdio: unknown; http: unknown };
};

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cmcp-journey-'));
  config = join(folder, 'gateway', 'cmcp.yaml');
  await writeFile(join(folder, 'note.txt'), 'a note');
  const servers = {
    files: { command: join(SERVERS, 'mcp-server-filesystem'), args: [folder] },
    memory: { command: 'mcp-server-memory', env: { MEMORY_FILE_PATH: join(folder, 'memory.jsonl') } },
    gone: { command: '/bin/false' },
  };
  await writeFile(join(folder, 'mcp.json'), JSON.stringify({ mcpServers: servers }));
  const args = ['init', '--from', 'mcp.json', '--out', 'gateway', '--listen', '127.0.0.1:0', '--json'];
  const { code, stdout, stderr } = await cmcp(args, folder);
  assert.equal(code, 0, stderr);
  initialised = JSON.parse(stdout);
});
after(() => rm(folder, { recursive: true, force: true }));

/** What init wrote, in another folder. */
async function copySetup(to: string): Promise<void> {
  const from = join(folder, 'gateway');
  await cp(from, to, { recursive: true, filter: (path) => path !== join(from, 'data') });
}

test('init turns a client configuration into a gateway, and names what it left out', async () => {
  assert.deepEqual(
    initialised.servers.map(({ id }) => id),
    ['files', 'memory'],
  );
  const effects = new Map(initialised.servers.flatMap(({ tools }) => tools.map((tool) => [tool.name, tool.effects])));
  assert.equal(effects.get('read_text_file'), 'read');
  assert.equal(effects.get('write_file'), 'write');
  assert.deepEqual(
    initialised.servers.flatMap(({ resources }) => resources),
    [{ name: 'knowledge-graph', uri: 'memory://knowledge-graph' }],
  );
  assert.deepEqual(
    initialised.leftOut.map(({ name }) => name),
    ['gone'],
  );
  const mode = async (file: string): Promise<number> => (await stat(file)).mode & 0o777;
  assert.equal(await mode(config), 0o600);
  assert.equal(await mode(initialised.agent.file), 0o600);
  assert.equal(await mode(initialised.operator.file), 0o600);
  assert.equal((await readFile(initialised.agent.file, 'utf8')).trim(), initialised.agent.token);
  const written = await readFile(config, 'utf8');
  assert.ok(!written.includes(initialised.agent.token) && !written.includes(initialised.operator.token));
});

test('init overwrites nothing, and with --force puts the earlier files aside', async () => {
  const before = await readFile(config, 'utf8');
  const refused = await cmcp(['init', '--from', 'mcp.json', '--out', 'gateway'], folder);
  assert.equal(refused.code, 1);
  assert.ok(refused.stderr.includes('OUTPUT_EXISTS'));
  assert.match(refused.stderr, /cmcp\.yaml, catalog\.json, policy, secrets.*--force/);
  assert.equal(await readFile(config, 'utf8'), before);
  await copySetup(join(folder, 'other'));
  const forced = await cmcp(['init', '--from', 'mcp.json', '--out', 'other', '--force'], folder);
  assert.equal(forced.code, 0, forced.stderr);
  assert.match(forced.stdout, /Put aside: cmcp\.yaml\.previous, catalog\.json\.previous, policy\.previous/);
  assert.match(forced.stdout, /CMCP_DEV_MODE=1 cmcp start --config/);
  assert.match(forced.stdout, /^memory +9 +1 +0 +0 +no$/m);
  assert.match(forced.stdout, /No server may ask.*\n.*"asks": \["elicit", "sample", "list_roots"\]/);
  assert.match(forced.stderr, /left out: gone: UPSTREAM_UNAVAILABLE/);
  const files = await readdir(join(folder, 'other'));
  assert.ok(['cmcp.yaml', 'cmcp.yaml.previous', 'policy', 'policy.previous'].every((name) => files.includes(name)));
});

test('init that reaches no server writes nothing, with exit code 1', async () => {
  await writeFile(join(folder, 'dead.json'), JSON.stringify({ servers: { gone: { command: '/bin/false' } } }));
  const { code, stderr } = await cmcp(['init', '--from', 'dead.json', '--out', 'nowhere'], folder);
  assert.equal(code, 1);
  assert.match(stderr, /no server can be taken over, so nothing was written/);
  await assert.rejects(stat(join(folder, 'nowhere')), /ENOENT/);
});

test('init into a folder too deep for the operator socket says so before it asks or writes anything', async () => {
  const out = join('deep', 'x'.repeat(100));
  const { code, stderr } = await cmcp(['init', '--from', 'mcp.json', '--out', out], folder);
  assert.equal(code, 1);
  assert.match(stderr, /a Unix socket takes 100\. Give --out a folder with a shorter path/);
  await assert.rejects(stat(join(folder, 'deep')), /ENOENT/);
});

test('check approves what init wrote, prints the hashes to pin, and pinned it needs no dev mode [W-44]', async () => {
  const { code, stdout } = await cmcp(['check', '--config', config, '--json'], folder);
  assert.equal(code, 0, stdout);
  const report = JSON.parse(stdout);
  assert.deepEqual(
    report.servers.map(({ id, status }: { id: string; status: string }) => [id, status]),
    [
      ['files', 'as approved'],
      ['memory', 'as approved'],
    ],
  );
  const production = {
    CMCP_DEV_MODE: '',
    CMCP_POLICY_HASH: report.policy.hash,
    CMCP_CATALOG_HASH: report.catalog.hash,
  };
  assert.equal((await cmcpInProcess(['check', '--config', config, '--offline'], folder, production)).code, 0);
  const unpinned = await cmcpInProcess(['check', '--config', config, '--offline'], folder, { CMCP_DEV_MODE: '' });
  assert.equal(unpinned.code, 1);
  assert.match(unpinned.stdout, new RegExp(`set policy\\.hash to ${report.policy.hash}`));
  const other = await cmcpInProcess(['check', '--config', config, '--offline'], folder, {
    CMCP_POLICY_HASH: 'a'.repeat(64),
  });
  assert.equal(other.code, 1);
  assert.match(other.stdout, /POLICY_HASH_MISMATCH/);
  const start = await cmcp(['start', '--config', config], folder, production);
  assert.equal(start.code, 3, 'no hardware, no dev mode: the environment lacks something');
  assert.match(start.stderr, /ATTESTATION_UNAVAILABLE.*\n.*CMCP_DEV_MODE/);
});

test('check finds a changed definition, a withdrawn tool, an unapproved one and a misspelt server', async () => {
  const copy = join(folder, 'drifted');
  await copySetup(copy);
  const file = join(copy, 'catalog.json');
  const catalog = JSON.parse(await readFile(file, 'utf8'));
  const tool = (name: string) => catalog.tools.find((each: { name: string }) => each.name === name);
  tool('read_text_file').definition.description += ' ';
  tool('write_file').definition.name = 'withdrawn_file';
  tool('write_file').upstream_name = 'withdrawn_file';
  catalog.servers.find((each: { id: string }) => each.id === 'memory').spawn = { command: '/bin/false' };
  await writeFile(file, JSON.stringify(catalog));
  await writeFile(
    join(copy, 'cmcp.yaml'),
    `${await readFile(join(copy, 'cmcp.yaml'), 'utf8')}  "flies": {timeout: 5s}\n`,
  );
  const { code, stdout } = await cmcp(['check', '--config', join(copy, 'cmcp.yaml')], folder);
  assert.equal(code, 1);
  assert.match(stdout, /files +changed .*read_text_file changed \(description\)/);
  assert.match(stdout, /write_file is no longer offered; offered but not approved: write_file/);
  assert.match(stdout, /memory +unreachable +9 +1 +0 +0 +UPSTREAM_UNAVAILABLE/);
  assert.match(stdout, /upstreams\.flies is no server of the catalog; the nearest is files/);
});

async function connect(url: string): Promise<Client> {
  const client = new Client({ name: 'journey', version: '1.0.0' });
  const headers = { Authorization: `Bearer ${initialised.agent.token}` };
  await client.connect(new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } }));
  return client;
}

const session = (args: string[]) => cmcpInProcess(['session', ...args, '--config', config], folder);

test('a session is used, listed, reset, exported, closed and verified [UX-01] [UX-02] [UX-06] [UX-08]', async (t) => {
  const gateway = await startProcess(config, folder);
  t.after(gateway.stop);
  const client = await connect(gateway.started.url ?? '');
  t.after(() => client.close());
  const result = await client.callTool({ name: 'read_text_file', arguments: { path: join(folder, 'note.txt') } });
  const receipt = JSON.stringify(result._meta);
  const listed = JSON.parse((await session(['list', '--json'])).stdout).sessions;
  const { session_id: id } = listed.find((row: { subject: string }) => row.subject === 'agent');
  assert.match((await session(['list'])).stdout, new RegExp(`^${id} +agent +open `, 'm'));
  const reset = await session(['reset', 'agent', '--reason', 'ticket 4711']);
  assert.equal(reset.stdout, 'agent now counts as having seen: public\n');
  const absent = await session(['reset', 'nobody', '--reason', 'x']);
  assert.match(absent.stderr, /no session of "nobody" is open/);
  const file = join(folder, 'exported.cmcp.json');
  assert.match((await session(['close', id])).stdout, /is closed\. Its file: /);
  assert.equal((await session(['export', id, '--out', file])).code, 0);
  const again = await session(['export', id, '--out', file]);
  assert.match(again.stderr, /exported\.cmcp\.json exists already/);
  assert.match((await session(['close', id])).stderr, /SESSION_UNKNOWN/);

  const verified = await cmcpInProcess(['verify', file, ...RELAXED], folder);
  assert.equal(verified.code, 0, verified.stdout);
  assert.match(verified.stdout, /VERIFIED WITH --accept-software --unpinned-policy --unpinned-catalog/);
  assert.match(verified.stdout, /against: known on this machine: .*known_keys/);
  for (const title of ['PROVEN', 'ASSERTED', 'NOT CHECKED', 'RELAXED BY YOU', 'TRUST THAT REMAINS']) {
    assert.match(verified.stdout, new RegExp(`^ {2}${title}`, 'm'));
  }
  const receiptFile = join(folder, 'receipt.json');
  await writeFile(receiptFile, receipt);
  const pinned = ['--policy-hash', gateway.started.policyHash, '--catalog-hash', gateway.started.catalogHash];
  const strict = ['verify', file, '--accept-software', ...pinned, '--key', gateway.started.keyFile];
  assert.equal((await cmcpInProcess([...strict, '--receipt', receiptFile], folder)).code, 0);
  const bareKey = join(folder, 'key.txt');
  await writeFile(bareKey, `${gateway.started.publicKey}\n`);
  assert.equal((await cmcpInProcess(['verify', file, ...RELAXED, '--key', bareKey], folder)).code, 0);

  const lacking = await cmcpInProcess(['verify', file], folder);
  assert.equal(lacking.code, 1);
  assert.match(lacking.stdout, /CONSISTENT, NOT VERIFIED/);
  assert.match(lacking.stdout, /LACKING[\s\S]*--policy-hash/);
  const elsewhere = await cmcpInProcess(['verify', file, ...RELAXED], folder, {
    XDG_CONFIG_HOME: join(folder, 'nobody'),
  });
  assert.equal(elsewhere.code, 1, 'the key is known on this machine only');
  const wrong = await cmcpInProcess(['verify', file, ...RELAXED.slice(0, 2), '--catalog-hash', 'b'.repeat(64)], folder);
  assert.match(wrong.stdout, /REFUSED[\s\S]*FAILED/);
  await refusesAnyFlippedByte(file);
});

/** Every altered copy is refused; and with a good one beside it, the command still is. */
async function refusesAnyFlippedByte(file: string): Promise<void> {
  const text = await readFile(file, 'utf8');
  const altered = join(folder, 'altered.cmcp.json');
  await writeFile(altered, text.replace('"read_text_file"', '"read_text_filf"'));
  const { code, stdout } = await cmcpInProcess(['verify', file, altered, ...RELAXED, '--json'], folder);
  assert.equal(code, 1);
  const { verified, files } = JSON.parse(stdout);
  assert.equal(verified, false);
  assert.deepEqual(
    files.map((each: { verdict: string }) => each.verdict),
    ['verified', 'refused'],
  );
}

test('the operator interface refuses an unknown token and an agent’s [D-51]', async (t) => {
  const gateway = await startProcess(config, folder);
  t.after(gateway.stop);
  const asAgent = await session(['list', '--token-file', initialised.agent.file]);
  assert.deepEqual([asAgent.code, asAgent.stdout], [1, '']);
  assert.match(asAgent.stderr, /may not operate the gateway.*recorded/);
  const unknown = join(folder, 'unknown.token');
  await writeFile(unknown, 'unknown');
  await chmod(unknown, 0o600);
  assert.match((await session(['list', '--token-file', unknown])).stderr, /does not know this operator token/);
});

test('SIGTERM closes every session with a file that verifies, and SIGHUP reloads', async (t) => {
  const gateway = await startProcess(config, folder);
  t.after(gateway.stop);
  const client = await connect(gateway.started.url ?? '');
  t.after(() => client.close());
  await client.callTool({ name: 'read_graph', arguments: {} });
  const { stderr } = gateway.child;
  assert.ok(stderr);
  const reloaded = new Promise<void>((resolve) => {
    stderr.on('data', (chunk: Buffer) => chunk.toString().includes('"event":"reloaded"') && resolve());
  });
  gateway.child.kill('SIGHUP');
  await reloaded;
  await gateway.stop();
  assert.equal(gateway.child.exitCode, 0);
  const files = (await readdir(gateway.started.sessionsFolder)).map((name) =>
    join(gateway.started.sessionsFolder, name),
  );
  const { code, stdout } = await cmcpInProcess(['verify', ...files, ...RELAXED], folder);
  assert.equal(code, 0, stdout);
});

test('a second signal ends a gateway that waits for a server, with exit code 1', async (t) => {
  const copy = join(folder, 'stubborn');
  await copySetup(copy);
  const file = join(copy, 'catalog.json');
  const catalog = JSON.parse(await readFile(file, 'utf8'));
  const stubborn = { command: '/bin/sh', args: ['-c', 'trap "" TERM; while :; do sleep 1; done'] };
  for (const server of catalog.servers) server.spawn = stubborn;
  await writeFile(file, JSON.stringify(catalog));
  const gateway = await startProcess(join(copy, 'cmcp.yaml'), folder);
  t.after(gateway.kill);
  const { stderr } = gateway.child;
  assert.ok(stderr);
  stderr.on('data', (chunk: Buffer) => {
    if (chunk.toString().includes('"event":"stopping"')) gateway.child.kill('SIGTERM');
  });
  gateway.child.kill('SIGTERM');
  const [code] = await once(gateway.child, 'exit');
  assert.equal(code, 1);
});

test('a client spawns the gateway over stdio, and standard output holds nothing but MCP', async () => {
  const transport = new StdioClientTransport({
    command: process.execPath,
    args: [CLI, 'start', '--stdio', '--config', config],
    env: cliEnvironment(folder),
    stderr: 'pipe',
  });
  const said: string[] = [];
  transport.stderr?.on('data', (chunk: Buffer) => said.push(chunk.toString()));
  const errors: Error[] = [];
  const client = new Client({ name: 'desktop', version: '1.0.0' });
  client.onerror = (error) => errors.push(error);
  await client.connect(transport);
  const { tools } = await client.listTools();
  assert.ok(tools.some(({ name }) => name === 'read_text_file'));
  const result = await client.callTool({ name: 'read_text_file', arguments: { path: join(folder, 'note.txt') } });
  assert.match(JSON.stringify(result.content), /a note/);
  await client.close();
  assert.deepEqual(errors, []);
  assert.match(said.join(''), /DEV MODE: the claim key is a software key/);
});
