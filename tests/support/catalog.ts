import { type JsonObject, type JsonValue, stringifyJson } from '@cmcp/evidence';
import { parseCatalog } from '../../packages/gateway/src/catalog/load.ts';
import type { Catalog } from '../../packages/gateway/src/catalog/types.ts';
import { catalogRecord } from './policy.ts';

const LABELS = { server: 'local', sensitivity: 'public', destination_class: 'internal' };

/** A resource of our catalog form on server `local`, public unless said otherwise. */
export function resourceRecord(name: string, uri: string, members: JsonObject = {}): JsonObject {
  return { name, uri, definition: { uri, name: `The ${name}` }, ...LABELS, ...members };
}

/** As {@link resourceRecord}, for all URIs of a template. */
export function templateRecord(name: string, template: string, members: JsonObject = {}): JsonObject {
  return { name, uri_template: template, definition: { uriTemplate: template, name }, ...LABELS, ...members };
}

export function promptRecord(name: string, members: JsonObject = {}): JsonObject {
  const upstreamName = members.upstream_name ?? name;
  const definition = {
    name: upstreamName,
    description: `Says ${name}.`,
    arguments: [{ name: 'topic', required: true }],
  };
  return { name, definition, ...LABELS, ...members };
}

/** What a catalog of our form approves, beside the servers `local` and `web`. */
export interface Approved {
  tools?: JsonValue[];
  resources?: JsonValue[];
  prompts?: JsonValue[];
  /** Members that are added to the record of a server; other ids are further servers. */
  servers?: Record<string, JsonObject>;
}

export function approvedRecord({ tools = [], resources = [], prompts = [], servers = {} }: Approved): JsonObject {
  const record = catalogRecord(tools);
  const all = new Map((record.servers as JsonObject[]).map((server) => [String(server.id), server]));
  for (const [id, members] of Object.entries(servers)) all.set(id, { id, ...all.get(id), ...members });
  return { ...record, servers: [...all.values()], resources, prompts };
}

export function catalogWith(approved: Approved): Catalog {
  return parseCatalog(stringifyJson(approvedRecord(approved)), 'catalog.json');
}
