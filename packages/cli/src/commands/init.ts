import { fileURLToPath } from 'node:url';
import type { InitResult } from '@cmcp/gateway';
import { type Command, JSON_OPTION } from '../command.ts';
import { EXIT, type Io, UsageError } from '../io.ts';
import { approvedText, findingsHint, leftOutText } from '../setup/init-text.ts';

const DEFAULT_OUT = './cmcp';
const DEFAULT_LISTEN = '127.0.0.1:8443';

export const initCommand: Command = {
  name: 'init',
  usage: '--from MCP.JSON [--out DIR] [--listen HOST:PORT] [--force] [--json]',
  summary: 'turn the configuration of an MCP client into a gateway',
  description: [
    'Reads the servers of an existing client configuration (`mcpServers`, or `servers` of VS Code), contacts each, approves',
    'what it offers now (tools, resources, prompts, instructions), and writes configuration, catalog, a starting policy and two',
    'tokens. What it suggests is for you to review: effects come from what servers say of themselves. A server that does not',
    'answer is left out, and named; so is what a catalog cannot hold.',
  ],
  options: {
    from: { value: 'FILE', help: 'The configuration of the client.' },
    out: { value: 'DIR', help: `Folder to write into (default: ${DEFAULT_OUT}).` },
    listen: { value: 'HOST:PORT', help: `Where agents will connect (default: ${DEFAULT_LISTEN}).` },
    force: { help: 'Put earlier files of that folder aside, as NAME.previous.' },
    json: JSON_OPTION,
  },
  examples: [
    ['cmcp init --from ~/.cursor/mcp.json', 'Govern the servers of a desktop client'],
    ['cmcp init --from .vscode/mcp.json --out gateway', 'The same for a project, in another folder'],
  ],
  async run(given, io) {
    const from = given.one('from');
    if (from === null) throw new UsageError('name the configuration of your MCP client with --from');
    const { initialise, readEnvironment } = await import('@cmcp/gateway');
    const environment = readEnvironment(io.variables);
    const options = {
      from,
      out: given.one('out') ?? DEFAULT_OUT,
      listen: given.one('listen') ?? DEFAULT_LISTEN,
      force: given.has('force'),
    };
    const result = await initialise(options, environment);
    if (given.has('json'))
      io.out(`${JSON.stringify({ ...result, clients: clientSnippets(result, options.listen) }, null, 2)}\n`);
    else tell(result, options.listen, io);
    return result.config === null ? EXIT.refused : EXIT.done;
  },
};

/** What to put into the client's configuration instead of the servers, in both forms. */
function clientSnippets({ config, agent }: InitResult, listen: string): { stdio: object; http: object } | null {
  if (config === null || agent === null) return null;
  const script = fileURLToPath(new URL('../../bin/cmcp.js', import.meta.url));
  const stdio = {
    command: process.execPath,
    args: [script, 'start', '--stdio', '--config', config],
    env: { CMCP_DEV_MODE: '1' },
  };
  const http = { type: 'http', url: `http://${listen}/mcp`, headers: { Authorization: `Bearer ${agent.token}` } };
  return { stdio: { mcpServers: { cmcp: stdio } }, http: { mcpServers: { cmcp: http } } };
}

function tell(result: InitResult, listen: string, io: Io): void {
  io.out(approvedText(result));
  io.err(leftOutText(result));
  io.err(findingsHint(result));
  if (result.config === null) io.err('cmcp: no server can be taken over, so nothing was written\n');
  else io.out(nextSteps(result, listen));
}

function nextSteps(result: InitResult, listen: string): string {
  const { config, agent, operator, putAside } = result;
  const snippets = clientSnippets(result, listen);
  const aside = putAside.length > 0 ? [`Put aside: ${putAside.join(', ')}`] : [];
  return `${[
    `Wrote ${config} (only you may read it: it can hold credentials of servers), catalog.json and policy/ beside it.`,
    ...aside,
    `Agent token:    ${agent?.token}`,
    `                ${agent?.file}`,
    `Operator token: ${operator?.file}`,
    '',
    'No server may ask your user, your model or for your folders while it serves a call. To allow one that needs it, give it',
    'in catalog.json: "asks": ["elicit", "sample", "list_roots"], or those of the three that it needs.',
    '',
    'Next:',
    `  1. Review catalog.json and policy/, then: CMCP_DEV_MODE=1 cmcp check --config ${config}`,
    `  2. Start it, with software keys:          CMCP_DEV_MODE=1 cmcp start --config ${config}`,
    '  3. Put the gateway into your client instead of the servers. A client that connects over HTTP:',
    indented(snippets?.http),
    '     A client that spawns its servers (then step 2 is not needed):',
    indented(snippets?.stdio),
  ].join('\n')}\n`;
}

function indented(value: object | undefined): string {
  return JSON.stringify(value, null, 2).replaceAll(/^/gm, '     ');
}
