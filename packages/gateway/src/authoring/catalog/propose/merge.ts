import { canonicalSorted, type JsonObject, type JsonValue } from '@cmcp/evidence';
import { MAX_TEXT } from '../../../catalog/fields.ts';
import { lookalikeKeys } from '../../../catalog/names.ts';
import type { KindName, ListedServer } from '../../../catalog/offer.ts';
import { catalogFromListings } from '../../../catalog/write.ts';
import type { ListKind } from '../../../mcp/types.ts';

/** A catalog of our form, as its file has it. */
export interface CatalogRecords extends JsonObject {
  servers: JsonObject[];
  tools: JsonObject[];
  resources: JsonObject[];
  prompts: JsonObject[];
}

/** What a server said of itself. `untold`: kinds that it would not list; what is approved of them stays. */
export interface AskedServer extends ListedServer {
  untold: readonly KindName[];
}

const LISTS = ['tools', 'resources', 'prompts'] as const;
type List = (typeof LISTS)[number];

/** The catalog with the records of a server that it does not have, as `cmcp init` would write them. */
export function withServer(catalog: CatalogRecords, listed: ListedServer): CatalogRecords {
  const { records } = offered(listed);
  return { ...withNew(catalog, records, listed.id), servers: [...catalog.servers, ...records.servers] };
}

/**
 * The catalog with what a server of it offers now: definitions and instructions are the server's, and whatever people set (names,
 * labels, effects, alias, asks, digests) stays. A tool or prompt that is listed no more is gone; a resource is approved by its URI
 * and stays. `fresh`: what is offered and not approved is added.
 */
export function refreshed(catalog: CatalogRecords, listed: AskedServer, fresh: boolean): CatalogRecords {
  const { id, untold } = listed;
  const own = ({ server }: JsonObject): boolean => server === id;
  const listing = (kind: 'tools' | 'prompts'): JsonObject[] =>
    catalog[kind].flatMap((record) =>
      own(record) && !untold.includes(kind) ? current(record, listed, kind) : [record],
    );
  const updated = {
    ...catalog,
    servers: catalog.servers.map((server) => (server.id === id ? withInstructions(server, listed) : server)),
    tools: listing('tools'),
    prompts: listing('prompts'),
    resources: catalog.resources.map((record) => (own(record) ? currentResource(record, listed) : record)),
  };
  if (!fresh) return updated;
  const { records } = offered(listed);
  const added = LISTS.map((list) => {
    const known = new Set(updated[list].filter(own).map(offerKey));
    return [list, records[list].filter((record) => !known.has(offerKey(record)))];
  });
  return withNew(updated, { ...records, ...Object.fromEntries(added) }, id);
}

function offered(listed: ListedServer): { records: CatalogRecords } {
  return { records: catalogFromListings([listed]).catalog as CatalogRecords };
}

function withInstructions(server: JsonObject, { instructions: stated, untold }: AskedServer): JsonObject {
  if (untold.includes('instructions')) return server;
  const { instructions: _old, ...rest } = server;
  return stated === null || stated.length > MAX_TEXT ? rest : { ...rest, instructions: stated };
}

/** The record with the definition that is offered under its name now; none where nothing is. */
function current(record: JsonObject, listed: AskedServer, kind: ListKind): JsonObject[] {
  const key = String(record.upstream_name ?? record.name);
  const offer = listed.offered[kind].find((item) => item.key === key);
  return offer === undefined ? [] : [withDefinition(record, { ...offer.definition, name: key })];
}

function currentResource(record: JsonObject, { offered: { resources, resourceTemplates } }: AskedServer): JsonObject {
  const { uri, uri_template: template } = record;
  const offer =
    template === undefined
      ? resources.find(({ key }) => key === uri)
      : resourceTemplates.find(({ key }) => key === template);
  if (offer === undefined) return record;
  const key = template === undefined ? { uri: offer.key } : { uriTemplate: offer.key };
  return withDefinition(record, { ...offer.definition, ...key });
}

/** Who approved the definition that was is not who approved the one that is. */
function withDefinition(record: JsonObject, definition: JsonObject): JsonObject {
  if (canonicalSorted(record.definition ?? null) === canonicalSorted(definition)) return record;
  const { approval: _approval, ...rest } = record;
  return { ...rest, definition };
}

/** What a record is known by at its server, among those of its kind. */
function offerKey({ uri, uri_template: template, upstream_name: upstream, name }: JsonObject): string {
  if (uri !== undefined) return `uri ${uri}`;
  return template === undefined ? `name ${upstream ?? name}` : `template ${template}`;
}

/** A name that could be taken for one that is there already becomes `<server>__<name>`. */
function withNew(catalog: CatalogRecords, added: CatalogRecords, server: string): CatalogRecords {
  const joined = (list: List): JsonObject[] => {
    const taken = new Set(catalog[list].flatMap(namesIn).flatMap(lookalikeKeys));
    const free = (name: JsonValue | undefined): boolean => !lookalikeKeys(String(name)).some((key) => taken.has(key));
    const renamed = added[list].map((record) => {
      if (free(record.name)) return record;
      const upstream = list === 'resources' ? {} : { upstream_name: record.upstream_name ?? record.name ?? '' };
      return { ...record, name: `${server}__${record.name}`, ...upstream };
    });
    return [...catalog[list], ...renamed];
  };
  return { ...catalog, tools: joined('tools'), resources: joined('resources'), prompts: joined('prompts') };
}

function namesIn({ name, alias }: JsonObject): string[] {
  return [name, alias].filter((each) => typeof each === 'string');
}
