import { CONFIG_OPTION, type Command, DEFAULT_CONFIG, JSON_OPTION } from '../command.ts';
import { EXIT } from '../io.ts';
import { checkText } from '../setup/check-text.ts';

export const checkCommand: Command = {
  name: 'check',
  usage: '[--config FILE] [--offline] [--json]',
  summary: 'check configuration, policy, catalog and servers; print the hashes to pin',
  description: [
    'Checks what starting would check, without serving: the configuration, the policy bundle against its schema, the catalog,',
    'and with each server whether it still offers what was approved: tools, prompts and instructions. Exit code 1 when anything',
    'is wrong. What a server offers and nobody approved is listed, and nothing is wrong with that.',
  ],
  options: {
    config: CONFIG_OPTION,
    offline: { help: 'Ask no server anything.' },
    json: JSON_OPTION,
  },
  examples: [
    ['cmcp check --config cmcp/cmcp.yaml', 'Everything, with the servers'],
    ['cmcp check --offline --json', 'For a pipeline that has no servers'],
  ],
  async run(given, io) {
    const { checkSetup, readConfig, readEnvironment } = await import('@cmcp/gateway');
    const environment = readEnvironment(io.variables);
    const config = await readConfig(given.one('config') ?? DEFAULT_CONFIG, environment);
    const report = await checkSetup(config, {
      environment,
      offline: given.has('offline'),
    });
    io.out(
      given.has('json')
        ? `${JSON.stringify({ config: config.file, ...report }, null, 2)}\n`
        : checkText(config.file, report),
    );
    return report.ok ? EXIT.done : EXIT.refused;
  },
};
