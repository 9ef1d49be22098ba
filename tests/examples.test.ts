import assert from 'node:assert/strict';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Gateway, loadConfig, readEnvironment } from '@cmcp/gateway';
import {
  type Client,
  Client as McpClient,
  ProtocolError,
  StreamableHTTPClientTransport,
} from '@modelcontextprotocol/client';
import { type ExampleCatalog, standIn } from '../examples/stand-ins/serve.ts';
import { cmcpInProcess } from './support/cli-in-process.ts';
import { measuredOnce, quietProcess } from './support/process.ts';

const EXAMPLES = fileURLToPath(new URL('../examples/', import.meta.url));
const NAMES = ['customer-support', 'clinical-data', 'trading'];

let work = '';
before(async () => {
  work = await mkdtemp(join(tmpdir(), 'cmcp-examples-'));
});
after(() => rm(work, { recursive: true, force: true }));

async function succeeds(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await cmcpInProcess(args, work);
  assert.equal(code, 0, `${args.join(' ')}\n${stdout}${stderr}`);
  return stdout;
}

for (const name of NAMES) {
  const config = ['--config', join(EXAMPLES, name, 'cmcp.yaml')];

  test(`the ${name} bundle lints clean, passes its tests, which reach each policy, and holds its invariants`, async () => {
    assert.equal((await succeeds('policy', 'lint', '--strict', ...config)).trim(), 'Nothing found.');
    await succeeds('policy', 'test', '--min-coverage', '100', ...config);
    await succeeds('policy', 'test', '--property', '--runs', '2000', '--seed', '1', ...config);
    const schema = await readFile(join(EXAMPLES, name, 'policy', 'schema.cedarschema'), 'utf8');
    assert.equal(await succeeds('policy', 'schema', ...config), schema, 'the schema is that of the catalog');
  });

  test(`the ${name} gateway decides as its page says`, async (t) => {
    const call = await running(t, name);
    const page = await readFile(join(EXAMPLES, name, 'README.md'), 'utf8');
    const rows = [...page.matchAll(/^\| `(\S+)` \| `(\w+)` `(\{.*?\})` \| ([a-z-]+) \|/gm)];
    assert.ok(rows.length >= 5);
    for (const [row, agent = '', tool = '', given = '', decision] of rows) {
      assert.equal(await call(agent, tool, JSON.parse(given)), decision, row);
    }
  });
}

type Call = (agent: string, tool: string, given: Record<string, unknown>) => Promise<string>;

/** An example's gateway on a copy of its folder, with its stand-ins on free ports. */
async function running(t: TestContext, name: string): Promise<Call> {
  const folder = join(work, name);
  await cp(join(EXAMPLES, name), folder, { recursive: true });
  const catalog = JSON.parse(await readFile(join(folder, 'catalog.json'), 'utf8')) as ExampleCatalog;
  for (const server of catalog.servers) {
    const { url, close } = await standIn(catalog, server.id, 0);
    t.after(close);
    server.url = url;
  }
  await writeFile(join(folder, 'catalog.json'), JSON.stringify(catalog));
  const environment = readEnvironment({ CMCP_DEV_MODE: '1', PATH: process.env.PATH });
  const config = await loadConfig(join(folder, 'cmcp.yaml'), environment);
  const own = { environment, report: () => undefined, process: quietProcess(), measureCode: measuredOnce };
  const gateway = new Gateway(config, own);
  const { url } = await gateway.start();
  t.after(() => gateway.stop());
  const clients = new Map<string, Client>();
  return async (agent, tool, given) => {
    const client = clients.get(agent) ?? new McpClient({ name: 'example', version: '1' });
    if (!clients.has(agent)) {
      const headers = { authorization: `Bearer example-token-of-${agent}` };
      await client.connect(new StreamableHTTPClientTransport(new URL(url ?? ''), { requestInit: { headers } }));
      clients.set(agent, client);
      t.after(() => client.close());
    }
    return decisionOf(client.callTool({ name: tool, arguments: given }));
  };
}

const REFUSALS: Readonly<Record<string, string>> = {
  POLICY_DENY: 'denied',
  STEP_UP_REQUIRED: 'step-up',
  DEFERRED: 'deferred',
};

async function decisionOf(call: ReturnType<Client['callTool']>): Promise<string> {
  try {
    const { _meta } = await call;
    const { redacted } = (_meta?.['io.cmcp/call'] ?? {}) as { redacted?: number };
    return redacted === undefined ? 'allowed' : 'redacted';
  } catch (error) {
    assert.ok(error instanceof ProtocolError, String(error));
    const { error_code } = error.data as { error_code: string };
    return REFUSALS[error_code] ?? error_code;
  }
}
