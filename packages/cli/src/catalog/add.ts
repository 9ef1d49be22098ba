import type { NewServer } from '@cmcp/gateway';
import type { Action } from '../action.ts';
import { UsageError } from '../io.ts';
import { configWithSecrets } from './config.ts';
import { tellProposal } from './proposal-text.ts';

export const addAction: Action = {
  name: 'add',
  usage: 'add [--config FILE] [--id ID] (--url URL | -- COMMAND ARGS…)',
  description: [
    'Connects to a server that the catalog does not have, and writes catalog.proposed.json beside the catalog: the catalog with',
    'everything that the server offers now. Nothing is in force before it is approved and adopted. What the server needs of',
    'environment and headers comes from `upstreams` of the configuration, under the id.',
  ],
  options: {
    id: { value: 'ID', help: 'What the catalog calls the server (default: made from its URL or program).' },
    url: {
      value: 'URL',
      help: 'A server that speaks Streamable HTTP. For one that is spawned, give its command after --.',
    },
  },
  examples: [
    ['cmcp catalog add --id crm --url https://crm.example/mcp', 'Propose a server on the network'],
    ['cmcp catalog add --id notes -- notes-server --read-only', 'Propose a server that is spawned'],
  ],
  async run(command, given, io) {
    const server = newServer(given.one('url'), command);
    const { config, environment } = await configWithSecrets(given, io);
    const { proposeServer } = await import('@cmcp/gateway');
    const asked = { server, id: given.one('id'), folder: process.cwd() };
    return tellProposal(await proposeServer(config, environment, asked), given, io);
  },
};

function newServer(url: string | null, [command, ...args]: readonly string[]): NewServer {
  if (url !== null && command !== undefined) throw new UsageError('give either --url or a command, not both');
  if (url !== null) return { url };
  if (command === undefined) throw new UsageError('give the server: --url URL, or its command after --');
  return { command, args };
}
