import { catalogHash, type JsonObject, type JsonValue } from '@cmcp/evidence';
import { Structures } from '../inspection/schema/structure.ts';
import type { Ranks } from '../policy/sensitivity.ts';
import type { ParsedCatalog } from './draft.ts';
import { Fields, type Place } from './fields.ts';
import { MAX_ITEMS, MAX_SERVERS, MAX_TEMPLATES, type RecordContext } from './label-rules.ts';
import { readPrompt } from './record-prompt.ts';
import { readResource } from './record-resource.ts';
import { readServer } from './record-server.ts';
import { readTool } from './record-tool.ts';
import type { CatalogServer } from './types.ts';

/** Our form (contracts section 8): whole definitions, one record per server, hashed in sorted canonical form. */
export function readCmcpForm(raw: JsonObject, place: Place, ranks: Ranks): ParsedCatalog {
  const fields = new Fields(raw, place, ['catalog', 'servers', 'tools', 'resources', 'prompts']);
  if (fields.get('catalog') !== 1) throw place.at('catalog').refuse('must be 1, the version of this form');
  const servers = readServers(fields);
  const context: RecordContext = { ranks, servers, structures: new Structures(ranks) };
  const read = <T>(key: string, reader: (raw: JsonValue, place: Place, context: RecordContext) => T): T[] =>
    fields.array(key, MAX_ITEMS).map((item, index) => reader(item, place.at(key).at(index), context));
  const tools = read('tools', readTool);
  // Catalogs from before they were governed may lack these.
  const resources = fields.get('resources') === undefined ? [] : read('resources', readResource);
  const prompts = fields.get('prompts') === undefined ? [] : read('prompts', readPrompt);
  if (resources.filter(({ pattern }) => pattern.kind === 'template').length > MAX_TEMPLATES) {
    throw place.at('resources').refuse(`must not hold more than ${MAX_TEMPLATES} templates`);
  }
  return { form: 'cmcp', hash: catalogHash(raw), servers: [...servers.values()], tools, resources, prompts };
}

function readServers(fields: Fields): Map<string, CatalogServer> {
  const place = fields.place.at('servers');
  const servers = new Map<string, CatalogServer>();
  for (const [index, item] of fields.array('servers', MAX_SERVERS).entries()) {
    const server = readServer(item, place.at(index));
    if (servers.has(server.id)) {
      throw place.at(index).at('id').refuse(`"${server.id}" is used twice; give each server its own id`);
    }
    servers.set(server.id, server);
  }
  return servers;
}
