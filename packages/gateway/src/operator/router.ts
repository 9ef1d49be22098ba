import type { JsonObject } from '@cmcp/evidence';
import { GatewayError } from '../errors.ts';
import { type AnyRoute, PREFIX, type RouteRequest } from './route.ts';
import { misfit, requireKnownKeywords } from './schema-check.ts';

/** A route, and what the request's target says to it. */
export interface Found {
  readonly route: AnyRoute;
  readonly params: RouteRequest['params'];
  readonly query: RouteRequest['query'];
}

interface Compiled {
  readonly route: AnyRoute;
  /** A segment as it is, or the name that stands for one. */
  readonly segments: readonly (string | { name: string })[];
}

/** Finds the route of a request among those that are declared. */
export class Router {
  readonly #routes: readonly Compiled[];

  /** @throws Error for declarations that contradict each other or that cannot be held to */
  constructor(routes: readonly AnyRoute[]) {
    for (const { params, query, body } of routes)
      for (const schema of [...Object.values(params ?? {}), ...Object.values(query ?? {}), body])
        if (schema !== undefined) requireKnownKeywords(schema);
    requireUnique(routes.map(({ operationId }) => operationId));
    requireUnique(routes.map(({ method, path }) => `${method} ${path.replaceAll(/\{\w+\}/g, '{}')}`));
    // What is named is found before what stands for any name.
    this.#routes = routes.map(compile).sort((one, other) => names(one) - names(other));
  }

  /** @throws GatewayError ROUTE_NOT_FOUND, METHOD_NOT_ALLOWED, INVALID_PARAMS (of the query) */
  find(method: string, target: string): Found {
    const [path, query] = targetIn(target);
    const asked = this.#at(path, query);
    if (asked.length === 0) throw new GatewayError('ROUTE_NOT_FOUND', target);
    const found = asked.find(({ route }) => route.method === method);
    if (found === undefined)
      throw new GatewayError('METHOD_NOT_ALLOWED', `${path} takes ${this.methodsAt(target).join(', ')}`);
    return { ...found, query: query === null ? {} : queryIn(found.route, query) };
  }

  methodsAt(target: string): string[] {
    return this.#at(...targetIn(target)).map(({ route }) => route.method);
  }

  /** What is at a path; with a query, of what takes any. */
  #at(path: string, query: string | null): Omit<Found, 'query'>[] {
    const fitting = this.#routes.flatMap((compiled) => {
      const params = paramsIn(compiled, path);
      return params === null ? [] : [{ route: compiled.route, params }];
    });
    return query === null ? fitting : fitting.filter(({ route }) => route.query !== undefined);
  }
}

function targetIn(target: string): [path: string, query: string | null] {
  const mark = target.indexOf('?');
  return mark < 0 ? [target, null] : [target.slice(0, mark), target.slice(mark + 1)];
}

/** The body as its route takes it. @throws GatewayError INVALID_PARAMS */
export function bodyFor({ body: schema, path }: AnyRoute, given: JsonObject): JsonObject {
  if (schema === undefined) {
    if (Object.keys(given).length === 0) return given;
    throw new GatewayError('INVALID_PARAMS', `${path} takes no body; send none, or {}`);
  }
  const problem = misfit(given, schema);
  if (problem !== null) throw new GatewayError('INVALID_PARAMS', problem);
  return given;
}

function compile(route: AnyRoute): Compiled {
  const segments = route.path.split('/').map((text) => {
    const name = /^\{(\w+)\}$/.exec(text)?.[1];
    if (name === undefined) return text;
    if (route.params?.[name] === undefined) throw new Error(`${route.operationId} has no schema of ${name}`);
    return { name };
  });
  return { route, segments };
}

function names({ segments }: Compiled): number {
  return segments.filter((segment) => typeof segment !== 'string').length;
}

/** What the names stand for; null where the path is another one. A name that does not fit its schema is the name of nothing. */
function paramsIn({ route, segments }: Compiled, path: string): Record<string, string> | null {
  if (!path.startsWith(PREFIX)) return null;
  const given = path.slice(PREFIX.length).split('/');
  if (given.length !== segments.length) return null;
  const params: Record<string, string> = {};
  for (const [index, segment] of segments.entries()) {
    const text = given[index] ?? '';
    if (typeof segment === 'string') {
      if (segment !== text) return null;
      continue;
    }
    const value = decoded(text);
    if (value === null || misfit(value, route.params?.[segment.name] ?? {}) !== null) return null;
    params[segment.name] = value;
  }
  return params;
}

function queryIn(route: AnyRoute, text: string): Record<string, string> {
  const query: Record<string, string> = Object.create(null);
  for (const [name, value] of new URLSearchParams(text)) {
    if (Object.hasOwn(query, name)) throw new GatewayError('INVALID_PARAMS', `"${name}" is in the query twice`);
    query[name] = value;
  }
  const problem = misfit(query, {
    properties: { ...route.query },
    additionalProperties: false,
  });
  if (problem !== null) throw new GatewayError('INVALID_PARAMS', `in the query: ${problem}`);
  return query;
}

function decoded(text: string): string | null {
  try {
    return decodeURIComponent(text);
  } catch (error) {
    if (error instanceof URIError) return null;
    throw error;
  }
}

function requireUnique(names: readonly string[]): void {
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw new Error(`two routes are ${twice}`);
}
