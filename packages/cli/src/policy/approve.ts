import { resolve } from 'node:path';
import type { Action } from '../action.ts';
import { APPROVE_OPTIONS, approvingOf, signedText, unsignedText } from '../catalog/approving.ts';
import { configOf } from '../catalog/config.ts';
import { findingsText } from '../findings.ts';
import { EXIT } from '../io.ts';

export const approveBundleAction: Action = {
  name: 'approve',
  usage: 'approve --key FILE [--bundle DIR] [--yes] [--role ROLE] [--expires TIME] [--restart] [--config FILE]',
  description: [
    'Shows what the linter finds in the policy bundle of the configuration, or in the one in DIR, and with --yes adds your',
    'approval to it. Errors block it, unless you answer for them with --override and --reason. When enough reviewers have',
    'signed, the record is approval.json in its folder. Who must approve is said by `policy.approval` of the configuration.',
  ],
  options: { ...APPROVE_OPTIONS, bundle: { value: 'DIR', help: 'The bundle (default: that of the configuration).' } },
  examples: [['cmcp policy approve --key ada.json --yes', 'Approve the bundle that is there']],
  async run(_positionals, given, io) {
    const by = await approvingOf(given);
    const config = await configOf(given, io);
    const { approveBundle, lintPolicy, loadBundle } = await import('@cmcp/gateway');
    const folder = resolve(given.one('bundle') ?? config.policy.path);
    const { hash, version } = await loadBundle(folder);
    const findings = await lintPolicy({ ...config, policy: { ...config.policy, path: folder } });
    const signed = given.has('yes') ? await approveBundle(config, folder, findings, by, given.has('restart')) : null;
    if (given.has('json')) io.out(`${JSON.stringify({ bundle: folder, hash, version, findings, signed }, null, 2)}\n`);
    else {
      io.out(`${folder}: version ${version}, ${hash}\n\n${findingsText(folder, findings)}\n`);
      io.out(
        signed === null ? unsignedText(findings) : signedText(signed, 'Enough: a gateway takes it at its next reload.'),
      );
    }
    return signed === null ? EXIT.refused : EXIT.done;
  },
};
