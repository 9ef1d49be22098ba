import { member } from '@cmcp/evidence';
import { operatorAction, said } from './operate.ts';

export const activateAction = operatorAction(
  {
    name: 'activate',
    usage: 'activate [--hash HASH]',
    description: [
      'Has a running gateway put the bundle and the catalog that lie on its disk in force, if they load and are what is',
      'pinned. Live sessions close with a claim and go on in successors. What is refused changes nothing.',
    ],
    options: { hash: { value: 'HASH', help: 'Only this bundle: refused when another lies on the disk.' } },
    examples: [['cmcp policy activate', 'After a newer, signed bundle was put in its place']],
  },
  (_positionals, given) => {
    const hash = given.one('hash');
    return { method: 'POST', route: 'policy/activate', body: hash === null ? {} : { bundle_hash: hash } };
  },
  (answer) => {
    const [hash, version] = [said(member(answer, 'bundle_hash')), said(member(answer, 'version'))];
    if (member(answer, 'activated') !== true) return `Unchanged: version ${version} (${hash}) is in force already.`;
    return `Version ${version} is in force: ${hash}, signed by ${said(member(answer, 'policy_key'))}`;
  },
);
