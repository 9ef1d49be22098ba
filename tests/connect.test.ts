import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { connect as connectTcp, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import type { StartedGateway } from '@cmcp/gateway';
import { Client as ClientV2 } from '@modelcontextprotocol/client';
import { StdioClientTransport as StdioV2 } from '@modelcontextprotocol/client/stdio';
import { Client as ClientV1 } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport as StdioV1 } from '@modelcontextprotocol/sdk/client/stdio.js';
import { Front } from './support/attested-gateway.ts';
import { selfSigned } from './support/certificate.ts';
import { CLI, cliEnvironment, type Ran } from './support/cli.ts';
import { cmcpInProcess } from './support/cli-in-process.ts';
import { AGENT_TOKEN, TestBed } from './support/gateway.ts';

const INFO = { name: 'test-agent', version: '1' };
const PING = '{"jsonrpc":"2.0","id":1,"method":"ping"}\n';

let bed: TestBed;
let started: StartedGateway;
let url = '';
let expectations = '';

before(async () => {
  const properties = { message: { type: 'string' } };
  bed = await TestBed.create({
    tools: [{ name: 'echo', inputSchema: { type: 'object', properties } }],
    config: 'tls: generated',
  });
  ({ started } = await bed.start());
  url = started.url ?? '';
  expectations = await expect('gateway.json', {});
});
after(() => bed.close());

/** A file of expectations of the gateway in dev mode. */
async function expect(name: string, changed: object): Promise<string> {
  const file = join(bed.folder, name);
  const { policyHash, catalogHash, publicKey } = started;
  const values = { policy_hash: policyHash, catalog_hash: catalogHash, keys: [publicKey], accept: ['software'] };
  await writeFile(file, JSON.stringify({ cmcp_expect: 1, ...values, ...changed }));
  return file;
}

const environment = (): Record<string, string> => ({ ...cliEnvironment(bed.folder), CMCP_TOKEN: AGENT_TOKEN });
const spawned = () => ({
  command: process.execPath,
  args: [CLI, 'connect', url, '--expect', expectations, '--token-env', 'CMCP_TOKEN'],
  env: environment(),
  stderr: 'ignore' as const,
});

/** What the test asks of a client of any version. */
interface AnyClient {
  listTools(): Promise<{ tools: { name: string }[] }>;
  callTool(request: { name: string; arguments: Record<string, unknown> }): Promise<unknown>;
  close(): Promise<void>;
}

const CLIENTS: Record<string, () => Promise<AnyClient>> = {
  'SDK v1': async () => {
    const client = new ClientV1(INFO);
    await client.connect(new StdioV1(spawned()));
    return client as unknown as AnyClient;
  },
  'SDK v2, handshake': async () => {
    const client = new ClientV2(INFO, { versionNegotiation: { mode: 'legacy' } });
    await client.connect(new StdioV2(spawned()));
    return client as unknown as AnyClient;
  },
  'SDK v2, 2026-07-28': async () => {
    const client = new ClientV2(INFO, { versionNegotiation: { mode: 'auto' } });
    await client.connect(new StdioV2(spawned()));
    return client as unknown as AnyClient;
  },
};

for (const [name, connect] of Object.entries(CLIENTS)) {
  test(`${name} lists, calls and is refused through the bridge as it would be by the gateway itself`, async () => {
    const client = await connect();
    try {
      const { tools } = await client.listTools();
      assert.deepEqual(
        tools.map((tool) => tool.name),
        ['echo'],
      );
      const answer = await client.callTool({ name: 'echo', arguments: { message: 'größe' } });
      assert.match(JSON.stringify(answer), /echo \{\\"message\\":\\"größe\\"\}/);
      assert.match(JSON.stringify(answer), /io\.cmcp\/call/);
      await assert.rejects(client.callTool({ name: 'nothing', arguments: {} }), /not in the approved catalog/);
    } finally {
      await client.close();
    }
  });
}

/** Runs `cmcp connect` with one line on standard input, which then closes, stays open, or is followed by a signal. */
async function connectWith(args: string[], end: 'close' | 'SIGTERM' | 'none' = 'close'): Promise<Ran> {
  const child = spawn(process.execPath, [CLI, 'connect', ...args], { env: environment() });
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => {
    out.push(chunk);
    if (end === 'SIGTERM') child.kill('SIGTERM');
  });
  child.stderr.on('data', (chunk: Buffer) => err.push(chunk));
  child.stdin.write(PING);
  if (end === 'close') child.stdin.end();
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, stdout: Buffer.concat(out).toString(), stderr: Buffer.concat(err).toString() };
}

test('the end of the input and a signal are good ends, and what was checked is said on standard error only', async () => {
  for (const end of ['close', 'SIGTERM'] as const) {
    const { code, stdout, stderr } = await connectWith(
      [url, '--expect', expectations, '--token-env', 'CMCP_TOKEN'],
      end,
    );
    assert.equal(code, 0, stderr);
    assert.deepEqual(JSON.parse(stdout), { jsonrpc: '2.0', id: 1, result: {} });
    assert.ok(stderr.includes(started.policyHash) && stderr.includes(started.catalogHash), stderr);
    assert.match(stderr, /No hardware vouches for it/);
    assert.ok(!stderr.includes(AGENT_TOKEN));
  }
});

test('a credential that the gateway does not know is refused by it, for the request', async () => {
  const file = join(bed.folder, 'wrong.token');
  await writeFile(file, 'not-a-token-of-anybody\n');
  const { code, stdout } = await connectWith([url, '--expect', expectations, '--token-file', file]);
  assert.equal(code, 0);
  assert.match(
    stdout,
    /^\{"jsonrpc":"2\.0","id":1,"error":\{"code":-32600,"message":"A valid credential is required\."/,
  );
});

test('a relay in front of the real gateway ends the command, and sees nothing but the question for an attestation', async () => {
  const port = Number(new URL(url).port);
  const behind = (): Socket => connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false });
  const relay = await new Front(selfSigned('relay'), behind).listen();
  try {
    const args = [relay.url.href, '--expect', expectations, '--token-env', 'CMCP_TOKEN', '--json'];
    const { code, stdout, stderr } = await connectWith(args, 'none');
    assert.equal(code, 1);
    assert.match(stdout, /somebody stands between you and the gateway/);
    const said = stderr.split('\n').filter((line) => line !== '');
    assert.equal(JSON.parse(said.at(-1) ?? '').event, 'refused');
    assert.match(relay.bytes, /^GET \/\.well-known\/cmcp\/attestation\?nonce=/);
    assert.ok(!relay.bytes.includes(AGENT_TOKEN) && !relay.bytes.includes('ping') && !relay.bytes.includes('POST'));
  } finally {
    await relay.close();
  }
});

test('a relay that only passes bytes on changes nothing', async () => {
  const port = Number(new URL(url).port);
  const relay = createServer((socket) => {
    const inner = connectTcp(port, '127.0.0.1');
    for (const each of [socket, inner]) each.on('error', () => {});
    socket.pipe(inner).pipe(socket);
  }).listen(0, '127.0.0.1');
  await once(relay, 'listening');
  const address = relay.address();
  assert.ok(address !== null && typeof address === 'object');
  const through = `https://127.0.0.1:${address.port}`;
  const { code, stdout, stderr } = await connectWith([through, '--expect', expectations, '--token-env', 'CMCP_TOKEN']);
  relay.close();
  assert.equal(code, 0, stderr);
  assert.match(stdout, /"result":\{\}/);
});

test('a gateway that runs something else than expected is refused', async () => {
  const other = `sha256:${'0'.repeat(64)}`;
  for (const [name, changed] of [
    ['policy', { policy_hash: other }],
    ['machine', { measurement: other }],
  ] as const) {
    const file = await expect('other.json', changed);
    const { code, stderr } = await connectWith([url, '--expect', file, '--token-env', 'CMCP_TOKEN'], 'none');
    assert.equal(code, 1, name);
    assert.match(stderr, /refused: .*Nothing more is forwarded/s, name);
  }
});

test('a command line that would check less than it seems is refused before anything is opened', async () => {
  const badFile = join(bed.folder, 'bad.json');
  await writeFile(badFile, '{"cmcp_expect":1,"polcy_hash":"x"}');
  const cases: [string[], number, RegExp][] = [
    [[], 2, /name the URL of one gateway/],
    [[url], 2, /nothing is trusted on first use/],
    [['gateway.example', '--expect', expectations], 2, /not an https URL/],
    [['ftp://127.0.0.1', '--expect', expectations], 2, /not an https URL/],
    [[url, url, '--expect', expectations], 2, /one gateway/],
    [[url, '--expect', badFile], 1, /polcy_hash/],
    [[url, '--expect', join(bed.folder, 'none.json')], 1, /does not exist/],
    [[url, '--expect', expectations, '--token-env', 'NOT_SET'], 3, /NOT_SET is not set/],
    [[url, '--expect', expectations, '--token-env', 'A', '--token-file', 'b'], 2, /not both/],
    [[url, '--expect', expectations, '--reverify', '0s'], 2, /--reverify takes/],
    [[url, '--expect', expectations, '--ca', badFile], 1, /no PEM certificates/],
    [[url.replace('https', 'http'), '--expect', expectations], 1, /plain http is only for/],
    [['https://user:pass@127.0.0.1/', '--expect', expectations], 1, /URL is not acceptable/],
  ];
  const loose = await expect('loose.json', { accept: ['software', 'no-tls'] });
  cases.push([['http://gateway.example/mcp', '--expect', loose], 1, /plain http is for loopback only/]);
  for (const [args, code, why] of cases) {
    const ran = await cmcpInProcess(['connect', ...args], bed.folder);
    assert.equal(ran.code, code, `${args.join(' ')}: ${ran.stderr}`);
    assert.match(ran.stderr, why);
    assert.equal(ran.stdout, '');
  }
});
