import assert from 'node:assert/strict';
import { glob, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { SessionFile } from '@cmcp/evidence';
import { Client as ClientV2, StreamableHTTPClientTransport as HttpV2 } from '@modelcontextprotocol/client';
import { StdioClientTransport as StdioV2 } from '@modelcontextprotocol/client/stdio';
import { Client as ClientV1 } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport as StdioV1 } from '@modelcontextprotocol/sdk/client/stdio.js';
import { StreamableHTTPClientTransport as HttpV1 } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { CLI, cliEnvironment } from './support/cli.ts';
import { AGENT_TOKEN, ALLOW_ALL, TestBed, type TestTool } from './support/gateway.ts';

/** What the tests ask of a client of any version. */
interface AnyClient {
  listTools(): Promise<{ tools: { name: string }[] }>;
  callTool(request: { name: string; arguments: Record<string, unknown> }): Promise<unknown>;
  close(): Promise<void>;
}

const INFO = { name: 'test-agent', version: '1' };
const HEADERS = { requestInit: { headers: { authorization: `Bearer ${AGENT_TOKEN}` } } };

/** `cmcp start --stdio`, spawned as a desktop client spawns its one server. */
const spawned = (bed: TestBed) => ({
  command: process.execPath,
  args: [CLI, 'start', '--stdio', '--config', bed.configFile],
  env: cliEnvironment(bed.folder),
  stderr: 'ignore' as const,
});

async function v1(transport: HttpV1 | StdioV1): Promise<AnyClient> {
  const client = new ClientV1(INFO);
  await client.connect(transport as Parameters<ClientV1['connect']>[0]);
  return client as unknown as AnyClient;
}

async function v2(transport: HttpV2 | StdioV2, mode: 'legacy' | 'auto'): Promise<AnyClient> {
  const client = new ClientV2(INFO, { versionNegotiation: { mode } });
  await client.connect(transport);
  return client as unknown as AnyClient;
}

const CLIENTS: Record<string, (bed: TestBed, url: URL) => Promise<AnyClient>> = {
  'SDK v1 over HTTP': (_bed, url) => v1(new HttpV1(url, HEADERS)),
  'SDK v2 over HTTP, handshake': (_bed, url) => v2(new HttpV2(url, HEADERS), 'legacy'),
  'SDK v2 over HTTP, 2026-07-28': (_bed, url) => v2(new HttpV2(url, HEADERS), 'auto'),
  'SDK v1 over stdio': (bed) => v1(new StdioV1(spawned(bed))),
  'SDK v2 over stdio, handshake': (bed) => v2(new StdioV2(spawned(bed)), 'legacy'),
  'SDK v2 over stdio, 2026-07-28': (bed) => v2(new StdioV2(spawned(bed)), 'auto'),
};

const ECHO: TestTool = {
  name: 'echo',
  description: 'Says it again',
  inputSchema: { type: 'object', properties: { message: { type: 'string' } } },
};
const POLICIES = {
  ...ALLOW_ALL,
  'forbid.cedar':
    'forbid (principal, action == Action::"echo", resource) when { context.arguments has message && context.arguments.message == "no" };',
};

/** What every entry of a call says that does not depend on who called, when, or over what. */
const ENTERED = [
  ['tool_call', 'echo', 'allow', 'policy0', 'pass', 'public', true],
  ['tool_call', 'echo', 'deny', 'policy1', 'n/a', 'public', false],
  ['tool_call', 'nothing', 'deny', 'catalog_miss', 'n/a', null, false],
];

async function enteredCalls(bed: TestBed): Promise<unknown[]> {
  const files: string[] = [];
  for await (const file of glob('**/sessions/*.cmcp.json', { cwd: bed.dataDir })) files.push(join(bed.dataDir, file));
  const texts = await Promise.all(files.map((file) => readFile(file, 'utf8')));
  const entries = texts.flatMap((text) => (JSON.parse(text) as SessionFile).bundle.entries);
  return entries
    .filter((entry) => entry.call_id !== null)
    .map((entry) => [
      entry.entry_type,
      entry.tool_name,
      entry.policy_decision,
      entry.policy_rule_matched,
      entry.response_inspection_result,
      entry.effective_data_class,
      entry.response_payload_hash !== null,
    ]);
}

for (const [name, connect] of Object.entries(CLIENTS)) {
  test(`${name}: lists, calls, and is refused, with the same decisions and the same entries as every other client [ERA-02] [ERA-04] [W-26] [D-50]`, async () => {
    const bed = await TestBed.create({ tools: [ECHO], policies: POLICIES });
    try {
      const { gateway, url } = await bed.start();
      const client = await connect(bed, url);
      try {
        assert.deepEqual(
          (await client.listTools()).tools.map((tool) => tool.name),
          ['echo'],
        );
        const answer = await client.callTool({ name: 'echo', arguments: { message: 'yes' } });
        assert.match(JSON.stringify(answer), /echo \{\\"message\\":\\"yes\\"\}/);
        await assert.rejects(client.callTool({ name: 'echo', arguments: { message: 'no' } }), /denied by policy/);
        await assert.rejects(client.callTool({ name: 'nothing', arguments: {} }), /not in the approved catalog/);
        assert.equal(bed.server.calls.length, 1);
      } finally {
        await client.close();
      }
      await gateway.stop();
      assert.deepEqual(await enteredCalls(bed), ENTERED);
    } finally {
      await bed.close();
    }
  });
}
