import { printable } from '@cmcp/evidence';
import type { Migration } from '@cmcp/gateway';
import type { Action } from '../action.ts';
import { mustBeFree } from '../attest/files.ts';
import { DEFAULT_CONFIG } from '../command.ts';
import { EXIT, UsageError } from '../io.ts';
import { columns } from '../table.ts';

export const migrateAction: Action = {
  name: 'migrate',
  usage: 'migrate [--config FILE] --out DIR [--partial]',
  description: [
    'Rewrites a bundle in the form of the reference implementation for the requests of this gateway, into a new folder. What cannot be',
    'rewritten so that it goes on to mean the same is listed with its place and the reason, and then nothing is written, unless',
    '--partial is given: such policies are then left in the files as comments, to be written by hand.',
  ],
  options: {
    out: { value: 'DIR', help: 'Folder to write into. It must not exist yet.' },
    partial: { help: 'Write what can be rewritten, although some cannot.' },
  },
  examples: [['cmcp policy migrate --out policy-2', 'For a bundle without "cmcp_request": 1']],
  async run(_positionals, given, io) {
    const out = given.one('out');
    if (out === null) throw new UsageError('say where to write the new bundle: --out DIR');
    await mustBeFree(out);
    const { migratePolicy, readConfigWithoutSecrets, readEnvironment, writeNew } = await import('@cmcp/gateway');
    const config = await readConfigWithoutSecrets(given.one('config') ?? DEFAULT_CONFIG, readEnvironment(io.variables));
    const { files, refused } = await migratePolicy(config);
    const written = refused.length === 0 || given.has('partial') ? Object.keys(files).sort() : [];
    if (written.length > 0) await writeNew(out, files, 0o644);
    io.out(given.has('json') ? `${JSON.stringify({ written, refused }, null, 2)}\n` : text(out, written, refused));
    return refused.length === 0 ? EXIT.done : EXIT.refused;
  },
};

function text(out: string, written: readonly string[], refused: Migration['refused']): string {
  const rows = refused.map(({ where, reason }) => ['', printable(where), printable(reason)]);
  const blocks = refused.length === 0 ? [] : [`Not rewritten:\n${columns(rows)}`];
  blocks.push(
    written.length === 0
      ? 'Nothing was written. Change these policies, or give --partial and write them by hand.'
      : `Written to ${out}: ${written.join(', ')}. Read it, lint it, and sign it again: signature and approvals were for the old one.`,
  );
  return `${blocks.join('\n\n')}\n`;
}
