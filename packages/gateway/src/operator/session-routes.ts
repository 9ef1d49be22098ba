import {
  closeSession,
  discloseSalt,
  exportSession,
  listSessions,
  type OperatorDeps,
  resetSession,
  showSession,
} from './api.ts';
import { type OperatorRoute, object, REASON, ROLES, type Schema, UUID } from './route.ts';

const COUNT: Schema = { type: 'integer', minimum: 0 };
const TEXT: Schema = { type: 'string' };
const SESSION_ID = { session_id: UUID };

const SESSION = object(
  {
    session_id: UUID,
    kind: { enum: ['session', 'gateway'] },
    subject: TEXT,
    opened_micros: COUNT,
    state: TEXT,
    close_reason: { type: ['string', 'null'] },
    entries: COUNT,
    claim_number: { type: ['integer', 'null'] },
  },
  ['session_id', 'kind', 'subject', 'opened_micros', 'state', 'close_reason', 'entries', 'claim_number'],
);
const SESSION_FILE: Schema = {
  type: 'object',
  description: 'A session file, which `cmcp verify` checks: entries, claim, checkpoints and evidence.',
};
const CLOSED = object({ session_id: UUID, state: { const: 'closed' }, claim_number: COUNT, file: TEXT }, [
  'session_id',
  'state',
  'claim_number',
  'file',
]);
const RESET = object({ session_id: UUID, subject: TEXT, exposure: TEXT, generation: COUNT }, [
  'session_id',
  'subject',
  'exposure',
  'generation',
]);

/** What operators may ask about sessions, and do to them. */
export function sessionRoutes(deps: OperatorDeps): OperatorRoute[] {
  return [...reading(deps), ...changing(deps)];
}

function reading(deps: OperatorDeps): OperatorRoute[] {
  return [
    {
      ...{ method: 'GET', path: 'sessions', operationId: 'listSessions', mutates: false, roles: ROLES },
      summary: 'Sessions, open and closed: names, states and counts, never payloads.',
      answer: object({ sessions: { type: 'array', items: SESSION } }, ['sessions']),
      serve: () => listSessions(deps),
    },
    {
      ...{ method: 'GET', path: 'sessions/{session_id}', operationId: 'showSession', mutates: false, roles: ROLES },
      summary: 'One session: names, states and counts, never payloads.',
      params: SESSION_ID,
      refusals: ['SESSION_UNKNOWN'],
      answer: SESSION,
      serve: ({ params }) => showSession(deps, params.session_id ?? ''),
    },
    {
      ...{ method: 'GET', path: 'sessions/{session_id}/export', operationId: 'exportSession', mutates: false },
      roles: ['operator', 'auditor'],
      summary:
        'The file of a session, which `cmcp verify` checks; with `disclose`, the salt of one of its calls. That it was asked for is entered.',
      params: SESSION_ID,
      refusals: ['SESSION_UNKNOWN'],
      query: { disclose: { ...UUID, description: 'Id of a call: only the salt of its payload digests is answered.' } },
      answer: {
        anyOf: [
          SESSION_FILE,
          object({ session_id: UUID, call_id: UUID, salt: { type: 'string', pattern: '^[A-Za-z0-9_-]+$' } }, [
            'session_id',
            'call_id',
            'salt',
          ]),
        ],
      },
      serve: ({ by, params, query }) =>
        query.disclose === undefined
          ? exportSession(deps, params.session_id ?? '', by)
          : discloseSalt(deps, params.session_id ?? '', by, query.disclose),
    },
    {
      ...{ method: 'GET', path: 'gateway/export', operationId: 'exportGateway', mutates: false },
      roles: ['operator', 'auditor'],
      summary: "The file of the gateway's own chain, up to now: what operators did, among the rest.",
      answer: SESSION_FILE,
      serve: ({ by }) => exportSession(deps, deps.gatewaySession, by),
    },
  ];
}

function changing(deps: OperatorDeps): OperatorRoute[] {
  return [
    {
      ...{ method: 'POST', path: 'sessions/{session_id}/close', operationId: 'closeSession', mutates: true },
      roles: ['operator'],
      summary: 'Closes an open session: its claim is signed and its file written.',
      params: SESSION_ID,
      refusals: ['SESSION_UNKNOWN'],
      body: object({ reason: REASON }),
      answer: CLOSED,
      serve: ({ by, params, body }) =>
        closeSession(deps, params.session_id ?? '', by, body.reason === undefined ? null : String(body.reason)),
    },
    {
      ...{ method: 'POST', path: 'sessions/{session_id}/reset', operationId: 'resetSession', mutates: true },
      roles: ['operator'],
      summary: "Lowers what the session's subject counts as having seen.",
      params: SESSION_ID,
      refusals: ['SESSION_UNKNOWN'],
      body: object({ reason: REASON }, ['reason']),
      answer: RESET,
      serve: ({ by, params, body }) => resetSession(deps, params.session_id ?? '', by, String(body.reason)),
    },
  ];
}
