import { GatewayError } from '../../errors.ts';
import { type OperatorRoute, object, UUID } from '../../operator/route.ts';
import type { ApprovalCallback } from './callback.ts';

/** Where a callback answers. Its credential is the signature over what it sends; it has no other, and no role. */
export function callbackRoute(callback: Pick<ApprovalCallback, 'receive'> | null): OperatorRoute {
  return {
    ...{ method: 'POST', path: 'approvals/{id}/callback', operationId: 'answerByCallback' },
    summary: 'The answer of the configured callback, signed as its requests are (Standard Webhooks, HMAC-SHA256).',
    open: true,
    roles: [],
    mutates: true,
    params: { id: UUID },
    body: {
      ...object({ type: { const: 'approval.answered' }, data: { type: 'object' } }, ['type', 'data']),
      description: 'data: {approval_id, verdict: granted or refused, reason}. The signature is over these very bytes.',
    },
    refusals: ['UNAUTHENTICATED', 'ROUTE_NOT_FOUND', 'FORBIDDEN', 'OVERLOADED'],
    answer: object({ taken: { const: true } }, ['taken']),
    serve: async ({ params, received }) => {
      if (callback === null) throw new GatewayError('ROUTE_NOT_FOUND', 'no callback is configured');
      await callback.receive(params.id ?? '', received);
      return { taken: true };
    },
  };
}
