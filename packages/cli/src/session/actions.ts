import { writeFile } from 'node:fs/promises';
import { isObject, type JsonObject, member, printable, stringifyJson } from '@cmcp/evidence';
import type { Action } from '../action.ts';
import type { Option } from '../arguments.ts';
import { EXIT, RefusedError, UsageError } from '../io.ts';
import { OPERATOR_OPTIONS, operatorAccess } from '../operator-access.ts';
import { askOperator, askOperatorJson } from '../operator-client.ts';
import { operatorAction, said } from '../policy/operate.ts';
import { columns, table } from '../table.ts';

const REASON: Option = { value: 'TEXT', help: 'Why. Recorded.' };

export const listAction = operatorAction(
  {
    name: 'list',
    usage: 'list',
    description: [
      'Lists the sessions of a gateway, open and closed, and its own chain, in which operators are recorded.',
    ],
    options: {},
    examples: [['cmcp session list', 'What is open, and what was closed']],
  },
  () => ({ method: 'GET', route: 'sessions' }),
  (answer) => table(['session', 'agent', 'state', 'opened', 'entries', 'claim'], rowsIn(answer).map(cells)),
);

export const showAction = operatorAction(
  {
    name: 'show',
    usage: 'show ID',
    description: ['Shows one session: names, states and counts.'],
    options: {},
    examples: [['cmcp session show "$ID"', 'Whether it is still open, and why it was closed']],
  },
  (positionals) => ({ method: 'GET', route: `sessions/${idIn(positionals, 'show')}` }),
  (row) => columns(Object.keys(row).map((name) => [name, said(member(row, name))])),
);

export const closeAction = operatorAction(
  {
    name: 'close',
    usage: 'close ID [--reason TEXT]',
    description: ['Ends an open session: its claim is signed and its file written. The agent goes on in a successor.'],
    options: { reason: REASON },
    examples: [['cmcp session close "$ID" --reason "end of the audit period"', 'The reason is recorded']],
  },
  (positionals, given) => {
    const reason = given.one('reason');
    const route = `sessions/${idIn(positionals, 'close')}/close`;
    return { method: 'POST', route, ...(reason !== null && { body: { reason } }) };
  },
  (answer) => `Session ${said(member(answer, 'session_id'))} is closed. Its file: ${said(member(answer, 'file'))}`,
);

export const resetAction: Action = {
  name: 'reset',
  usage: 'reset SUBJECT --reason TEXT',
  description: [
    'Lowers what an agent counts as having seen, for the reason that you give. An agent cannot do that itself. The',
    'exposure is of the agent, not of a session: any open session of the agent carries the entry.',
  ],
  options: { ...OPERATOR_OPTIONS, reason: REASON },
  examples: [
    ['cmcp session reset research-agent --reason "ticket 4711: data was a test set"', 'Let an agent write out again'],
  ],
  async run(positionals, given, io) {
    const subject = oneOf(positionals, 'reset', 'SUBJECT');
    const reason = given.one('reason');
    if (reason === null || reason === '') throw new UsageError('give the reason with --reason; it is recorded');
    const operator = await operatorAccess(given, io);
    const open = rowsIn(await askOperatorJson(operator, 'GET', 'sessions')).find(
      (row) =>
        member(row, 'kind') === 'session' && member(row, 'state') === 'open' && member(row, 'subject') === subject,
    );
    if (open === undefined)
      throw new RefusedError(`no session of ${JSON.stringify(subject)} is open, and the entry needs one`);
    const answer = await askOperatorJson(operator, 'POST', `sessions/${said(member(open, 'session_id'))}/reset`, {
      reason,
    });
    const text = `${subject} now counts as having seen: ${said(member(answer, 'exposure'))}`;
    io.out(given.has('json') ? `${stringifyJson(answer)}\n` : `${printable(text)}\n`);
    return EXIT.done;
  },
};

export const exportAction: Action = {
  name: 'export',
  usage: 'export ID|gateway [--out FILE]',
  description: [
    'Writes the file of a session, for `cmcp verify`. `gateway` is the chain of the gateway itself, up to now: what',
    'operators did and tried is in it.',
  ],
  options: {
    ...OPERATOR_OPTIONS,
    out: { value: 'FILE', help: 'Where to write it; it must not exist (default: standard output).' },
  },
  examples: [
    ['cmcp session export "$ID" --out session.cmcp.json', 'Take a session away to verify it'],
    ['cmcp session export gateway --out operators.cmcp.json', 'What operators did'],
  ],
  async run(positionals, given, io) {
    const route = positionals[0] === 'gateway' ? 'gateway/export' : `sessions/${idIn(positionals, 'export')}/export`;
    oneOf(positionals, 'export', 'ID');
    const bytes = await askOperator(await operatorAccess(given, io), 'GET', route);
    const file = given.one('out');
    if (file === null) {
      io.out(bytes.toString('utf8'));
      return EXIT.done;
    }
    await writeFile(file, bytes, { flag: 'wx', mode: 0o600 });
    const text = `Wrote ${file}. Check it with: cmcp verify ${file}`;
    io.out(
      given.has('json') ? `${stringifyJson({ session_id: positionals[0] ?? '', file })}\n` : `${printable(text)}\n`,
    );
    return EXIT.done;
  },
};

export const saltAction = operatorAction(
  {
    name: 'salt',
    usage: 'salt ID CALL',
    description: [
      'Prints the salt of one call’s payload digests, with which you can show somebody what was asked and answered, and',
      'nothing of any other call. That you asked is recorded.',
    ],
    options: {},
    examples: [['cmcp session salt "$ID" "$CALL"', 'To go with the payload that you show']],
  },
  (positionals) => {
    const [id, call, ...more] = positionals;
    if (more.length > 0) throw new UsageError('one call at a time');
    const session = idIn(id === undefined ? [] : [id], 'salt');
    if (call === undefined) throw new UsageError('say which: cmcp session salt ID CALL');
    return { method: 'GET', route: `sessions/${session}/export?disclose=${uuidIn(call, 'the id of a call')}` };
  },
  (answer) => said(member(answer, 'salt')),
);

function oneOf(positionals: string[], action: string, what: string): string {
  const [target, ...more] = positionals;
  if (more.length > 0) throw new UsageError(`one ${action} at a time`);
  if (target === undefined) throw new UsageError(`say which: cmcp session ${action} ${what}`);
  return target;
}

function idIn(positionals: string[], action: string): string {
  return uuidIn(oneOf(positionals, action, 'ID'), 'a session id; `cmcp session list` shows them');
}

/** It becomes part of a path. */
function uuidIn(text: string, what: string): string {
  if (/^[0-9a-f-]{36}$/.test(text)) return text;
  throw new UsageError(`${JSON.stringify(text)} is not ${what}`);
}

function rowsIn(answer: JsonObject): JsonObject[] {
  const sessions = member(answer, 'sessions');
  return Array.isArray(sessions) ? sessions.filter(isObject) : [];
}

function cells(row: JsonObject): string[] {
  const text = (name: string): string => said(member(row, name));
  const claim = member(row, 'claim_number');
  return [
    text('session_id'),
    member(row, 'kind') === 'gateway' ? '(the gateway itself)' : text('subject'),
    text('state'),
    new Date(Number(member(row, 'opened_micros')) / 1000).toISOString(),
    text('entries'),
    typeof claim === 'number' ? String(claim) : '',
  ];
}
