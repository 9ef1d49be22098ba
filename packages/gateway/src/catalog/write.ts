import type { JsonObject } from '@cmcp/evidence';
import { Structures } from '../inspection/schema/structure.ts';
import type { ListKind } from '../mcp/types.ts';
import { sensitivityRanks } from '../policy/sensitivity.ts';
import { MAX_TEXT } from './fields.ts';
import type { RecordContext } from './label-rules.ts';
import { type LeftOutItem, type ListedServer, recordOf } from './offer.ts';
import { chooseNames } from './offer-names.ts';
import { distinct, takeUsable } from './take-offers.ts';
import type { CatalogServer, PeerPins, ServerTransport } from './types.ts';

/**
 * A catalog in our form that approves what the servers offer now. What has a name of its own keeps it where that is usable and
 * unlike any other, else it becomes `<server>__<name>`. Effects are what the server hints (read only if it says so), to be
 * reviewed by a person; sensitivity starts as public, and no server may ask anything. What the catalog could not hold is
 * left out, and named.
 */
export function catalogFromListings(servers: readonly ListedServer[]): {
  catalog: JsonObject;
  leftOut: LeftOutItem[];
} {
  const leftOut: LeftOutItem[] = servers.flatMap(unusableInstructions);
  const records = (...kinds: ListKind[]): JsonObject[] => {
    const offers = servers.flatMap((server) => kinds.flatMap((kind) => distinct(server, kind)));
    const taken = takeUsable(offers, contextOf(servers), leftOut);
    const names = chooseNames(taken);
    return taken.map((offer, index) => recordOf(offer, names[index] ?? ''));
  };
  const catalog = {
    catalog: 1,
    servers: servers.map(serverRecord),
    tools: records('tools'),
    resources: records('resources', 'resourceTemplates'),
    prompts: records('prompts'),
  };
  return { catalog, leftOut };
}

function contextOf(servers: readonly ListedServer[]): RecordContext {
  const known = servers.map(({ id, displayName = id, transport }): [string, CatalogServer] => {
    return [id, { id, displayName, transport, identity: '', instructions: null, asks: [] }];
  });
  const ranks = sensitivityRanks();
  return { ranks, servers: new Map(known), structures: new Structures(ranks) };
}

function unusableInstructions({ id, instructions }: ListedServer): LeftOutItem[] {
  if (instructions === null || instructions.length <= MAX_TEXT) return [];
  return [{ server: id, kind: 'instructions', key: null, reason: `they are longer than ${MAX_TEXT} characters` }];
}

/** The `spawn` of a server's record. */
export function spawnRecord(transport: Extract<ServerTransport, { kind: 'stdio' }>): JsonObject {
  const spawn: JsonObject = { command: transport.command, args: transport.args };
  if (transport.binaryDigest !== null) spawn.binary_digest = transport.binaryDigest;
  if (transport.measureTarget !== null) spawn.measure_target = transport.measureTarget;
  if (transport.interpreter !== undefined) spawn.interpreter = { ...transport.interpreter };
  if (transport.package !== undefined) {
    const { path, treeDigest, integrity } = transport.package;
    spawn.package = { path, tree_digest: treeDigest, ...(integrity !== null && { integrity }) };
  }
  return spawn;
}

function pinMembers(pins: PeerPins | undefined): JsonObject {
  if (pins === undefined) return {};
  return {
    ...(pins.spki.length > 0 && { spki_pins: [...pins.spki] }),
    ...(pins.spiffeId !== null && { spiffe_id: pins.spiffeId }),
    ...(pins.ca !== null && { ca: pins.ca }),
  };
}

function serverRecord({ id, displayName, transport, instructions }: ListedServer): JsonObject {
  const record: JsonObject = { id };
  if (displayName !== undefined) record.display_name = displayName;
  if (instructions !== null && instructions.length <= MAX_TEXT) record.instructions = instructions;
  if (transport.kind === 'http') {
    record.transport = 'streamable-http';
    record.url = transport.url;
    if (transport.tlsFingerprint !== null) record.tls_fingerprint = transport.tlsFingerprint;
    return { ...record, ...pinMembers(transport.pins) };
  }
  return { ...record, transport: 'stdio', spawn: spawnRecord(transport) };
}
