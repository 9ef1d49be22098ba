import type { JsonObject } from '@cmcp/evidence';
import { ERRORS, type ErrorCode } from '../errors.ts';
import { statusOf } from './failure.ts';
import { type AnyRoute, mayUse, object, PREFIX, ROLES, type Schema } from './route.ts';

const ERROR = object(
  {
    error_code: { type: 'string', description: 'As docs/errors.md lists them.' },
    message: { type: 'string', description: 'What happened, in a sentence.' },
    detail: { type: 'string', description: 'What was wrong, and what would do.' },
  },
  ['error_code', 'message', 'detail'],
);

const DESCRIPTION =
  'What operators may ask of a cMCP gateway: over its Unix socket, or over TLS. Every change is an entry of the gateway chain before it takes effect.';

/** The OpenAPI 3.1 document of the operator interface, made from its routes. */
export function openApi(routes: readonly AnyRoute[]): JsonObject {
  const paths: Record<string, JsonObject> = {};
  for (const route of routes)
    paths[PREFIX + route.path] = { ...paths[PREFIX + route.path], [route.method.toLowerCase()]: operation(route) };
  return {
    openapi: '3.1.0',
    info: { title: 'cMCP operator interface', version: '1', description: DESCRIPTION },
    jsonSchemaDialect: 'https://json-schema.org/draft/2020-12/schema',
    servers: [{ url: '/', description: 'The listener that this document came from.' }],
    security: [{ token: [] }, { certificate: [] }],
    paths,
    components: {
      schemas: { Error: ERROR },
      responses: Object.fromEntries(
        routes.flatMap((route) => refusals(route).map(({ name, response }) => [name, response])),
      ),
      securitySchemes: {
        token: {
          type: 'http',
          scheme: 'bearer',
          description: 'A token of `operator.credentials`, or of the issuer of `operator.oidc`.',
        },
        certificate: { type: 'mutualTLS', description: 'A certificate of `operator.certificates`.' },
      },
    },
  };
}

function operation(route: AnyRoute): JsonObject {
  const { operationId, summary, body } = route;
  return {
    operationId,
    summary,
    tags: [route.path.split('/')[0] ?? ''],
    ...(isOpen(route) ? { security: [] } : { 'x-roles': ROLES.filter((role) => mayUse(route, role)) }),
    ...withParameters(parameters(route)),
    ...(body !== undefined && { requestBody: requestBody(body) }),
    responses: { ...references(refusals(route)), ...answers(route) },
  };
}

function withParameters(list: JsonObject[]): JsonObject {
  return list.length === 0 ? {} : { parameters: list };
}

function parameters({ params = {}, query = {}, ...route }: AnyRoute): JsonObject[] {
  const named = (schemas: Readonly<Record<string, Schema>>, place: 'path' | 'query'): JsonObject[] =>
    Object.entries(schemas).map(([name, { description, ...schema }]) => ({
      ...{ name, in: place, required: place === 'path', schema },
      ...(description !== undefined && { description }),
    }));
  return [
    ...named(params, 'path'),
    ...named(query, 'query'),
    ...(route.mutates && !isOpen(route) ? [IDEMPOTENCY_KEY] : []),
    ...('follow' in route ? [LAST_EVENT_ID] : []),
  ];
}

const HEADER_TOKEN: Schema = { type: 'string', pattern: '^[!-~]{1,128}$' };
const IDEMPOTENCY_KEY: JsonObject = {
  name: 'Idempotency-Key',
  in: 'header',
  required: false,
  schema: HEADER_TOKEN,
  description:
    'The same operator with the same key and request gets the same answer, and nothing is done twice. Kept in memory for a day, the latest 4096 of all.',
};
const LAST_EVENT_ID: JsonObject = {
  name: 'Last-Event-ID',
  in: 'header',
  required: false,
  schema: HEADER_TOKEN,
  description: 'What came after that event is sent first, behind an event `gap` where some of it is lost.',
};

function requestBody(schema: Schema): JsonObject {
  const required = Array.isArray(schema.required) && schema.required.length > 0;
  return { required, content: { 'application/json': { schema } } };
}

function answers(route: AnyRoute): JsonObject {
  const content = (schema: Schema): JsonObject => ({ content: { 'application/json': { schema } } });
  if ('follow' in route) {
    const stream = { schema: { type: 'string', contentMediaType: 'application/json', contentSchema: route.answer } };
    const description = 'Server-sent events; the data of each is JSON.';
    return { '200': { description, content: { 'text/event-stream': stream } } };
  }
  const done = { '200': { description: 'Done.', ...content(route.answer) } };
  if (route.unavailable === undefined) return done;
  const either = { anyOf: [route.answer, { $ref: '#/components/schemas/Error' }] };
  return {
    ...done,
    '503': { description: 'Not available, as the answer says, or it cannot be known who asks.', ...content(either) },
  };
}

interface Refusal {
  status: string;
  /** Of the codes that it may come with: routes with the same ones share it. */
  name: string;
  response: JsonObject;
}

/** By status. */
function refusals(route: AnyRoute): Refusal[] {
  const byStatus = new Map<number, Set<ErrorCode>>();
  for (const code of codesOf(route))
    byStatus.set(statusOf(code), (byStatus.get(statusOf(code)) ?? new Set()).add(code));
  return [...byStatus].map(([status, codes]) => ({
    status: String(status),
    name: [...codes].join('.'),
    response: {
      description: [...codes].map((code) => `\`${code}\`: ${ERRORS[code].message}`).join(' '),
      content: { 'application/json': { schema: { $ref: '#/components/schemas/Error' } } },
    },
  }));
}

function references(all: Refusal[]): JsonObject {
  return Object.fromEntries(all.map(({ status, name }) => [status, { $ref: `#/components/responses/${name}` }]));
}

/** What the listener refuses with, and what the route itself does. */
function codesOf(route: AnyRoute): ErrorCode[] {
  return [
    ...(route.method === 'POST' ? (['PARSE_ERROR', 'INVALID_PARAMS', 'BODY_TOO_LARGE'] as const) : []),
    ...(route.query === undefined ? [] : (['INVALID_PARAMS'] as const)),
    ...(isOpen(route) ? [] : (['UNAUTHENTICATED', 'FORBIDDEN', 'RATE_LIMITED', 'IDENTITY_UNAVAILABLE'] as const)),
    ...(['HOST_REFUSED', 'ORIGIN_REFUSED'] as const),
    ...(route.params === undefined ? [] : (['ROUTE_NOT_FOUND'] as const)),
    ...(route.mutates && !isOpen(route) ? (['IDEMPOTENCY_CONFLICT'] as const) : []),
    ...('follow' in route ? (['INVALID_PARAMS', 'OVERLOADED'] as const) : []),
    ...(route.refusals ?? []),
    ...(['AUDIT_UNAVAILABLE', 'SHUTTING_DOWN', 'INTERNAL_ERROR'] as const),
  ];
}

function isOpen(route: object): boolean {
  return 'open' in route && route.open === true;
}
