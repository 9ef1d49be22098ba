import { dirname, resolve } from 'node:path';
import { catalogHash, isObject, type JsonObject, type JsonValue } from '@cmcp/evidence';
import { Structures } from '../inspection/schema/structure.ts';
import type { Ranks } from '../policy/sensitivity.ts';
import { canonicalDigest, referenceView } from './digests.ts';
import type { DraftTool, ParsedCatalog } from './draft.ts';
import { Fields, type Place } from './fields.ts';
import { COMPLIANCE_DOMAINS, MAX_ITEMS, type RecordContext, readSensitivity } from './label-rules.ts';
import { CATALOG_NAME, clientSafe } from './names.ts';
import { readReferencePeer, readReferenceSpiffeId } from './peer-rules.ts';
import { readProvenance } from './provenance-rules.ts';
import { readSpawn, SHA256 } from './server-rules.ts';
import type { CatalogServer, ServerTransport } from './types.ts';

const ENTRY_MEMBERS = [
  'tool_name',
  'server',
  'approved_definition',
  'definition_hash',
  'compliance_domain',
  'requires_baa',
  'sensitivity_level',
  'added_at',
  'approved_by',
  'catalog_exception',
];
const SERVER_MEMBERS = ['display_name', 'transport', 'url', 'tls_fingerprint', 'spiffe_id', 'spawn', 'provenance'];

/** The reference's JSON array (wire-formats 6.1): a closed schema, hashed as the reference hashes it. */
export function readReferenceForm(entries: JsonValue[], place: Place, ranks: Ranks): ParsedCatalog {
  if (entries.length > MAX_ITEMS) throw place.refuse(`must not hold more than ${MAX_ITEMS} entries`);
  const servers = new Map<string, CatalogServer>();
  const context = { ranks, servers, structures: new Structures(ranks) };
  const tools = entries.map((entry, index) => readEntry(entry, place.at(index), context));
  // The form knows tools only.
  const none = { resources: [], prompts: [] };
  return { form: 'reference', hash: catalogHash(entries), servers: [...servers.values()], tools, ...none };
}

/** What entries are read against; servers are added as they are met. */
type EntryContext = RecordContext & { servers: Map<string, CatalogServer> };

function readEntry(raw: JsonValue, place: Place, { ranks, servers, structures }: EntryContext): DraftTool {
  const fields = new Fields(raw, place, ENTRY_MEMBERS);
  const name = fields.text('tool_name', CATALOG_NAME);
  if (name !== name.toLowerCase()) throw place.at('tool_name').refuse(`"${name}" must be in lower case`);
  const server = readServer(fields, name, servers);
  const domain =
    fields.get('compliance_domain') === undefined ? 'external' : fields.oneOf('compliance_domain', COMPLIANCE_DOMAINS);
  const hasLevel = fields.get('sensitivity_level') !== undefined;
  const sensitivity = hasLevel ? readSensitivity(fields, 'sensitivity_level', ranks) : { label: 'public', rank: 0 };
  fields.text('added_at');
  fields.text('approved_by');
  fields.boolean('catalog_exception', false);
  return {
    place,
    name,
    alias: null,
    serverLabel: clientSafe(server.displayName.toLowerCase()).replaceAll(/^_+|_+$/g, '') || 'server',
    upstreamName: name,
    server,
    ...readDefinition(fields, name, structures),
    // The form has neither member. The reference tells policies "external"; an unknown effect counts as a write.
    effects: 'write',
    cost: 1,
    destinationClass: 'external',
    sensitivity: sensitivity.label,
    sensitivityRank: sensitivity.rank,
    complianceDomain: domain,
    requiresBaa: fields.boolean('requires_baa', false),
  };
}

function readDefinition(
  entry: Fields,
  name: string,
  structures: Structures,
): Pick<DraftTool, 'definition' | 'inputSchema' | 'structure' | 'pin'> {
  const place = entry.place.at('approved_definition');
  const members = ['description', 'input_schema', 'output_schema'];
  const fields = new Fields(entry.get('approved_definition'), place, members);
  const description = fields.text('description');
  const inputSchema = fields.object('input_schema');
  const output = fields.get('output_schema') ?? null;
  if (output !== null && !isObject(output)) throw place.at('output_schema').refuse('must be an object or null');
  const stored = entry.text('definition_hash', SHA256);
  const computed = canonicalDigest(fields.value);
  if (stored !== computed) {
    throw entry.place
      .at('definition_hash')
      .refuse(`"${name}" says ${stored}, its approved_definition hashes to ${computed}; approve the definition again`);
  }
  const definition: JsonObject = { description, inputSchema, ...(output === null ? {} : { outputSchema: output }) };
  // What the reference loads is loaded here: a schema that cannot be used then fits no answer.
  const structure = output === null ? null : structures.compileAny(output, place.at('output_schema'));
  return {
    definition,
    inputSchema,
    structure,
    pin: { kind: 'reference', digest: canonicalDigest(referenceView(definition)) },
  };
}

/** Servers are one only where their whole records are equal; a label is never an identity (defect D-24). */
function readServer(entry: Fields, tool: string, servers: Map<string, CatalogServer>): CatalogServer {
  const fields = new Fields(entry.get('server'), entry.place.at('server'), SERVER_MEMBERS);
  const displayName = fields.text('display_name');
  const spiffeId = readReferenceSpiffeId(fields);
  const provenance = readProvenance(fields);
  const transport = readTransport(fields, tool, spiffeId);
  const id = canonicalDigest(fields.value);
  const known = servers.get(id);
  if (known !== undefined) return known;
  const identity = transport.kind === 'http' ? transport.url : '';
  const server: CatalogServer = {
    id,
    displayName,
    transport,
    identity,
    instructions: null,
    asks: [],
    ...(provenance && { provenance }),
  };
  servers.set(id, server);
  return server;
}

function readTransport(fields: Fields, tool: string, spiffeId: string | null): ServerTransport {
  const kind = fields.oneOf('transport', ['http-sse', 'streamable-http', 'stdio']);
  if (kind === 'stdio') {
    return readSpawn(fields, 'spawn', (command, place) => besideCatalog(command, place, tool));
  }
  return readReferencePeer(fields, spiffeId);
}

/** A relative path is taken from the catalog's folder; a bare name would be looked up in PATH, so it is refused. */
function besideCatalog(command: string, place: Place, tool: string): string {
  if (command.includes('/')) return resolve(dirname(place.file), command);
  throw place.refuse(
    `"${command}" of tool "${tool}" would be searched for in PATH; write the absolute path of the program`,
  );
}
