import { isObject, JsonError, type JsonObject, type JsonValue, member, parseJson } from '@cmcp/evidence';
import { GatewayError } from '../errors.ts';
import { commandPath } from './command-path.ts';

/** A server of an MCP client's configuration, ready to be catalogued. */
export interface FoundServer {
  /** Unique, and a server id in catalog and configuration. */
  id: string;
  /** As the client's configuration names it. */
  name: string;
  transport: { kind: 'stdio'; command: string; args: string[] } | { kind: 'http'; url: string };
  /** With `${NAME}` references as in cmcp.yaml, and literal dollar signs doubled. */
  env: Record<string, string>;
  headers: Record<string, string>;
}

/** A server that cannot be taken over, and why. */
export interface LeftOut {
  name: string;
  reason: string;
}

export interface ClientConfig {
  servers: FoundServer[];
  leftOut: LeftOut[];
}

/** Thrown by the readers below, and turned into a LeftOut. */
class NotTaken extends Error {}

const MAX_SERVERS = 256;

/**
 * Reads the servers of an MCP client: `mcpServers` (Claude, Cursor and others) or `servers` (VS Code). Commands are
 * resolved against `pathVariable`, relative ones against `folder`, the folder of the file.
 * @throws GatewayError CONFIG_INVALID when the text is not such a configuration
 */
export async function readClientConfig(
  text: Uint8Array,
  file: string,
  pathVariable: string,
  folder: string,
): Promise<ClientConfig> {
  const entries = Object.entries(serversOf(parse(text, file), file));
  if (entries.length > MAX_SERVERS)
    throw new GatewayError('CONFIG_INVALID', `${file}: more than ${MAX_SERVERS} servers`);
  const found: ClientConfig = { servers: [], leftOut: [] };
  const ids = new Set<string>();
  for (const [name, entry] of entries) {
    try {
      const id = uniqueId(name, ids);
      found.servers.push({ id, name, ...(await readServer(entry, pathVariable, folder)) });
      ids.add(id);
    } catch (error) {
      if (!(error instanceof NotTaken)) throw error;
      found.leftOut.push({ name, reason: error.message });
    }
  }
  return found;
}

function parse(text: Uint8Array, file: string): JsonValue {
  try {
    return parseJson(text);
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    throw new GatewayError(
      'CONFIG_INVALID',
      `${file}: ${error.message}. Comments and trailing commas are not JSON; remove them.`,
      {
        cause: error,
      },
    );
  }
}

function serversOf(config: JsonValue, file: string): JsonObject {
  for (const key of ['mcpServers', 'servers']) {
    const servers = isObject(config) ? member(config, key) : undefined;
    if (isObject(servers)) return servers;
  }
  throw new GatewayError('CONFIG_INVALID', `${file}: neither \`mcpServers\` nor \`servers\` names any server`);
}

/** A name made safe for a catalog, with a number where two names would become one. */
export function uniqueId(name: string, taken: ReadonlySet<string>): string {
  const plain =
    name
      .toLowerCase()
      .replaceAll(/[^a-z0-9]+/g, '-')
      .replaceAll(/^-+|-+$/g, '')
      .slice(0, 40) || 'server';
  let id = plain;
  for (let number = 2; taken.has(id); number += 1) id = `${plain}-${number}`;
  return id;
}

async function readServer(
  entry: JsonValue,
  pathVariable: string,
  folder: string,
): Promise<Omit<FoundServer, 'id' | 'name'>> {
  if (!isObject(entry)) throw new NotTaken('its entry is not an object');
  if (member(entry, 'disabled') === true) throw new NotTaken('it is disabled');
  const type = optionalText(entry, 'type') ?? (member(entry, 'url') === undefined ? 'stdio' : 'http');
  if (type === 'stdio') return readStdio(entry, pathVariable, folder);
  if (type === 'http' || type === 'streamable-http' || type === 'streamableHttp') return readHttp(entry);
  throw new NotTaken(`its transport ${JSON.stringify(type)} is not supported; stdio and Streamable HTTP are`);
}

async function readStdio(
  entry: JsonObject,
  pathVariable: string,
  folder: string,
): Promise<Omit<FoundServer, 'id' | 'name'>> {
  const given = optionalText(entry, 'command');
  if (given === null) throw new NotTaken('it has no command');
  if (member(entry, 'cwd') !== undefined)
    throw new NotTaken('it sets a working folder, which a catalog cannot; use absolute paths');
  const args = member(entry, 'args') ?? [];
  if (!Array.isArray(args) || !args.every((arg) => typeof arg === 'string'))
    throw new NotTaken('its args are not a list of text');
  for (const part of [given, ...args]) {
    // The catalog is shown to reviewers and hashed into claims: no place for values of variables.
    if (/\$\{|\0/.test(part)) throw new NotTaken('its command line uses a variable; write the value out');
  }
  const command = await commandPath(given, pathVariable, folder);
  if (command === null)
    throw new NotTaken(`its command ${JSON.stringify(given)} is not found on PATH or not executable`);
  return { transport: { kind: 'stdio', command, args }, env: references(entry, 'env'), headers: {} };
}

function readHttp(entry: JsonObject): Omit<FoundServer, 'id' | 'name'> {
  const url = optionalText(entry, 'url') ?? '';
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol))
    throw new NotTaken('its url is not an http(s) URL');
  const { username, password } = new URL(url);
  if (username !== '' || password !== '') throw new NotTaken('its url holds a password; put it in a header');
  return { transport: { kind: 'http', url }, env: {}, headers: references(entry, 'headers') };
}

function optionalText(entry: JsonObject, key: string): string | null {
  const value = member(entry, key);
  if (value === undefined) return null;
  if (typeof value !== 'string') throw new NotTaken(`its ${key} is not text`);
  return value;
}

/** `${env:NAME}` of VS Code and `${NAME}` of others become `${NAME}`; what only the client could fill in is not taken. */
function references(entry: JsonObject, key: string): Record<string, string> {
  const given = member(entry, key) ?? {};
  if (!isObject(given)) throw new NotTaken(`its ${key} is not an object`);
  const pairs = Object.entries(given).map(([name, value]) => {
    if (typeof value !== 'string') throw new NotTaken(`${key}.${name} is not text`);
    return [name, reference(value, `${key}.${name}`)];
  });
  return Object.fromEntries(pairs);
}

function reference(value: string, where: string): string {
  return value.replace(/\$\{([^}]*)\}|\$/g, (match, inner: string | undefined) => {
    if (match === '$') return '$$';
    const [, name] = /^(?:env:)?([A-Za-z_][A-Za-z0-9_]*)$/.exec(inner ?? '') ?? [];
    if (name === undefined) throw new NotTaken(`${where} uses ${match}, which only the client can fill in`);
    return `\${${name}}`;
  });
}
