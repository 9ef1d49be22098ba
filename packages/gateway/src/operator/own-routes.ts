import type { OperatorEvents } from './events.ts';
import { type AnyRoute, object, ROLES } from './route.ts';

/** What the listener's own routes tell of. */
export interface OwnRoutesDeps {
  events: OperatorEvents;
  ready: () => boolean;
  /** What vouches for the sessions: operators see at a glance that it is `software`. */
  trustLevel: string;
}

/** Whether it lives, whether it serves, and what happens. */
export function ownRoutes({ events, ready, trustLevel }: OwnRoutesDeps): AnyRoute[] {
  return [
    {
      ...{ method: 'GET', path: 'healthz', operationId: 'health', mutates: false, roles: ROLES, open: true },
      summary: 'Whether the process answers. Without a credential.',
      answer: object({ ok: { const: true } }, ['ok']),
      serve: () => ({ ok: true }),
    },
    {
      ...{ method: 'GET', path: 'readyz', operationId: 'readiness', mutates: false, roles: ROLES },
      summary: 'Whether it serves agents; status 503 while it does not.',
      answer: object({ ready: { type: 'boolean' }, trust_level: { type: 'string' } }, ['ready', 'trust_level']),
      unavailable: ({ ready: serves }) => serves === false,
      serve: () => ({ ready: ready(), trust_level: trustLevel }),
    },
    {
      ...{ method: 'GET', path: 'events', operationId: 'followEvents', mutates: false, roles: ROLES },
      summary: 'What happens from now on, as server-sent events: names and decisions, never payloads.',
      answer: { type: 'object', properties: { event: { type: 'string' } }, required: ['event'] },
      follow: events,
    },
  ];
}
