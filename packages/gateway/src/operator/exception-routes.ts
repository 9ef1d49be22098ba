import type { JsonObject } from '@cmcp/evidence';
import { type Operator, type OperatorRoute, object, REASON, ROLES, type Schema, UUID } from './route.ts';

/** What operators may do where something is needed at once that no catalog approves. */
export interface ExceptionOperations {
  request(by: Operator, body: JsonObject, reason: string): Promise<JsonObject>;
  confirm(by: Operator, id: string, reason: string): Promise<JsonObject>;
  list(): JsonObject;
  end(by: Operator, id: string, reason: string): Promise<JsonObject>;
}

const TEXT: Schema = { type: 'string' };
const EXCEPTION: Schema = {
  type: 'object',
  properties: {
    id: UUID,
    state: { enum: ['pending', 'active'] },
    reason: TEXT,
    requested_by: TEXT,
    confirmed_by: TEXT,
    sensitivity: TEXT,
    server: object({ id: TEXT, url: TEXT }, ['id', 'url']),
    tools: { type: 'array', items: TEXT },
    ttl_seconds: { type: 'integer' },
    added_at: { type: ['string', 'null'] },
    lapses_in_seconds: { type: 'integer' },
    ends_in_seconds: { type: 'integer' },
  },
  required: ['id', 'state', 'reason', 'requested_by', 'sensitivity', 'server', 'tools', 'ttl_seconds'],
};
const EXCEPTIONS: Schema = { type: 'array', items: EXCEPTION };

/** Of what is asked for, servers and tools are judged as a catalog's are (catalog/exception.ts), not by a schema. */
const REQUEST = object(
  {
    reason: REASON,
    server: { description: 'A server as a catalog names it: id, url, and pins of its certificate.' },
    tools: { description: 'Names of its tools.' },
    sensitivity: { description: 'What its answers count as.' },
    ttl: { description: 'How long: a duration from 1m to 24h.' },
  },
  ['reason'],
);

/** What operators may ask about exceptions, and do about them. */
export function exceptionRoutes(exceptions: ExceptionOperations): OperatorRoute[] {
  const step = { method: 'POST', mutates: true, roles: ['operator'], params: { id: UUID } } as const;
  const body = object({ reason: REASON }, ['reason']);
  return [
    {
      ...{ method: 'GET', path: 'catalog/exceptions', operationId: 'listExceptions', mutates: false, roles: ROLES },
      summary: 'What is used for a while although no catalog approves it, and what waits for a second operator.',
      answer: object({ pending: EXCEPTIONS, active: EXCEPTIONS }, ['pending', 'active']),
      serve: () => exceptions.list(),
    },
    {
      ...{ method: 'POST', path: 'catalog/exceptions', operationId: 'requestException', mutates: true },
      roles: ['operator'],
      summary: 'Asks for tools of a server that no catalog approves. Another operator has to confirm.',
      body: REQUEST,
      answer: EXCEPTION,
      serve: ({ by, body: asked }) => exceptions.request(by, asked, String(asked.reason)),
    },
    {
      ...{ ...step, path: 'catalog/exceptions/{id}/confirm', operationId: 'confirmException', body },
      summary: 'Puts in force what another operator asked for.',
      refusals: ['UPSTREAM_UNAVAILABLE'],
      answer: EXCEPTION,
      serve: ({ by, params, body: { reason } }) => exceptions.confirm(by, params.id ?? '', String(reason)),
    },
    {
      ...{ ...step, path: 'catalog/exceptions/{id}/end', operationId: 'endException', body },
      summary: 'Ends one before its time, or withdraws what was asked for.',
      answer: object({ id: UUID, state: { const: 'ended' } }, ['id', 'state']),
      serve: ({ by, params, body: { reason } }) => exceptions.end(by, params.id ?? '', String(reason)),
    },
  ];
}
