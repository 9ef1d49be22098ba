import type { Action } from '../action.ts';
import type { Arguments } from '../arguments.ts';
import { DEFAULT_CONFIG } from '../command.ts';
import { findingsExit, findingsText } from '../findings.ts';
import { type Io, UsageError } from '../io.ts';

export const lintAction: Action = {
  name: 'lint',
  usage: 'lint [FILE] [--config FILE] [--strict] [--json]',
  description: [
    'Looks for poison in the catalog of the configuration, or in FILE: instructions to the model, characters that nobody sees,',
    'names and packages that pass for others, tools that shadow those of another server. Exit code 1 for errors, with',
    '--strict for warnings too. It finds what is known to be done, in English; finding nothing is no approval.',
  ],
  options: { strict: { help: 'Warnings count as errors do.' } },
  examples: [
    ['cmcp catalog lint', 'Before you approve what cmcp init wrote'],
    ['cmcp catalog lint review/catalog.json --strict --json', 'For a pipeline'],
  ],
  async run(positionals, given, io) {
    const [file, ...more] = positionals;
    if (more.length > 0) throw new UsageError('give one catalog file');
    const { lintCatalogFile } = await import('@cmcp/gateway');
    const { path, ranks } = await whatToLint(file, given, io);
    const findings = await lintCatalogFile(path, ranks);
    io.out(
      given.has('json') ? `${JSON.stringify({ catalog: path, findings }, null, 2)}\n` : findingsText(path, findings),
    );
    return findingsExit(findings, given.has('strict'));
  },
};

/** The file, and the vocabulary of the configuration: a file alone is read with the labels that are built in. */
async function whatToLint(file: string | undefined, given: Arguments, io: Io) {
  const { readConfigWithoutSecrets, readEnvironment, sensitivityRanks } = await import('@cmcp/gateway');
  const named = given.one('config');
  if (file !== undefined && named === null) return { path: file, ranks: sensitivityRanks() };
  const config = await readConfigWithoutSecrets(named ?? DEFAULT_CONFIG, readEnvironment(io.variables));
  return { path: file ?? config.catalog.path, ranks: sensitivityRanks(config.vocabulary) };
}
