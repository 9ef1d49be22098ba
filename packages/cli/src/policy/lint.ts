import type { Action } from '../action.ts';
import { DEFAULT_CONFIG } from '../command.ts';
import { EXIT } from '../io.ts';
import { countsOf, findingsText } from './lint-text.ts';

export const lintAction: Action = {
  name: 'lint',
  usage: 'lint [--config FILE] [--strict] [--json]',
  description: [
    'Checks the policy bundle for what keeps it from loading, all of it at once, and for what nobody may have meant: permits for',
    'everything, rules that match nothing, sensitive tools that anyone may call, and more, each with its place and a fix.',
    'Exit code 1 when there are errors, with --strict when there are warnings too. Pins and servers are not looked at.',
  ],
  options: { strict: { help: 'Warnings count as errors.' } },
  examples: [['cmcp policy lint --strict', 'In a pipeline']],
  async run(_positionals, given, io) {
    const { lintPolicy, readConfigWithoutSecrets, readEnvironment } = await import('@cmcp/gateway');
    const config = await readConfigWithoutSecrets(given.one('config') ?? DEFAULT_CONFIG, readEnvironment(io.variables));
    const findings = await lintPolicy(config);
    const counts = countsOf(findings);
    io.out(given.has('json') ? `${JSON.stringify({ findings, counts }, null, 2)}\n` : findingsText(findings));
    return counts.error > 0 || (given.has('strict') && counts.warning > 0) ? EXIT.refused : EXIT.done;
  },
};
