import type { Action } from '../action.ts';
import { DEFAULT_CONFIG } from '../command.ts';
import { EXIT, UsageError } from '../io.ts';
import { diffText } from './diff-text.ts';
import { RUNS_OPTION, runsOption, SEED_OPTION, seedOption } from './random.ts';

export const diffAction: Action = {
  name: 'diff',
  usage: 'diff OLD NEW [--config FILE] [--runs N] [--seed N]',
  description: [
    'Compares two bundle folders under the catalog of the configuration: what is written differently, and, by random requests',
    'that are made of what their rules look for, what is decided differently, each kind with its smallest request. Exit code 1',
    'when a decision differs. That none was found does not prove that the bundles are equal.',
  ],
  options: { runs: RUNS_OPTION, seed: SEED_OPTION },
  examples: [['cmcp policy diff cmcp/policy ../proposed/policy', 'Before a new bundle is approved']],
  async run(positionals, given, io) {
    const [before, after, ...others] = positionals;
    if (before === undefined || after === undefined || others.length > 0) {
      throw new UsageError('diff takes two bundle folders: the old one and the new one');
    }
    const options = { runs: runsOption(given), seed: seedOption(given) };
    const { compareBundles, readConfigWithoutSecrets, readEnvironment, reportJson } = await import('@cmcp/gateway');
    const config = await readConfigWithoutSecrets(given.one('config') ?? DEFAULT_CONFIG, readEnvironment(io.variables));
    const comparison = await compareBundles(config, { before, after }, options);
    io.out(given.has('json') ? reportJson(comparison) : diffText(comparison));
    return comparison.decisions.length === 0 ? EXIT.done : EXIT.refused;
  },
};
