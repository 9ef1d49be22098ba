import { isObject, type JsonObject, type JsonValue, member } from '@cmcp/evidence';
import type { ListKind } from '../mcp/types.ts';
import type { Listed } from '../upstream/types.ts';
import type { ServerTransport } from './types.ts';

/** A server and what it offers, as `cmcp init` found it. */
export interface ListedServer {
  id: string;
  displayName?: string;
  transport: ServerTransport;
  offered: Readonly<Record<ListKind, Listed[]>>;
  /** As the server states them; null: none. */
  instructions: string | null;
}

/** What people call a kind. */
export type KindName = Exclude<ListKind, 'resourceTemplates'> | 'templates' | 'instructions';

/** Something that a server offers and that the catalog does not approve, and why. */
export interface LeftOutItem {
  server: string;
  kind: KindName;
  /** Its name, URI or template; null: all of the kind. */
  key: string | null;
  reason: string;
}

/** One thing that a server offers. */
export interface Offer {
  server: ListedServer;
  kind: ListKind;
  item: Listed;
  /** Listed more than once, and not with one definition. */
  ambiguous: boolean;
}

export function kindName(kind: ListKind): KindName {
  return kind === 'resourceTemplates' ? 'templates' : kind;
}

/** The record of our form that approves an offer under `name`. */
export function recordOf({ server, kind, item: { key, definition } }: Offer, name: string): JsonObject {
  const destination = server.transport.kind === 'http' ? 'external' : 'internal';
  const labels = { sensitivity: 'public', destination_class: destination };
  if (kind === 'resources')
    return { name, server: server.id, uri: key, definition: { ...definition, uri: key }, ...labels };
  if (kind === 'resourceTemplates') {
    const named = { ...definition, uriTemplate: key };
    return { name, server: server.id, uri_template: key, definition: named, ...labels };
  }
  const upstream: JsonObject = name === key ? {} : { upstream_name: key };
  const effects: JsonObject =
    kind === 'prompts' ? {} : { effects: hintsReadOnly(member(definition, 'annotations')) ? 'read' : 'write' };
  return { name, server: server.id, ...upstream, definition: { ...definition, name: key }, ...effects, ...labels };
}

function hintsReadOnly(annotations: JsonValue | undefined): boolean {
  return isObject(annotations) && member(annotations, 'readOnlyHint') === true;
}
