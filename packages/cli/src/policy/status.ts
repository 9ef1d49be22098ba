import { isObject, type JsonObject, member } from '@cmcp/evidence';
import { columns } from '../table.ts';
import { operatorAction, said } from './operate.ts';

export const statusAction = operatorAction(
  {
    name: 'status',
    usage: 'status',
    description: ['Says which bundle a running gateway has in force, which keys may sign, and which may not any more.'],
    options: {},
    examples: [],
  },
  () => ({ method: 'GET', route: 'policy' }),
  (answer) => {
    const [keys, shadow] = [objectIn(answer, 'keys'), objectIn(answer, 'shadow')];
    const rules = objectIn(answer, 'rules');
    return columns([
      ['in force', `version ${said(member(answer, 'version'))}, ${said(member(answer, 'bundle_hash'))}`],
      ['signed by', said(member(answer, 'policy_key'))],
      ['inspection', `version ${said(member(rules, 'version'))}, ${said(member(rules, 'hash'))}`],
      ['may sign', said(member(keys, 'in_force') ?? 'none')],
      ['successor', said(member(keys, 'successor') ?? 'none')],
      ['revoked', said(member(keys, 'revoked'))],
      ['on trial', member(shadow, 'running') === true ? `version ${said(member(shadow, 'version'))}` : 'none'],
    ]);
  },
);

function objectIn(answer: JsonObject, name: string): JsonObject {
  const value = member(answer, name);
  return value !== undefined && isObject(value) ? value : {};
}
