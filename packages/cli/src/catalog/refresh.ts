import type { Action } from '../action.ts';
import { configWithSecrets } from './config.ts';
import { tellProposal } from './proposal-text.ts';

export const refreshAction: Action = {
  name: 'refresh',
  usage: 'refresh [SERVER…] [--only-approved] [--config FILE]',
  description: [
    'Asks the servers of the catalog again, or those that are named, and writes what changed to catalog.proposed.json: definitions',
    'and instructions are the servers’, and what people set stays (names, labels, effects, alias, asks). Tools and prompts that',
    'are offered no more are left out. Exit code 1 when a server does not answer; it stays as it was.',
  ],
  options: { 'only-approved': { help: 'Do not propose what nobody approved before.' } },
  examples: [
    ['cmcp catalog refresh', 'After cmcp check said that a server changed'],
    ['cmcp catalog refresh notes --only-approved', 'Nothing new, only what changed of one server'],
  ],
  async run(servers, given, io) {
    const { config, environment } = await configWithSecrets(given, io);
    const { proposeRefresh } = await import('@cmcp/gateway');
    const proposal = await proposeRefresh(config, environment, servers, !given.has('only-approved'));
    return tellProposal(proposal, given, io);
  },
};
