import { isObject, type JsonObject, type JsonValue, member } from '@cmcp/evidence';
import { GatewayError } from '../errors.ts';
import type { LiveTool } from '../upstream/types.ts';
import { digestOrNull } from './digests.ts';
import { CATALOG_NAME, clientSafe, lookalikeKeys, marked, RESERVED_NAMES } from './names.ts';
import type { ServerTransport } from './types.ts';

/** A server and what it offers, as `cmcp init` found it. */
export interface ListedServer {
  id: string;
  displayName?: string;
  transport: ServerTransport;
  tools: LiveTool[];
}

/**
 * A catalog in our form that approves what the servers offer now. Each tool keeps its own name where that is usable and
 * unlike any other, else it becomes `<server>__<tool>`. Effects are what the server hints (read only if it says so), to be
 * reviewed by a person; sensitivity starts as public.
 *
 * @throws GatewayError CATALOG_INVALID when a server offers two different tools under one name
 */
export function catalogFromListings(servers: readonly ListedServer[]): JsonObject {
  const listed = servers.flatMap((server) => distinctTools(server).map((tool) => ({ server, tool })));
  const names = chooseNames(listed.map(({ server, tool }) => ({ server: server.id, tool: tool.name })));
  return {
    catalog: 1,
    servers: servers.map(serverRecord),
    tools: listed.map(({ server, tool }, index) => toolRecord(server, tool, names[index] ?? tool.name)),
    resources: [],
    prompts: [],
  };
}

function distinctTools(server: ListedServer): LiveTool[] {
  const seen = new Map<string, string>();
  return server.tools.filter((tool) => {
    const digest = digestOrNull(tool.definition);
    if (digest === null) {
      throw new GatewayError(
        'CATALOG_INVALID',
        `server "${server.id}": the definition of "${tool.name}" has no canonical form`,
      );
    }
    const earlier = seen.get(tool.name);
    if (earlier !== undefined && earlier !== digest) {
      throw new GatewayError(
        'CATALOG_INVALID',
        `server "${server.id}" offers two different tools named "${tool.name}"; ask its author which one is meant`,
      );
    }
    seen.set(tool.name, digest);
    return earlier === undefined;
  });
}

/** Tools whose names collide are all prefixed, so that none depends on the order of the servers. */
function chooseNames(tools: readonly { server: string; tool: string }[]): string[] {
  const usable = (name: string): boolean => CATALOG_NAME.pattern.test(name) && !RESERVED_NAMES.includes(name);
  const plain = onlyUnique(tools.map(({ tool }) => (usable(tool) ? tool : null)));
  const prefixed = tools.map(({ server, tool }, index) => plain[index] ?? clientSafe(`${server}__${tool}`));
  const unique = onlyUnique(prefixed);
  return tools.map(
    ({ server, tool }, index) => unique[index] ?? marked(clientSafe(`${server}__${tool}`), `${server}\n${tool}`),
  );
}

/** Each name that no other could be taken for; null for the rest. */
function onlyUnique(names: readonly (string | null)[]): (string | null)[] {
  const holders = new Map<string, number>();
  for (const name of names) {
    for (const key of name === null ? [] : lookalikeKeys(name)) holders.set(key, (holders.get(key) ?? 0) + 1);
  }
  return names.map((name) =>
    name !== null && lookalikeKeys(name).every((key) => holders.get(key) === 1) ? name : null,
  );
}

function serverRecord({ id, displayName, transport }: ListedServer): JsonObject {
  const record: JsonObject = { id };
  if (displayName !== undefined) record.display_name = displayName;
  if (transport.kind === 'http') {
    record.transport = 'streamable-http';
    record.url = transport.url;
    if (transport.tlsFingerprint !== null) record.tls_fingerprint = transport.tlsFingerprint;
    return record;
  }
  const spawn: JsonObject = { command: transport.command, args: transport.args };
  if (transport.binaryDigest !== null) spawn.binary_digest = transport.binaryDigest;
  if (transport.measureTarget !== null) spawn.measure_target = transport.measureTarget;
  return { ...record, transport: 'stdio', spawn };
}

function toolRecord(server: ListedServer, tool: LiveTool, name: string): JsonObject {
  return {
    name,
    server: server.id,
    ...(name === tool.name ? {} : { upstream_name: tool.name }),
    definition: { ...tool.definition, name: tool.name },
    effects: hintsReadOnly(member(tool.definition, 'annotations')) ? 'read' : 'write',
    sensitivity: 'public',
    destination_class: server.transport.kind === 'http' ? 'external' : 'internal',
  };
}

function hintsReadOnly(annotations: JsonValue | undefined): boolean {
  return isObject(annotations) && member(annotations, 'readOnlyHint') === true;
}
