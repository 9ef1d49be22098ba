import { canonicalSorted, isObject, type JsonObject, type JsonValue, member } from '@cmcp/evidence';
import { Place } from '../../../catalog/fields.ts';

/** One text of a record: a string in it, or the name of a member, which a model reads too. */
export interface LintText {
  text: string;
  /** JSON pointer in the catalog. */
  where: string;
  /** `key`: the text is the name of a member. `name`: what the record is called. */
  role: 'key' | 'name' | 'value';
  /** The nearest member that has a name: `description`, `enum`, `default` … */
  member: string;
}

export interface LintServer {
  id: string;
  displayName: string;
  where: string;
  /** Program and arguments; null for a server that is reached by URL. */
  launch: readonly string[] | null;
  /** Null for a server that is spawned. */
  host: string | null;
}

/** Whatever an agent is shown of one server, tool, resource or prompt. */
export interface LintRecord {
  kind: 'server' | 'tool' | 'resource' | 'prompt';
  /** As its server calls it. */
  name: string;
  server: LintServer;
  where: string;
  texts: LintText[];
}

/** A catalog of either form, as the rules look at it. */
export interface Subject {
  servers: LintServer[];
  records: LintRecord[];
}

const KINDS = [
  ['tools', 'tool'],
  ['resources', 'resource'],
  ['prompts', 'prompt'],
] as const;

/** Takes apart a catalog that loads. What a rule should see and is not of the expected type is passed over: loading refuses it. */
export function subjectOf(catalog: JsonValue): Subject {
  const root = new Place('');
  if (Array.isArray(catalog)) return referenceSubject(catalog, root);
  return isObject(catalog) ? cmcpSubject(catalog, root) : { servers: [], records: [] };
}

function cmcpSubject(catalog: JsonObject, root: Place): Subject {
  const servers = new Map<string, LintServer>();
  const records: LintRecord[] = [];
  for (const [raw, place] of objectsOf(catalog, 'servers', root)) {
    const server = serverOf(raw, textOf(raw, 'id'), place);
    servers.set(server.id, server);
    records.push(serverRecord(raw, server, place));
  }
  for (const [list, kind] of KINDS) {
    for (const [raw, place] of objectsOf(catalog, list, root)) {
      const server = servers.get(textOf(raw, 'server'));
      if (server !== undefined) records.push(recordOf(kind, raw, 'definition', server, place));
    }
  }
  return { servers: [...servers.values()], records };
}

/** Wire-formats 6.1: each entry holds its server whole, and servers are one where their records are equal. */
function referenceSubject(entries: JsonValue[], root: Place): Subject {
  const servers = new Map<string, LintServer>();
  const records: LintRecord[] = [];
  for (const [index, entry] of entries.entries()) {
    const raw = isObject(entry) ? member(entry, 'server') : undefined;
    if (!isObject(entry) || !isObject(raw)) continue;
    const place = root.at(index);
    const key = canonicalSorted(raw);
    const known = servers.get(key);
    const server = known ?? serverOf(raw, textOf(raw, 'display_name'), place.at('server'));
    servers.set(key, server);
    if (known === undefined) records.push(serverRecord(raw, server, place.at('server')));
    records.push(recordOf('tool', entry, 'approved_definition', server, place));
  }
  return { servers: [...servers.values()], records };
}

function serverOf(raw: JsonObject, id: string, place: Place): LintServer {
  const spawn = member(raw, 'spawn');
  const url = URL.parse(textOf(raw, 'url'));
  return {
    id,
    displayName: textOf(raw, 'display_name') || id,
    where: place.pointer,
    launch: isObject(spawn) ? [textOf(spawn, 'command'), ...stringsIn(member(spawn, 'args'))] : null,
    host: url === null ? null : url.hostname,
  };
}

function serverRecord(raw: JsonObject, server: LintServer, place: Place): LintRecord {
  const texts = named(raw, ['id', 'display_name'], place);
  const instructions = member(raw, 'instructions');
  if (instructions !== undefined) texts.push(...textsIn(instructions, place.at('instructions'), 'instructions'));
  return { kind: 'server', name: server.id, server, where: place.pointer, texts };
}

function recordOf(
  kind: LintRecord['kind'],
  raw: JsonObject,
  definition: string,
  server: LintServer,
  place: Place,
): LintRecord {
  const texts = named(raw, ['name', 'tool_name', 'upstream_name', 'alias'], place);
  texts.push(...textsIn(member(raw, definition) ?? null, place.at(definition), definition));
  const name = textOf(raw, 'upstream_name') || textOf(raw, 'name') || textOf(raw, 'tool_name');
  return { kind, name, server, where: place.pointer, texts };
}

function named(raw: JsonObject, keys: readonly string[], place: Place): LintText[] {
  return keys.flatMap((key) => {
    const text = textOf(raw, key);
    return text === '' ? [] : [{ text, where: place.at(key).pointer, role: 'name' as const, member: key }];
  });
}

function textsIn(value: JsonValue, place: Place, nearest: string): LintText[] {
  if (typeof value === 'string') return [{ text: value, where: place.pointer, role: 'value', member: nearest }];
  if (Array.isArray(value)) return value.flatMap((item, index) => textsIn(item, place.at(index), nearest));
  if (!isObject(value)) return [];
  return Object.entries(value).flatMap(([key, item]) => {
    const at = place.at(key);
    return [{ text: key, where: at.pointer, role: 'key' as const, member: nearest }, ...textsIn(item, at, key)];
  });
}

function objectsOf(catalog: JsonObject, list: string, root: Place): [JsonObject, Place][] {
  const items = member(catalog, list);
  if (!Array.isArray(items)) return [];
  return items.flatMap((item, index): [JsonObject, Place][] =>
    isObject(item) ? [[item, root.at(list).at(index)]] : [],
  );
}

function textOf(object: JsonObject, key: string): string {
  const value = member(object, key);
  return typeof value === 'string' ? value : '';
}

function stringsIn(value: JsonValue | undefined): string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];
}
