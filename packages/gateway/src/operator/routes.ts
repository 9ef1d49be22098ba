import type { JsonObject } from '@cmcp/evidence';
import type { ApprovalCallback } from '../escalation/callback/callback.ts';
import { callbackRoute } from '../escalation/callback/route.ts';
import { type ApprovalOperations, approvalRoutes } from '../escalation/routes.ts';
import type { StopOperations } from '../stop/operations.ts';
import { stopRoutes } from '../stop/routes.ts';
import type { OperatorDeps } from './api.ts';
import { type ExceptionOperations, exceptionRoutes } from './exception-routes.ts';
import { openApi } from './openapi.ts';
import { type OwnRoutesDeps, ownRoutes } from './own-routes.ts';
import { type PolicyOperations, policyRoutes } from './policy-routes.ts';
import { type QuarantineOperations, quarantineRoutes } from './quarantine-routes.ts';
import { type AnyRoute, ROLES } from './route.ts';
import { sessionRoutes } from './session-routes.ts';

/** What operators ask, by what answers. */
export interface Rooms {
  own: OwnRoutesDeps;
  sessions: OperatorDeps;
  policy: PolicyOperations;
  exceptions: ExceptionOperations;
  quarantine: QuarantineOperations;
  approvals: ApprovalOperations;
  /** Null: none is configured. */
  callback: Pick<ApprovalCallback, 'receive'> | null;
  stop: StopOperations;
}

/** All there is to ask of the operator interface. */
export function operatorRoutes(rooms: Rooms): AnyRoute[] {
  const routes: AnyRoute[] = [
    ...ownRoutes(rooms.own),
    ...sessionRoutes(rooms.sessions),
    ...policyRoutes(rooms.policy),
    ...exceptionRoutes(rooms.exceptions),
    ...quarantineRoutes(rooms.quarantine),
    ...approvalRoutes(rooms.approvals),
    callbackRoute(rooms.callback),
    ...stopRoutes(rooms.stop),
    {
      ...{ method: 'GET', path: 'openapi.json', operationId: 'describeInterface', mutates: false, roles: ROLES },
      summary: 'This document.',
      answer: { type: 'object', description: 'An OpenAPI 3.1 document.' },
      serve: () => openApi(routes),
    },
  ];
  return routes;
}

/** The same declarations with nobody behind them, for what is made from declarations alone. */
export function declaredRoutes(): AnyRoute[] {
  const nobody = new Proxy({}, { get: () => ({}) });
  return operatorRoutes(nobody as Rooms);
}

/** The document of the whole interface, of this version. */
export function operatorOpenApi(): JsonObject {
  return openApi(declaredRoutes());
}
