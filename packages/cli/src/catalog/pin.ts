import type { Action } from '../action.ts';
import { DEFAULT_CONFIG } from '../command.ts';
import { EXIT, UsageError } from '../io.ts';

export const pinAction: Action = {
  name: 'pin',
  usage: 'pin SERVER [--package FOLDER] [--config FILE]',
  description: [
    'Prints the "spawn" of a stdio server as it is installed now, for its record in the catalog: its file, its interpreter and its',
    'package by digest, and no link in any path. Nothing is started and nothing is changed.',
  ],
  options: {
    package: { value: 'FOLDER', help: 'The folder that the server loads code from, where it is not found by itself.' },
  },
  examples: [['cmcp catalog pin notes', 'Prints what to put into the record of "notes"']],
  async run([server, ...more], given, io) {
    if (server === undefined || more.length > 0) throw new UsageError('name one server of the catalog');
    const { pinnedSpawn, readConfigWithoutSecrets, readEnvironment } = await import('@cmcp/gateway');
    const config = await readConfigWithoutSecrets(given.one('config') ?? DEFAULT_CONFIG, readEnvironment(io.variables));
    const terms = { server, packageFolder: given.one('package'), searchPath: io.variables.PATH ?? '' };
    const spawn = await pinnedSpawn(config, terms);
    io.out(`${JSON.stringify(given.has('json') ? { server, spawn } : { spawn }, null, 2)}\n`);
    return EXIT.done;
  },
};
