/** `npm run example <name>`: the stand-ins of an example's servers, and its gateway in front of them, until Ctrl-C. */
import { mkdtemp, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Gateway, loadConfig, readEnvironment } from '@cmcp/gateway';
import { type ExampleCatalog, standIn } from './stand-ins/serve.ts';

const EXAMPLES = ['customer-support', 'clinical-data', 'trading'];

const [name = ''] = process.argv.slice(2);
if (!EXAMPLES.includes(name)) {
  process.stderr.write(`Say which example: npm run example ${EXAMPLES.join(' | ')}\n`);
  process.exit(2);
}

const folder = fileURLToPath(new URL(`./${name}/`, import.meta.url));
const catalog = JSON.parse(await readFile(join(folder, 'catalog.json'), 'utf8')) as ExampleCatalog;
const standIns = await Promise.all(
  catalog.servers.map(({ id, url }) => standIn(catalog, id, Number(new URL(url).port))),
);
const data = await mkdtemp(join(tmpdir(), 'cmcp-example-'));
const environment = readEnvironment({ CMCP_DEV_MODE: '1', PATH: process.env.PATH });
const config = { ...(await loadConfig(join(folder, 'cmcp.yaml'), environment)), dataDir: data };
config.operator = { ...config.operator, socket: join(data, 'operator.sock') };
const gateway = new Gateway(config, {
  environment,
  report: (event, detail) => process.stderr.write(`${event}: ${detail}\n`),
});
const { url, sessionsFolder } = await gateway.start();

const [agent] = config.agents;
process.stdout.write(`
The ${name} gateway serves ${url}, with a software key, and made-up servers behind it.
Agents: ${config.agents.map(({ subject }) => `${subject} (token example-token-of-${subject})`).join(', ')}.
Sessions are written to ${sessionsFolder} when the gateway ends: press Ctrl-C.

  curl -s ${url} -H 'Authorization: Bearer example-token-of-${agent?.subject}' \\
    -H 'Content-Type: application/json' -H 'Accept: application/json, text/event-stream' \\
    -H 'MCP-Protocol-Version: 2026-07-28' -H 'Mcp-Method: tools/list' \\
    -d '{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}'

`);

await new Promise<void>((resolve) => process.once('SIGINT', resolve).once('SIGTERM', resolve));
await gateway.stop();
await Promise.all(standIns.map((each) => each.close()));
process.stdout.write(`The files of the sessions are in ${sessionsFolder}\n`);
