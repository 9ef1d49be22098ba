import { catalogHash, isObject, type JsonObject, type JsonValue, member } from '@cmcp/evidence';
import type { Ranks } from '../policy/sensitivity.ts';
import type { DraftTool, ParsedCatalog } from './assemble.ts';
import { canonicalDigest } from './digests.ts';
import { Fields, type Place } from './fields.ts';
import { CATALOG_NAME, CLIENT_NAME, RESERVED_NAMES } from './names.ts';
import { FINGERPRINT, pinned, readSpawn, readUrl } from './server-rules.ts';
import { COMPLIANCE_DOMAINS, MAX_SERVERS, MAX_TOOLS, readSensitivity } from './tool-rules.ts';
import type { CatalogServer, ServerTransport } from './types.ts';

const TOOL_MEMBERS = [
  'name',
  'server',
  'upstream_name',
  'alias',
  'definition',
  'effects',
  'sensitivity',
  'compliance_domain',
  'destination_class',
  'requires_baa',
  'approval',
];
const SERVER_ID = { pattern: /^[a-zA-Z0-9][a-zA-Z0-9_-]{0,47}$/, expected: '1 to 48 letters, digits, "_" or "-"' };
const UPSTREAM_NAME = { pattern: /^.{1,256}$/su, expected: '1 to 256 characters' };

/** Our form (contracts section 8): whole definitions, one record per server, hashed in sorted canonical form. */
export function readCmcpForm(raw: JsonObject, place: Place, ranks: Ranks): ParsedCatalog {
  const fields = new Fields(raw, place, ['catalog', 'servers', 'tools', 'resources', 'prompts']);
  if (fields.get('catalog') !== 1) throw place.at('catalog').refuse('must be 1, the version of this form');
  const servers = new Map<string, CatalogServer>();
  for (const [index, item] of fields.array('servers', MAX_SERVERS).entries()) {
    const server = readServer(item, place.at('servers').at(index));
    if (servers.has(server.id)) {
      throw place.at('servers').at(index).at('id').refuse(`"${server.id}" is used twice; give each server its own id`);
    }
    servers.set(server.id, server);
  }
  const tools = fields
    .array('tools', MAX_TOOLS)
    .map((item, index) => readTool(item, place.at('tools').at(index), ranks, servers));
  refuseUngoverned(fields, 'resources');
  refuseUngoverned(fields, 'prompts');
  return { form: 'cmcp', hash: catalogHash(raw), servers: [...servers.values()], tools };
}

/** Only tools are governed, so approving anything else would promise what is not enforced. */
function refuseUngoverned(fields: Fields, key: string): void {
  if (fields.get(key) === undefined || fields.array(key, MAX_TOOLS).length === 0) return;
  throw fields.place.at(key).refuse('must be empty: this version governs tools only');
}

function readServer(raw: JsonValue, place: Place): CatalogServer {
  const known = ['id', 'display_name', 'transport', 'spawn', 'url', 'tls_fingerprint', 'instructions'];
  const fields = new Fields(raw, place, known);
  const id = fields.text('id', SERVER_ID);
  fields.optionalText('instructions');
  const transport = readTransport(fields);
  const identity = transport.kind === 'http' ? transport.url : '';
  return { id, displayName: fields.optionalText('display_name') ?? id, transport, identity };
}

function readTransport(fields: Fields): ServerTransport {
  const kind = fields.oneOf('transport', ['stdio', 'streamable-http']);
  const foreign = kind === 'stdio' ? ['url', 'tls_fingerprint'] : ['spawn'];
  for (const key of foreign) {
    if (fields.get(key) !== undefined)
      throw fields.place.at(key).refuse(`does not belong to a ${kind} server; remove it`);
  }
  if (kind === 'stdio') {
    return readSpawn(fields, 'spawn', (_command, place) => {
      throw place.refuse('must be an absolute path: what runs may not depend on PATH or on a folder');
    });
  }
  return {
    kind: 'http',
    url: readUrl(fields, 'url'),
    tlsFingerprint: pinned(fields.optionalText('tls_fingerprint', FINGERPRINT)),
  };
}

function readTool(raw: JsonValue, place: Place, ranks: Ranks, servers: ReadonlyMap<string, CatalogServer>): DraftTool {
  const fields = new Fields(raw, place, TOOL_MEMBERS);
  const name = fields.text('name', CATALOG_NAME);
  if (RESERVED_NAMES.includes(name)) {
    throw place
      .at('name')
      .refuse(`"${name}" is the name of a policy action; choose another and keep it as "upstream_name"`);
  }
  const server = servers.get(fields.text('server'));
  if (server === undefined) throw place.at('server').refuse('names no server of this catalog; add it to "servers"');
  const upstreamName = fields.optionalText('upstream_name', UPSTREAM_NAME) ?? name;
  const sensitivity = readSensitivity(fields, 'sensitivity', ranks);
  const hasDomain = fields.get('compliance_domain') !== undefined;
  checkApproval(fields);
  return {
    place,
    name,
    alias: fields.optionalText('alias', CLIENT_NAME),
    serverLabel: server.id,
    upstreamName,
    server,
    ...readDefinition(fields, upstreamName),
    effects: fields.oneOf('effects', ['read', 'write']),
    destinationClass: fields.oneOf('destination_class', ['internal', 'external']),
    sensitivity: sensitivity.label,
    sensitivityRank: sensitivity.rank,
    complianceDomain: hasDomain ? fields.oneOf('compliance_domain', COMPLIANCE_DOMAINS) : 'external',
    requiresBaa: fields.boolean('requires_baa', false),
  };
}

function readDefinition(tool: Fields, upstreamName: string): Pick<DraftTool, 'definition' | 'inputSchema' | 'pin'> {
  const whole = tool.object('definition');
  const place = tool.place.at('definition');
  if (member(whole, 'name') !== upstreamName) {
    throw place.at('name').refuse(`must be "${upstreamName}", the name under which the server offers the tool`);
  }
  const inputSchema = member(whole, 'inputSchema');
  if (!isObject(inputSchema)) throw place.at('inputSchema').refuse('must be an object: MCP tools always have one');
  const output = member(whole, 'outputSchema');
  if (output !== undefined && !isObject(output)) throw place.at('outputSchema').refuse('must be an object');
  const description = member(whole, 'description');
  if (description !== undefined && typeof description !== 'string')
    throw place.at('description').refuse('must be a string');
  const { name: _name, ...definition } = whole;
  return { definition, inputSchema, pin: { kind: 'whole', digest: canonicalDigest(whole) } };
}

function checkApproval(tool: Fields): void {
  const value = tool.get('approval');
  if (value === undefined) return;
  const fields = new Fields(value, tool.place.at('approval'), ['approved_by', 'approved_at']);
  fields.text('approved_by');
  fields.text('approved_at');
}
