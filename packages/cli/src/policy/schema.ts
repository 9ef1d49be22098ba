import type { Action } from '../action.ts';
import { DEFAULT_CONFIG } from '../command.ts';
import { EXIT } from '../io.ts';

export const schemaAction: Action = {
  name: 'schema',
  usage: 'schema [--config FILE]',
  description: [
    'Prints the Cedar schema of the requests that the catalog makes possible: one action per tool with its arguments typed,',
    'and one for everything else that can be asked for. It belongs into the bundle as schema.cedarschema.',
  ],
  options: {},
  examples: [['cmcp policy schema > cmcp/policy/schema.cedarschema', 'After the catalog changed']],
  async run(_positionals, given, io) {
    const { readConfigWithoutSecrets, readEnvironment, schemaOf } = await import('@cmcp/gateway');
    const config = await readConfigWithoutSecrets(given.one('config') ?? DEFAULT_CONFIG, readEnvironment(io.variables));
    const schema = await schemaOf(config);
    io.out(given.has('json') ? `${JSON.stringify({ schema })}\n` : schema);
    return EXIT.done;
  },
};
