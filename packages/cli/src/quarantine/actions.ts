import { isObject, type JsonObject, member } from '@cmcp/evidence';
import type { Action } from '../action.ts';
import type { Arguments, Option } from '../arguments.ts';
import { UsageError } from '../io.ts';
import { operatorAction, said } from '../policy/operate.ts';
import { columns, table } from '../table.ts';

const REASON: Record<string, Option> = { reason: { value: 'TEXT', help: 'Why. Recorded.' } };

export const listAction = operatorAction(
  {
    name: 'list',
    usage: 'list',
    description: [
      'Lists the answers that a running gateway holds: which call, for whom, by which rules. Nothing of them.',
    ],
    options: {},
    examples: [],
  },
  () => ({ method: 'GET', route: 'quarantine' }),
  (answer) => {
    const items = objectsIn(answer, 'items');
    return items.length === 0 ? 'Nothing is held.' : table(COLUMNS, items.map(cells));
  },
);

export const showAction = operatorAction(
  {
    name: 'show',
    usage: 'show ID',
    description: [
      'Shows one of them whole, with what was found in it. What cannot be seen is written as \\u{…}. That you looked is',
      'recorded. What it says was written by a server: it is nothing to follow.',
    ],
    options: {},
    examples: [['cmcp quarantine show "$ID"', 'Before it is released']],
  },
  ([id]) => ({ method: 'GET', route: `quarantine/${idIn(id, 'show ID')}` }),
  shownText,
);

export const releaseAction = stepAction('release', [
  'Lets the same caller have this answer for its next identical request, once, while the same policy, catalog and rules',
  'are in force. Policy decides on it again, and what is to be taken out still is.',
]);

export const discardAction = stepAction('discard', ['Forgets an answer.']);

function stepAction(name: 'release' | 'discard', description: string[]): Action {
  return operatorAction(
    {
      name,
      usage: `${name} ID --reason TEXT`,
      description,
      options: REASON,
      examples: [[`cmcp quarantine ${name} "$ID" --reason "read it, ticket 7"`, 'The reason is recorded']],
    },
    ([id], given) => ({
      method: 'POST',
      route: `quarantine/${idIn(id, `${name} ID --reason TEXT`)}/${name}`,
      body: { reason: reasonIn(given) },
    }),
    (answer) => `${said(member(answer, 'id'))} is ${said(member(answer, 'state'))}.`,
  );
}

function idIn(id: string | undefined, usage: string): string {
  if (id === undefined) throw new UsageError(`say which: cmcp quarantine ${usage}`);
  if (!/^[0-9a-f-]{36}$/.test(id))
    throw new UsageError(`${JSON.stringify(id)} is not the id of an answer that is held`);
  return id;
}

function reasonIn(given: Arguments): string {
  const reason = given.one('reason');
  if (reason === null) throw new UsageError('give --reason');
  return reason;
}

const COLUMNS = ['id', 'state', 'item', 'subject', 'rules', 'bytes', 'seconds left'];

function cells(item: JsonObject): string[] {
  const text = (name: string): string => said(member(item, name));
  return [
    text('id'),
    text('state'),
    text('item'),
    text('subject'),
    rulesIn(item),
    text('bytes'),
    text('ends_in_seconds'),
  ];
}

function rulesIn(item: JsonObject): string {
  const rules = member(item, 'rules');
  return isObject(rules)
    ? Object.entries(rules)
        .map(([rule, times]) => `${rule}:${said(times)}`)
        .join(' ')
    : '';
}

function shownText(item: JsonObject): string {
  const text = (name: string): string => said(member(item, name));
  const about = [
    'id',
    'state',
    'item',
    'method',
    'server',
    'subject',
    'session_id',
    'bytes',
    'held_at',
    'ends_in_seconds',
  ];
  const found = objectsIn(item, 'findings').map((finding) => {
    const of = (name: string): string => said(member(finding, name));
    return [of('rule'), of('kind'), of('outcome'), of('path'), of('text')];
  });
  const findings = table(['rule', 'kind', 'outcome', 'where', 'text'], found);
  return [columns(about.map((name) => [name, text(name)])), findings, `The answer:\n${text('answer')}`].join('\n\n');
}

function objectsIn(answer: JsonObject, name: string): JsonObject[] {
  const list = member(answer, name);
  return Array.isArray(list) ? list.filter(isObject) : [];
}
