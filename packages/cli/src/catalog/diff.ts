import type { Config } from '@cmcp/gateway';
import type { Action } from '../action.ts';
import type { Arguments } from '../arguments.ts';
import { findingsExit } from '../findings.ts';
import { type Io, RefusedError, UsageError } from '../io.ts';
import { configOf, configWithSecrets } from './config.ts';
import { diffText } from './diff-text.ts';
import { jsonText } from './json-text.ts';

export const diffAction: Action = {
  name: 'diff',
  usage: 'diff [OLD NEW | --live] [--config FILE] [--strict] [--json]',
  description: [
    'Shows what changes from the catalog to its proposal, from OLD to NEW, or with --live from the catalog to what its servers offer',
    'now, and what the changes introduce: destinations, instructions to the model, hidden text, wider schemas, labels that hold',
    'less. Exit code 1 for errors among these, with --strict for warnings too.',
  ],
  options: {
    live: { help: 'Ask the servers; nothing is written.' },
    strict: { help: 'Warnings count as errors do.' },
  },
  examples: [
    ['cmcp catalog diff', 'What waits for approval'],
    ['cmcp catalog diff old/catalog.json catalog.json --json', 'Two files, for a pipeline'],
  ],
  async run(files, given, io) {
    const diff = given.has('live')
      ? await liveDiff(files, given, io)
      : await fileDiff(files, await configOf(given, io));
    io.out(given.has('json') ? await jsonText(diff) : diffText(diff));
    return findingsExit(diff.introduces, given.has('strict'));
  },
};

async function liveDiff(files: readonly string[], given: Arguments, io: Io) {
  if (files.length > 0) throw new UsageError('--live compares with the servers, not with files');
  const { config, environment } = await configWithSecrets(given, io);
  const { diffLive } = await import('@cmcp/gateway');
  const { diff, unanswered } = await diffLive(config, environment);
  const [silent] = unanswered;
  if (silent !== undefined) throw new RefusedError(`${silent.server} could not be asked: ${silent.reason}`);
  return diff;
}

async function fileDiff(files: readonly string[], config: Config) {
  const { diffCatalogs, readCatalogText, readProposal, sensitivityRanks } = await import('@cmcp/gateway');
  const ranks = sensitivityRanks(config.vocabulary);
  const [old, now, ...more] = files;
  if (more.length > 0 || (old !== undefined && now === undefined)) throw new UsageError('give two files, or none');
  const after = now === undefined ? await readProposal(config.catalog.path) : await readCatalogText(now);
  if (after === null)
    throw new RefusedError('no proposal waits; `cmcp catalog refresh` and `cmcp catalog add` write one');
  return diffCatalogs(await readCatalogText(old ?? config.catalog.path), after, ranks);
}
