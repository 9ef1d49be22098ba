import { isObject, member } from '@cmcp/evidence';
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
    const [keys, shadow] = [member(answer, 'keys'), member(answer, 'shadow')];
    const key = (name: string): string => said(isObject(keys ?? null) ? member(Object(keys), name) : null);
    const rows = [
      ['in force', `version ${said(member(answer, 'version'))}, ${said(member(answer, 'bundle_hash'))}`],
      ['signed by', said(member(answer, 'policy_key'))],
      ['may sign', key('in_force')],
      ['successor', key('successor')],
      ['revoked', key('revoked')],
      ['shadow', isObject(shadow ?? null) && member(Object(shadow), 'running') === true ? 'running' : 'none'],
    ];
    return columns(rows);
  },
);
