import type { JsonObject } from '@cmcp/evidence';
import { type Operator, type OperatorRoute, object, REASON, ROLES, type Schema, UUID } from '../operator/route.ts';

/** What operators may do about calls that wait for an approval. */
export interface ApprovalOperations {
  list(): JsonObject;
  show(by: Operator, id: string): Promise<JsonObject>;
  answer(by: Operator, id: string, answer: Answer): Promise<JsonObject>;
}

/** What an approver says, and perhaps signs. */
export interface Answer {
  approved: boolean;
  reason: string;
  signature: { alg: string; keyId: string; value: string } | null;
}

const NAMES: Schema = { type: 'array', items: { type: 'string' } };
const DESCRIBED = {
  id: UUID,
  state: { type: 'string' },
  tool: { type: 'string' },
  server: { type: 'string' },
  subject: { type: 'string' },
  session_id: UUID,
  policies: NAMES,
  approvers: NAMES,
  channels: NAMES,
  expires_at: { type: 'string' },
  ends_in_seconds: { type: 'integer' },
} as const satisfies Record<string, Schema>;
const REQUEST: Schema = { type: 'object', properties: { ...DESCRIBED }, required: Object.keys(DESCRIBED) };
const WHOLE: Schema = {
  type: 'object',
  properties: {
    ...DESCRIBED,
    binding: { type: 'object', description: 'What the approval is bound to, and what its approver signs.' },
    arguments: { type: 'string', description: 'All of them, in canonical form; what cannot be seen is spelt out.' },
    arguments_base64url: { type: 'string', description: 'The exact bytes of the canonical form.' },
    answering_as: { type: 'string', description: 'Who asks: the name that is signed.' },
    salt: { type: ['string', 'null'], description: 'Bytes before those in the digest of the arguments, base64url.' },
  },
  required: [...Object.keys(DESCRIBED), 'binding', 'arguments', 'arguments_base64url', 'salt', 'answering_as'],
};
const SIGNATURE: Schema = {
  ...object({ alg: { type: 'string' }, key_id: { type: 'string' }, value: { type: 'string' } }, ['alg', 'value']),
  description: 'By a key of the approver: EdDSA over what @cmcp/evidence calls approvalSigningInput.',
};

/** What operators may ask about calls that wait for an approval, and answer. */
export function approvalRoutes(approvals: ApprovalOperations): OperatorRoute[] {
  const common = { params: { id: UUID }, roles: ['approver'] } as const;
  const body = object({ reason: REASON, signature: SIGNATURE }, ['reason']);
  const answer = (name: 'grant' | 'refuse', summary: string): OperatorRoute => ({
    ...{ ...common, method: 'POST', path: `approvals/{id}/${name}`, operationId: `${name}Approval`, mutates: true },
    summary,
    refusals: ['INVALID_PARAMS', 'FORBIDDEN'],
    body,
    answer: REQUEST,
    serve: ({ by, params, body: { reason, signature } }) =>
      approvals.answer(by, params.id ?? '', {
        approved: name === 'grant',
        reason: String(reason),
        signature: signatureIn(signature as JsonObject | undefined),
      }),
  });
  return [
    {
      ...{ method: 'GET', path: 'approvals', operationId: 'listApprovals', mutates: false, roles: ROLES },
      summary: 'Calls that wait for an approval, or to be made again once they have it. Nothing of their arguments.',
      answer: object({ items: { type: 'array', items: REQUEST } }, ['items']),
      serve: () => approvals.list(),
    },
    {
      ...{ ...common, method: 'GET', path: 'approvals/{id}', operationId: 'showApproval', mutates: false },
      summary: 'One of them with all of its arguments. That it was asked for is entered.',
      refusals: ['INVALID_PARAMS'],
      answer: WHOLE,
      serve: ({ by, params }) => approvals.show(by, params.id ?? ''),
    },
    answer('grant', 'Approves exactly this call, once.'),
    answer('refuse', 'Refuses it: the call, and the same call again, until the request would have ended.'),
  ];
}

function signatureIn(given: JsonObject | undefined): Answer['signature'] {
  if (given === undefined) return null;
  return { alg: String(given.alg), keyId: String(given.key_id ?? ''), value: String(given.value) };
}
