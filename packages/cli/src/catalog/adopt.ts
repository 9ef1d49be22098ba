import type { Action } from '../action.ts';
import { EXIT } from '../io.ts';
import { configOf } from './config.ts';

export const adoptAction: Action = {
  name: 'adopt',
  usage: 'adopt [--config FILE]',
  description: [
    'Puts the proposal in the catalog’s place, with its approvals, once enough reviewers have signed; where none are configured, as it',
    'is. What was there is kept aside. A running gateway takes it at its next reload (SIGHUP).',
  ],
  options: {},
  examples: [['cmcp catalog adopt', 'After the last approval']],
  async run(_positionals, given, io) {
    const config = await configOf(given, io);
    const { adoptCatalog } = await import('@cmcp/gateway');
    const adopted = await adoptCatalog(config, Math.floor(Date.now() / 1000));
    if (given.has('json')) io.out(`${JSON.stringify({ catalog: config.catalog.path, ...adopted }, null, 2)}\n`);
    else {
      const kept = adopted.aside.length === 0 ? '' : `Kept aside: ${adopted.aside.join(', ')}\n`;
      const pin =
        config.catalog.pin === null ? '' : 'The configuration pins another hash: set `catalog.hash` to this one.\n';
      io.out(
        `${config.catalog.path} is ${adopted.hash} now.\n${kept}${config.catalog.pin === adopted.hash ? '' : pin}`,
      );
    }
    return EXIT.done;
  },
};
