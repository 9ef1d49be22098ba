import type { Action } from '../action.ts';
import { DEFAULT_CONFIG } from '../command.ts';
import { EXIT, UsageError } from '../io.ts';
import { replayText } from './replay-text.ts';

export const replayAction: Action = {
  name: 'replay',
  usage: 'replay FILE… --key FILE --bundle FOLDER [--from FOLDER]',
  description: [
    'Makes recorded decisions again under another bundle, with the catalog of the configuration, and lists each that comes out',
    'differently. Exit code 0 only when none does and every record could be read.',
  ],
  options: {
    key: { value: 'FILE', help: 'The private key of the recordings, as `cmcp policy keygen` wrote it.' },
    bundle: { value: 'FOLDER', help: 'The bundle to try.' },
    from: { value: 'FOLDER', help: 'The bundle that was in force: tells where it does not decide as was recorded.' },
  },
  examples: [
    ['cmcp policy replay recordings/*.decisions --key recording.key --bundle policy-next', 'What a change would do'],
  ],
  async run(positionals, given, io) {
    const [key, bundle] = [given.one('key'), given.one('bundle')];
    if (positionals.length === 0) throw new UsageError('name the recordings: cmcp policy replay FILE…');
    if (key === null) throw new UsageError('name the private key of the recordings: --key FILE');
    if (bundle === null) throw new UsageError('name the bundle to try: --bundle FOLDER');
    const { readConfigWithoutSecrets, readEnvironment, replayFiles } = await import('@cmcp/gateway');
    const config = await readConfigWithoutSecrets(given.one('config') ?? DEFAULT_CONFIG, readEnvironment(io.variables));
    const report = await replayFiles(config, { files: positionals, key, bundle, from: given.one('from') });
    io.out(given.has('json') ? `${JSON.stringify(report, null, 2)}\n` : replayText(report));
    return report.same ? EXIT.done : EXIT.refused;
  },
};
