import { writeFile } from 'node:fs/promises';
import { isObject, type JsonObject, member, printable, stringifyJson } from '@cmcp/evidence';
import type { Arguments } from '../arguments.ts';
import { suggestion } from '../arguments.ts';
import { CONFIG_OPTION, type Command, JSON_OPTION } from '../command.ts';
import { EXIT, type Io, RefusedError, UsageError } from '../io.ts';
import { OPERATOR_OPTIONS, operatorAccess } from '../operator-access.ts';
import { askOperator, askOperatorJson, type OperatorAccess } from '../operator-client.ts';
import { table } from '../table.ts';

const ACTIONS = ['list', 'close', 'reset', 'export'];

export const sessionCommand: Command = {
  name: 'session',
  usage: 'list | close ID | reset SUBJECT --reason TEXT | export ID [--out FILE]',
  summary: 'list, close, reset and export the sessions of a running gateway',
  description: [
    'Asks the operator interface of a gateway on this machine, with an operator token. What you do is recorded under the',
    'name of that token.',
    '',
    '  list    sessions, open and closed',
    '  close   ends an open session; its claim is signed and its file written',
    '  reset   lowers what an agent counts as having seen, for the reason that you give',
    '  export  writes the file of a session, for `cmcp verify`',
  ],
  options: {
    config: CONFIG_OPTION,
    ...OPERATOR_OPTIONS,
    reason: { value: 'TEXT', help: 'Why the exposure is reset. Recorded.' },
    out: { value: 'FILE', help: 'Where to write an exported session; it must not exist (default: standard output).' },
    json: JSON_OPTION,
  },
  examples: [
    ['cmcp session list', 'What is open, and what was closed'],
    ['cmcp session reset research-agent --reason "ticket 4711: data was a test set"', 'Let an agent write out again'],
    [
      'cmcp session export 01890a5d-ac96-774b-bcce-b302099a8057 --out session.cmcp.json',
      'Take a session away to verify it',
    ],
  ],
  async run(given, io) {
    const [action = '', target, ...more] = given.positionals;
    if (!ACTIONS.includes(action))
      throw new UsageError(`unknown action ${JSON.stringify(action)}${await suggestion(action, ACTIONS)}`);
    if (more.length > 0) throw new UsageError(`one ${action} at a time`);
    if (action === 'list') return list(await operatorAccess(given, io), given, io);
    if (target === undefined)
      throw new UsageError(`say which: cmcp session ${action} ${action === 'reset' ? 'SUBJECT' : 'ID'}`);
    if (action === 'reset') return reset(target, given, io);
    // The id becomes part of a path.
    if (!/^[0-9a-f-]{36}$/.test(target))
      throw new UsageError('that is not a session id; `cmcp session list` shows them');
    if (action === 'close') return close(await operatorAccess(given, io), target, given, io);
    return exportSession(await operatorAccess(given, io), target, given, io);
  },
};

interface Row {
  session_id: string;
  subject: string;
  kind: string;
  state: string;
  opened_micros: number;
  entries: number;
  claim_number: number | null;
}

async function readSessions(operator: OperatorAccess): Promise<Row[]> {
  const sessions = member(await askOperatorJson(operator, 'GET', 'sessions'), 'sessions');
  return (Array.isArray(sessions) ? sessions : []).filter(isObject).map((row) => {
    const claim = member(row, 'claim_number');
    return {
      session_id: String(member(row, 'session_id')),
      subject: String(member(row, 'subject')),
      kind: String(member(row, 'kind')),
      state: String(member(row, 'state')),
      opened_micros: Number(member(row, 'opened_micros')),
      entries: Number(member(row, 'entries')),
      claim_number: typeof claim === 'number' ? claim : null,
    };
  });
}

async function list(operator: OperatorAccess, given: Arguments, io: Io): Promise<number> {
  const rows = await readSessions(operator);
  if (given.has('json')) {
    io.out(`${JSON.stringify({ sessions: rows }, null, 2)}\n`);
    return EXIT.done;
  }
  const cells = rows.map((row) => [
    printable(row.session_id),
    row.kind === 'gateway' ? '(the gateway itself)' : printable(row.subject),
    printable(row.state),
    new Date(row.opened_micros / 1000).toISOString(),
    String(row.entries),
    row.claim_number === null ? '' : String(row.claim_number),
  ]);
  io.out(`${table(['session', 'agent', 'state', 'opened', 'entries', 'claim'], cells)}\n`);
  return EXIT.done;
}

function report(answer: JsonObject, given: Arguments, io: Io, text: string): number {
  io.out(given.has('json') ? `${stringifyJson(answer)}\n` : `${printable(text)}\n`);
  return EXIT.done;
}

async function close(operator: OperatorAccess, id: string, given: Arguments, io: Io): Promise<number> {
  const answer = await askOperatorJson(operator, 'POST', `sessions/${id}/close`);
  return report(answer, given, io, `Session ${id} is closed. Its file: ${String(member(answer, 'file'))}`);
}

async function reset(subject: string, given: Arguments, io: Io): Promise<number> {
  const reason = given.one('reason');
  if (reason === null || reason === '') throw new UsageError('give the reason with --reason; it is recorded');
  const operator = await operatorAccess(given, io);
  // The exposure belongs to the subject (contracts section 1); any open session of it carries the entry.
  const open = (await readSessions(operator)).find(
    (row) => row.kind === 'session' && row.state === 'open' && row.subject === subject,
  );
  if (open === undefined)
    throw new RefusedError(`no session of ${JSON.stringify(subject)} is open, and the entry needs one`);
  const answer = await askOperatorJson(operator, 'POST', `sessions/${open.session_id}/reset`, { reason });
  return report(answer, given, io, `${subject} now counts as having seen: ${String(member(answer, 'exposure'))}`);
}

async function exportSession(operator: OperatorAccess, id: string, given: Arguments, io: Io): Promise<number> {
  const bytes = await askOperator(operator, 'GET', `sessions/${id}/export`);
  const file = given.one('out');
  if (file === null) {
    io.out(bytes.toString('utf8'));
    return EXIT.done;
  }
  await writeFile(file, bytes, { flag: 'wx', mode: 0o600 });
  return report({ session_id: id, file }, given, io, `Wrote ${file}. Check it with: cmcp verify ${file}`);
}
