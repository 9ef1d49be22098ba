import { readFile } from 'node:fs/promises';
import { JsonError, type JsonValue, member, parseJson } from '@cmcp/evidence';
import { RefusedError, UsageError } from '../io.ts';
import { operatorAction, said } from './operate.ts';

export const revokeKeyAction = operatorAction(
  {
    name: 'revoke-key',
    usage: 'revoke-key KEYID --reason TEXT',
    description: [
      'From now on, and after any restart, this key puts no bundle in force. Its successor may sign then, if it named one',
      'before (`cmcp policy succeed-key`). What is in force stays in force.',
    ],
    options: { reason: { value: 'TEXT', help: 'Why. Recorded.' } },
    examples: [['cmcp policy revoke-key "$KEYID" --reason "laptop of the signer was stolen"', 'There is no way back']],
  },
  ([keyId], given) => {
    const reason = given.one('reason');
    if (keyId === undefined) throw new UsageError('say which: cmcp policy revoke-key KEYID --reason TEXT');
    if (reason === null) throw new UsageError('give the reason with --reason; it is recorded');
    return { method: 'POST', route: 'policy/revoke-key', body: { key_id: keyId, reason } };
  },
  (answer) => {
    const inForce = member(answer, 'key_in_force');
    const told = [`Revoked: ${said(member(answer, 'key_id'))}`];
    if (member(answer, 'known') !== true) told.push('It is no key that this gateway uses: check the id.');
    if (member(answer, 'signs_what_is_in_force') === true)
      told.push('It signed the bundle in force, which stays until another is activated. A restart refuses it.');
    const next = 'No key may sign now. Pin another as policy.key and restart.';
    told.push(inForce === null ? next : `Bundles are signed by ${said(inForce)} from now on.`);
    return told.join('\n');
  },
);

export const succeedKeyAction = operatorAction(
  {
    name: 'succeed-key',
    usage: 'succeed-key --statement FILE',
    description: [
      'Has a running gateway accept a statement of `cmcp policy successor`: once the key that signed it is revoked, the',
      'successor may sign. Until then it may not.',
    ],
    options: { statement: { value: 'FILE', help: 'The signed statement.' } },
    examples: [
      ['cmcp policy succeed-key --statement successor.json', 'Before the key is revoked: afterwards it names nobody'],
    ],
  },
  async (_positionals, given) => {
    const file = given.one('statement');
    if (file === null) throw new UsageError('name the file of the statement with --statement');
    return { method: 'POST', route: 'policy/succeed-key', body: { statement: await statementIn(file) } };
  },
  (answer) =>
    `${said(member(answer, 'successor_key_id'))} may sign once ${said(member(answer, 'current_key_id'))} is revoked.`,
);

async function statementIn(file: string): Promise<JsonValue> {
  try {
    return parseJson(await readFile(file));
  } catch (error) {
    if (error instanceof JsonError) throw new RefusedError(`${file} is not acceptable JSON: ${error.message}`);
    throw error;
  }
}
