import type { Action } from '../action.ts';
import { EXIT, UsageError } from '../io.ts';

export const openApiAction: Action = {
  name: 'openapi',
  usage: 'openapi',
  description: [
    'Prints the OpenAPI 3.1 document of the operator interface of this version. A running gateway serves its own as',
    '`GET /operator/v1/openapi.json`.',
  ],
  options: {},
  examples: [['cmcp operator openapi > operator.json', 'To generate a client from']],
  async run(positionals, _given, io) {
    if (positionals.length > 0) throw new UsageError('openapi takes no argument');
    const { operatorOpenApi, prettyJson } = await import('@cmcp/gateway');
    io.out(`${prettyJson(operatorOpenApi())}\n`);
    return EXIT.done;
  },
};
