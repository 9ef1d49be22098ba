import type { JsonObject } from '@cmcp/evidence';
import type { ErrorCode } from '../errors.ts';
import type { OperatorEvents } from './events.ts';

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
  /** When the credential ends, microseconds since the epoch. Left out: it does not say. */
  readonly expiresMicros?: number;
}

/** A JSON Schema (2020-12), as the OpenAPI document shows it and the listener holds requests to it. Keywords: see schema-check.ts. */
export type Schema = JsonObject;

/** What one request brings to its route. All of it fits the route's schemas. */
export interface RouteRequest {
  readonly by: Operator;
  /** From the path, by name. */
  readonly params: Readonly<Record<string, string>>;
  readonly query: Readonly<Record<string, string>>;
  readonly body: JsonObject;
  readonly received: Received;
}

/** The message itself, for a route whose credential is a signature over it. */
export interface Received {
  /** The body as it came; empty where there was none. */
  readonly bytes: Uint8Array;
  /** The value of a header field that is there just once; null: it is not. */
  field(name: string): string | null;
}

/** What every route declares. */
export interface RouteHead {
  readonly method: 'GET' | 'POST';
  /** Below `/operator/v1/`, names in braces: `sessions/{session_id}/close`. */
  readonly path: string;
  /** For code that is generated, unique: `closeSession`. */
  readonly operationId: string;
  /** A sentence for the document. */
  readonly summary: string;
  /** Any of these may, and whoever may what they may; see {@link mayUse}. */
  readonly roles: readonly Role[];
  /** Schemas of the names in the path, of the query (all optional), and of the body; left out: there is none. */
  readonly params?: Readonly<Record<string, Schema>>;
  readonly query?: Readonly<Record<string, Schema>>;
  readonly body?: Schema;
  readonly answer: Schema;
  /** Codes that it may refuse with, besides those of the listener: for the document. */
  readonly refusals?: readonly ErrorCode[];
  /** Changes something: it takes an idempotency key, and enters itself in the gateway chain before it takes effect. */
  readonly mutates: boolean;
}

/**
 * One route of the operator interface. What is declared here is all there is: the listener, the OpenAPI document and the route-table
 * test are made from it.
 */
export interface OperatorRoute extends RouteHead {
  /** No credential is asked for, and `by` is nobody: it brings its own, if any, and no idempotency key is minded. */
  readonly open?: true;
  /** Whether the answer says that what was asked for is not available: it goes out with status 503. */
  readonly unavailable?: (answer: JsonObject) => boolean;
  serve(request: RouteRequest): Promise<JsonObject> | JsonObject;
}

/** A route whose answer is a stream of server-sent events, `answer` the schema of each. */
export interface EventRoute extends RouteHead {
  readonly follow: OperatorEvents;
}

export type AnyRoute = OperatorRoute | EventRoute;

/** What is below is in `/operator/v1/`. */
export const PREFIX = '/operator/v1/';

export const UUID: Schema = {
  type: 'string',
  pattern: '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$',
};
/** What goes into an entry as somebody wrote it: printable ASCII, bounded (D-51). */
export const REASON: Schema = {
  type: 'string',
  pattern: '^[ -~]{1,500}$',
  not: { const: 'kill_switch_triggered' },
  description:
    'Why, for the entry: printable ASCII, 1 to 500 characters; kill_switch_triggered has a meaning of its own.',
};

const LADDER: readonly Role[] = ['viewer', 'approver', 'operator'];

/** Whether a role may use a route: it is named, or a lesser one is; an auditor reads whatever there is to read. */
export function mayUse({ roles, mutates }: RouteHead, role: Role): boolean {
  if (role === 'auditor') return roles.includes(role) || !mutates;
  return LADDER.slice(0, LADDER.indexOf(role) + 1).some((each) => roles.includes(each));
}

/** A closed object: every member is named. */
export function object(properties: Record<string, Schema>, required: readonly string[] = []): Schema {
  return { type: 'object', properties, required: [...required], additionalProperties: false };
}
