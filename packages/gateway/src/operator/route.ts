import type { JsonObject } from '@cmcp/evidence';

/**
 * What operators may be. Each may do what is before it too, but for `auditor`, who reads everything, the contents of sessions among it, and
 * changes nothing.
 */
export const ROLES = ['viewer', 'approver', 'operator', 'auditor'] as const;
export type Role = (typeof ROLES)[number];

/** Who asks, as the operator listener established it. */
export interface Operator {
  /** Printable ASCII. */
  readonly subject: string;
  readonly source: 'bearer' | 'mtls' | 'oidc';
  readonly roles: readonly Role[];
}

/** A JSON Schema (2020-12), as the OpenAPI document shows it and the listener holds requests to it. */
export type Schema = JsonObject;

/** What one request brings to its route. All of it fits the route's schemas. */
export interface RouteRequest {
  readonly by: Operator;
  /** From the path, by name. */
  readonly params: Readonly<Record<string, string>>;
  readonly query: Readonly<Record<string, string>>;
  readonly body: JsonObject;
}

/**
 * One route of the operator interface. What is declared here is all there is: the listener, the OpenAPI document and the route-table
 * test are made from it.
 */
export interface OperatorRoute {
  readonly method: 'GET' | 'POST';
  /** Below `/operator/v1/`, names in braces: `sessions/{session_id}/close`. */
  readonly path: string;
  /** For code that is generated, unique: `closeSession`. */
  readonly operationId: string;
  /** A sentence for the document. */
  readonly summary: string;
  /** Any of these may. */
  readonly roles: readonly Role[];
  /** Schemas of the names in the path, of the query (all optional), and of the body; left out: there is none. */
  readonly params?: Readonly<Record<string, Schema>>;
  readonly query?: Readonly<Record<string, Schema>>;
  readonly body?: Schema;
  readonly answer: Schema;
  /** Changes something: it takes an idempotency key, and enters itself in the gateway chain before it takes effect. */
  readonly mutates: boolean;
  serve(request: RouteRequest): Promise<JsonObject> | JsonObject;
}

export const UUID: Schema = {
  type: 'string',
  pattern: '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$',
};
/** What goes into an entry as somebody wrote it: printable ASCII, bounded (D-51). */
export const REASON: Schema = { type: 'string', pattern: '^[ -~]{1,500}$', not: { const: 'kill_switch_triggered' } };
