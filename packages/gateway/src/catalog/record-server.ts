import type { JsonValue } from '@cmcp/evidence';
import type { AskKind } from '../mcp/asks.ts';
import { Fields, type Place } from './fields.ts';
import { PEER_MEMBERS, readPeer } from './peer-rules.ts';
import { readProvenance } from './provenance-rules.ts';
import { readPinnedSpawn } from './server-rules.ts';
import type { CatalogServer, ServerTransport } from './types.ts';

const SERVER_MEMBERS = [
  'id',
  'display_name',
  'transport',
  'spawn',
  ...PEER_MEMBERS,
  'provenance',
  'instructions',
  'asks',
];
const SERVER_ID = { pattern: /^[a-zA-Z0-9][a-zA-Z0-9_-]{0,47}$/, expected: '1 to 48 letters, digits, "_" or "-"' };
const ASKS: readonly AskKind[] = ['elicit', 'sample', 'list_roots'];

/** A server of our form. */
export function readServer(raw: JsonValue, place: Place): CatalogServer {
  const fields = new Fields(raw, place, SERVER_MEMBERS);
  const id = fields.text('id', SERVER_ID);
  const transport = readTransport(fields);
  const provenance = readProvenance(fields);
  return {
    id,
    displayName: fields.optionalText('display_name') ?? id,
    transport,
    identity: transport.kind === 'http' ? transport.url : '',
    // No text at all is nothing to show.
    instructions: fields.optionalText('instructions') || null,
    asks: readAsks(fields),
    ...(provenance && { provenance }),
  };
}

function readTransport(fields: Fields): ServerTransport {
  const kind = fields.oneOf('transport', ['stdio', 'streamable-http']);
  const foreign = kind === 'stdio' ? PEER_MEMBERS : ['spawn'];
  for (const key of foreign) {
    if (fields.get(key) !== undefined)
      throw fields.place.at(key).refuse(`does not belong to a ${kind} server; remove it`);
  }
  if (kind === 'stdio') {
    return readPinnedSpawn(fields, 'spawn', (_command, place) => {
      throw place.refuse('must be an absolute path: what runs may not depend on PATH or on a folder');
    });
  }
  return readPeer(fields);
}

/** Nothing unless it is approved: a server that may not ask is not even told that it could (MCP25-11). */
function readAsks(fields: Fields): AskKind[] {
  if (fields.get('asks') === undefined) return [];
  const place = fields.place.at('asks');
  const asks = fields.array('asks', ASKS.length).map((item, index) => {
    const kind = ASKS.find((known) => known === item);
    if (kind === undefined) throw place.at(index).refuse(`must be one of ${ASKS.map((ask) => `"${ask}"`).join(', ')}`);
    return kind;
  });
  if (new Set(asks).size < asks.length) throw place.refuse('names the same twice; name each once');
  return asks;
}
