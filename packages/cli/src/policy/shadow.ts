import { isObject, type JsonObject, member } from '@cmcp/evidence';
import type { Action } from '../action.ts';
import { suggestion } from '../arguments.ts';
import { UsageError } from '../io.ts';
import { table } from '../table.ts';
import { operatorAction, said } from './operate.ts';

const QUESTIONS = {
  start: { method: 'POST', route: 'policy/shadow' },
  show: { method: 'GET', route: 'policy/shadow' },
  stop: { method: 'POST', route: 'policy/shadow/stop' },
} as const;

export const shadowAction: Action = operatorAction(
  {
    name: 'shadow',
    usage: 'shadow start|show|stop',
    description: [
      'Tries the bundle on the disk of a running gateway beside the one in force: it decides what that one decided, without',
      'effect, and `show` lists what would have been decided otherwise. `cmcp policy activate` then puts it in force.',
    ],
    options: {},
    examples: [['cmcp policy shadow start', 'After a newer bundle was put in its place, and before it is activated']],
  },
  async ([what = '']) => {
    if (what === 'start' || what === 'show' || what === 'stop') return QUESTIONS[what];
    throw new UsageError(`say start, show or stop${await suggestion(what, Object.keys(QUESTIONS))}`);
  },
  result,
);

const COLUMNS = ['action', 'name', 'stage', 'from', 'to', 'calls', 'policies before', 'policies after', 'first call'];

function result(answer: JsonObject): string {
  const rows = (member(answer, 'differences') ?? []) as JsonObject[];
  if (member(answer, 'bundle_hash') === undefined) return 'No bundle is on trial.';
  const count = (name: string): string => said(member(answer, name));
  const told = [
    `Version ${count('version')} (${count('bundle_hash')}) is ${member(answer, 'running') === true ? '' : 'no longer '}on trial.`,
    `${count('compared')} decisions compared, ${count('differing')} would be others; ${count('dropped')} left out, ${count('failed')} failed.`,
  ];
  if (member(answer, 'halted') === true) told.push('It was stopped because one decision took too long.');
  const names = [
    'action',
    'name',
    'stage',
    'from',
    'to',
    'count',
    'policies_before',
    'policies_after',
    'first_call_id',
  ];
  const cells = rows.filter(isObject).map((row) => names.map((name) => said(member(row, name))));
  if (cells.length > 0) told.push('', table(COLUMNS, cells));
  return told.join('\n');
}
