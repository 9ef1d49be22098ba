import { type OperatorRoute, object, REASON, type Schema, UUID } from '../operator/route.ts';
import { SCOPES, type Scope } from './block.ts';
import type { StopOperations } from './operations.ts';

const NAME: Schema = {
  type: 'string',
  // No name is longer than that of an agent, which a SPIFFE ID may be.
  pattern: '^[ -~]{1,2048}$',
  description: 'The agent, session, tool or server: printable ASCII. Left out for everything.',
};

const BLOCK: Schema = {
  type: 'object',
  properties: {
    id: UUID,
    scope: { enum: [...SCOPES] },
    name: { type: 'string' },
    reason: { type: 'string' },
    by: { type: 'string' },
    rule: { type: ['string', 'null'] },
    since: { type: 'string' },
  },
  required: ['id', 'scope', 'name', 'reason', 'by', 'rule', 'since'],
};

const LIMIT: Schema = {
  type: 'object',
  properties: {
    per: { type: 'string' },
    window_seconds: { type: 'integer' },
    exceeded: { enum: ['refuse', 'block'] },
    used: { type: 'array', items: { type: 'object' } },
  },
  required: ['per', 'window_seconds', 'exceeded', 'used'],
};

/** What operators may stop, and let go on (G27, D-49). */
export function stopRoutes(stop: StopOperations): OperatorRoute[] {
  const read = { method: 'GET', mutates: false, roles: ['viewer'] } as const;
  const change = { method: 'POST', mutates: true, roles: ['operator'], refusals: ['INVALID_PARAMS'] } as const;
  return [
    {
      ...{ ...read, path: 'blocks', operationId: 'listBlocks' },
      summary: 'What is stopped, the oldest first.',
      answer: object({ blocks: { type: 'array', items: BLOCK } }, ['blocks']),
      serve: () => stop.list(),
    },
    {
      ...{ ...change, path: 'blocks', operationId: 'block' },
      summary: 'Stops an agent, a session, a tool, a server or everything: at once, and until it is lifted.',
      body: object({ scope: { enum: [...SCOPES] }, name: NAME, reason: REASON }, ['scope', 'reason']),
      answer: BLOCK,
      serve: ({ by, body }) => stop.block(by, scopeIn(body.scope), nameIn(body.name), String(body.reason)),
    },
    {
      ...{ ...change, path: 'blocks/{id}/lift', operationId: 'liftBlock' },
      summary: 'Lets go on what was stopped.',
      params: { id: UUID },
      body: object({ reason: REASON }, ['reason']),
      answer: BLOCK,
      serve: ({ by, params, body }) => stop.lift(by, params.id ?? '', String(body.reason)),
    },
    {
      ...{ ...read, path: 'limits', operationId: 'showLimits' },
      summary: 'The limits on use, and who has used most of each within its window.',
      answer: object({ limits: { type: 'array', items: LIMIT } }, ['limits']),
      serve: () => stop.limits(),
    },
  ];
}

const nameIn = (value: unknown): string | null => (typeof value === 'string' ? value : null);
const scopeIn = (value: unknown): Scope => SCOPES.find((each) => each === value) ?? 'all';
