import { isObject, type JsonObject, member } from '@cmcp/evidence';
import type { Action } from '../action.ts';
import { type Arguments, refuseOthers, suggestion } from '../arguments.ts';
import { UsageError } from '../io.ts';
import { OPERATOR_OPTIONS } from '../operator-access.ts';
import { operatorAction, said } from '../policy/operate.ts';
import { table } from '../table.ts';

const ROUTE = 'catalog/exceptions';
const STEPS = ['request', 'confirm', 'list', 'end'] as const;
type Step = (typeof STEPS)[number];

/** The options that each step heeds, besides those of every question to a gateway. */
const HEEDED: Readonly<Record<Step, readonly string[]>> = {
  request: ['reason', 'id', 'url', 'tls-fingerprint', 'spki-pin', 'tool', 'sensitivity', 'ttl'],
  confirm: ['reason'],
  list: [],
  end: ['reason'],
};

export const exceptionAction: Action = operatorAction(
  {
    name: 'exception',
    usage: 'exception request|confirm|list|end',
    description: [
      'In an emergency: has a running gateway let agents use tools of a server that the catalog does not approve, for a',
      'while. One operator asks, another one confirms; it ends by itself. Sessions, claims and verifiers name it.',
    ],
    options: {
      id: { value: 'ID', help: 'What the catalog calls the server (default: made from its URL or program).' },
      url: {
        value: 'URL',
        help: 'A server that speaks Streamable HTTP. For one that is spawned, give its command after --.',
      },
      'tls-fingerprint': { value: 'SHA256', help: 'The certificate that the server must show.' },
      'spki-pin': { value: 'DIGEST', multiple: true, help: 'The public key that its certificate must hold, sha256:…' },
      tool: { value: 'NAME', multiple: true, help: 'A tool that is needed. No other of the server is offered.' },
      sensitivity: { value: 'LABEL', help: 'What an agent has seen, once it has used it.' },
      ttl: { value: 'TIME', help: 'For how long, 1m to 24h (default: 1h).' },
      reason: { value: 'TEXT', help: 'Why. Recorded.' },
    },
    examples: [
      [
        'cmcp catalog exception request --id spare --url https://spare.example/mcp --tool restart --sensitivity pii --reason INC-7',
        'As one operator; prints the id',
      ],
      ['cmcp catalog exception confirm "$ID" --reason "seen INC-7"', 'As another; it is in force from now on'],
    ],
  },
  async ([word = '', id], given) => {
    const step = STEPS.find((each) => each === word);
    if (step === undefined) throw new UsageError(`say ${STEPS.join(', ')}${await suggestion(word, [...STEPS])}`);
    refuseOthers(given, [...HEEDED[step], 'config', 'json', ...Object.keys(OPERATOR_OPTIONS)], `exception ${step}`);
    if (step === 'list') return { method: 'GET', route: ROUTE };
    const reason = needed(given, 'reason');
    if (step === 'request') return { method: 'POST', route: ROUTE, body: { ...request(given), reason } };
    if (id === undefined) throw new UsageError(`say which: cmcp catalog exception ${step} ID --reason TEXT`);
    if (!/^[0-9a-f-]{36}$/.test(id)) throw new UsageError(`${JSON.stringify(id)} is not the id of an exception`);
    return { method: 'POST', route: `${ROUTE}/${id}/${step}`, body: { reason } };
  },
  result,
);

function request(given: Arguments): JsonObject {
  const fingerprint = given.one('tls-fingerprint');
  const pins = given.many('spki-pin');
  const tools = given.many('tool');
  const ttl = given.one('ttl');
  if (tools.length === 0) throw new UsageError('name each tool that is needed with --tool');
  const server = { id: needed(given, 'id'), url: needed(given, 'url') };
  return {
    server: {
      ...server,
      ...(fingerprint && { tls_fingerprint: fingerprint }),
      ...(pins.length > 0 && { spki_pins: pins }),
    },
    tools,
    sensitivity: needed(given, 'sensitivity'),
    ...(ttl !== null && { ttl }),
  };
}

function needed(given: Arguments, name: string): string {
  const value = given.one(name);
  if (value === null) throw new UsageError(`give --${name}`);
  return value;
}

function result(answer: JsonObject): string {
  const text = (name: string): string => said(member(answer, name));
  switch (member(answer, 'state')) {
    case 'pending':
      return `Asked for: ${text('id')}\nAnother operator confirms it within ${text('lapses_in_seconds')} s: cmcp catalog exception confirm ${text('id')} --reason TEXT`;
    case 'active':
      return `${text('id')} is in force for ${text('ends_in_seconds')} s. End it with: cmcp catalog exception end ${text('id')} --reason TEXT`;
    case 'ended':
      return `${text('id')} has ended.`;
    default:
      return listed(answer);
  }
}

const COLUMNS = ['state', 'id', 'tools', 'server', 'by', 'seconds left', 'reason'];

function listed(answer: JsonObject): string {
  const rows = ['active', 'pending'].flatMap((state) => (member(answer, state) ?? []) as JsonObject[]);
  if (rows.length === 0) return 'No exception is pending or in force.';
  return table(COLUMNS, rows.filter(isObject).map(cells));
}

function cells(row: JsonObject): string[] {
  const text = (name: string): string => said(member(row, name));
  const server = member(row, 'server');
  const active = member(row, 'state') === 'active';
  return [
    text('state'),
    text('id'),
    ((member(row, 'tools') ?? []) as string[]).join(' '),
    isObject(server) ? `${said(member(server, 'id'))} ${said(member(server, 'url'))}` : '',
    active ? `${text('requested_by')}, ${text('confirmed_by')}` : text('requested_by'),
    text(active ? 'ends_in_seconds' : 'lapses_in_seconds'),
    text('reason'),
  ];
}
