import type { JsonObject } from '@cmcp/evidence';
import { type Operator, type OperatorRoute, object, REASON, ROLES, type Schema, UUID } from './route.ts';

/** What operators may do about answers that are withheld until one of them releases them. */
export interface QuarantineOperations {
  list(): JsonObject;
  show(by: Operator, id: string): Promise<JsonObject>;
  release(by: Operator, id: string, reason: string): Promise<JsonObject>;
  discard(by: Operator, id: string, reason: string): Promise<JsonObject>;
}

const HELD: Schema = {
  type: 'object',
  properties: {
    id: UUID,
    state: { type: 'string' },
    item: { type: 'string' },
    subject: { type: 'string' },
    session_id: UUID,
    bytes: { type: 'integer' },
    ends_in_seconds: { type: 'integer' },
  },
  required: ['id', 'state', 'item', 'subject', 'session_id', 'bytes', 'ends_in_seconds'],
};

/** What operators may ask about answers that are held, and do about them. */
export function quarantineRoutes(quarantine: QuarantineOperations): OperatorRoute[] {
  const common = { params: { id: UUID }, roles: ['operator'] } as const;
  const step = { ...common, method: 'POST', mutates: true, body: object({ reason: REASON }, ['reason']) } as const;
  return [
    {
      ...{ method: 'GET', path: 'quarantine', operationId: 'listQuarantine', mutates: false, roles: ROLES },
      summary: 'Answers that are held: which call, for whom, by which rules. Nothing of them.',
      answer: object({ items: { type: 'array', items: HELD } }, ['items']),
      serve: () => quarantine.list(),
    },
    {
      ...{ ...common, method: 'GET', path: 'quarantine/{id}', operationId: 'showQuarantined', mutates: false },
      refusals: ['INVALID_PARAMS'],
      summary: 'One of them whole, with what was found in it. That it was asked for is entered.',
      answer: HELD,
      serve: ({ by, params }) => quarantine.show(by, params.id ?? ''),
    },
    {
      ...{ ...step, path: 'quarantine/{id}/release', operationId: 'releaseQuarantined' },
      summary: 'The same caller has this answer for its next identical request, once.',
      answer: HELD,
      serve: ({ by, params, body }) => quarantine.release(by, params.id ?? '', String(body.reason)),
    },
    {
      ...{ ...step, path: 'quarantine/{id}/discard', operationId: 'discardQuarantined' },
      summary: 'Forgets an answer.',
      answer: object({ id: UUID, state: { const: 'discarded' } }, ['id', 'state']),
      serve: ({ by, params, body }) => quarantine.discard(by, params.id ?? '', String(body.reason)),
    },
  ];
}
