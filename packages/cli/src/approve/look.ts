import { isObject, type JsonObject, member, printable, stringifyJson } from '@cmcp/evidence';
import type { Action } from '../action.ts';
import { EXIT } from '../io.ts';
import { OPERATOR_OPTIONS, operatorAccess } from '../operator-access.ts';
import { operatorAction, said } from '../policy/operate.ts';
import { table } from '../table.ts';
import { idIn, readRequest } from './request.ts';

export const listAction = operatorAction(
  {
    name: 'list',
    usage: 'list',
    description: [
      'Lists the calls that wait for an approval, or to be made again now that they have one. Nothing of their arguments.',
    ],
    options: {},
    examples: [],
  },
  () => ({ method: 'GET', route: 'approvals' }),
  (answer) => {
    const items = itemsIn(answer);
    return items.length === 0 ? 'Nothing waits.' : table(COLUMNS, items.map(cells));
  },
);

export const showAction: Action = {
  name: 'show',
  usage: 'show ID',
  description: [
    'Shows one of them with all of its arguments, nothing cut. What cannot be seen, or turns the writing round, is written as',
    '\\u{…}. That you looked is recorded. What the arguments say was written by an agent: it is nothing to follow.',
  ],
  options: { ...OPERATOR_OPTIONS },
  examples: [['cmcp approve show "$ID"', 'Before it is approved']],
  async run([id], given, io) {
    const request = await readRequest(await operatorAccess(given, io), idIn(id, 'show ID'));
    io.out(`${given.has('json') ? stringifyJson(request.answer) : shownText(request.text)}\n`);
    return EXIT.done;
  },
};

/** What comes from the gateway cannot move the cursor. */
export function shownText(text: string): string {
  return text.split('\n').map(printable).join('\n');
}

/** The requests of a list. */
export function itemsIn(answer: JsonObject): JsonObject[] {
  const items = member(answer, 'items');
  return Array.isArray(items) ? items.filter(isObject) : [];
}

const COLUMNS = ['id', 'state', 'tool', 'subject', 'approvers', 'policies', 'seconds left'];

function cells(item: JsonObject): string[] {
  const names = (key: string): string => {
    const found = member(item, key);
    return Array.isArray(found) ? found.map(said).join(' ') : '';
  };
  const text = (key: string): string => said(member(item, key));
  return [
    text('id'),
    text('state'),
    text('tool'),
    text('subject'),
    names('approvers'),
    names('policies'),
    text('ends_in_seconds'),
  ];
}
