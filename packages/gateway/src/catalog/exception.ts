import { canonicalSorted, type JsonObject } from '@cmcp/evidence';
import { GatewayError } from '../errors.ts';
import { Structures } from '../inspection/schema/structure.ts';
import { Place } from './fields.ts';
import type { RecordContext } from './label-rules.ts';
import { CLIENT_NAME, findCollision, RESERVED_NAMES } from './names.ts';
import { readTool } from './record-tool.ts';
import type { Catalog, CatalogServer, CatalogTool } from './types.ts';

/** A server that no catalog approves, with the tools that two operators let agents use. */
export interface Excepted {
  server: CatalogServer;
  tools: readonly CatalogTool[];
}

/** What the tools of an exception are labelled with. Where it matters nobody has looked yet, so it is the stricter of two. */
export const EXCEPTION_LABELS = { effects: 'write', destination_class: 'external' } as const;

/** The tool of an exception: its definition, as the server offers it now, is what it is held to from then on. */
export function exceptedTool(
  server: CatalogServer,
  definition: JsonObject & { name: string },
  sensitivity: string,
  ranks: RecordContext['ranks'],
): CatalogTool {
  const { name } = definition;
  const record = { name, server: server.id, definition, sensitivity, ...EXCEPTION_LABELS };
  const draft = readTool(record, new Place(`tool ${name}`), {
    ranks,
    servers: new Map([[server.id, server]]),
    structures: new Structures(ranks),
  });
  const { alias: _alias, serverLabel: _label, place: _place, ...tool } = draft;
  return { ...tool, exposedName: name };
}

/** The catalog with what is excepted beside it. Its hash stays, and so does whatever it resolves a name to. */
export function withExceptions(catalog: Catalog, excepted: readonly Excepted[]): Catalog {
  const added = new Map(excepted.flatMap(({ tools }) => tools.map((tool) => [tool.exposedName, tool])));
  return {
    ...catalog,
    servers: [...catalog.servers, ...excepted.map(({ server }) => server)],
    tools: [...catalog.tools, ...added.values()].sort((a, b) => (a.exposedName < b.exposedName ? -1 : 1)),
    resolve: (name) => catalog.resolve(name) ?? added.get(name) ?? null,
  };
}

/**
 * An exception adds, and never takes the place of what is approved (W-16).
 * @throws GatewayError INVALID_PARAMS for a server or tool that could be taken for one that is there
 */
export function requireNew(catalog: Catalog, server: CatalogServer, tools: readonly string[]): void {
  for (const other of catalog.servers) {
    if (other.id.toLowerCase() === server.id.toLowerCase())
      throw refuse(`the server id "${server.id}" is taken by "${other.id}", whose route stays; choose another id`);
    if (address(other.identity) === address(server.identity))
      throw refuse(`${server.identity} is the server "${other.id}" already; change the catalog to approve more of it`);
  }
  const there = catalog.tools.map(({ name, exposedName }) => ({ name, alias: exposedName, serverLabel: '' }));
  const found = findCollision([...there, ...tools.map((name) => ({ name, alias: null, serverLabel: '' }))]);
  if (found !== null) {
    throw refuse(
      `the tool name "${found.name}" is, or looks like, "${found.other}", which is there already and keeps its route`,
    );
  }
  const reserved = tools.find((name) => RESERVED_NAMES.includes(name));
  if (reserved !== undefined) throw refuse(`"${reserved}" is the name of a policy action; no tool may take it`);
  const unfit = tools.find((name) => !CLIENT_NAME.pattern.test(name));
  if (unfit !== undefined) throw refuse(`"${unfit}" cannot be shown to clients: ${CLIENT_NAME.expected}`);
}

/** What a session_start says of the exceptions that its session is under; nothing where there are none. */
export function exceptionCommitment({ tools }: Catalog): JsonObject {
  const items = tools.flatMap(({ name, server: { exception } }) => {
    if (exception === undefined) return [];
    const { reason, authorizedBy, addedAt } = exception;
    return [{ tool_name: name, reason, authorized_by: authorizedBy, added_at: addedAt }];
  });
  return items.length === 0 ? {} : { catalog_exceptions: canonicalSorted(items) };
}

function address(identity: string): string {
  return URL.parse(identity)?.href ?? identity;
}

function refuse(problem: string): GatewayError {
  return new GatewayError('INVALID_PARAMS', problem);
}
