import { isIP } from 'node:net';
import type { JsonObject } from '@cmcp/evidence';
import { Fields, Place } from '../catalog/fields.ts';
import { readSensitivity } from '../catalog/label-rules.ts';
import { CATALOG_NAME } from '../catalog/names.ts';
import { readServer } from '../catalog/record-server.ts';
import type { CatalogServer } from '../catalog/types.ts';
import { durationMs } from '../config/duration.ts';
import type { Config } from '../config/types.ts';
import { GatewayError } from '../errors.ts';
import type { Ranks } from '../policy/sensitivity.ts';
import { refusePrivate } from '../upstream/public-address.ts';

/** What an operator asks to be let in for a while. */
export interface ExceptionRequest {
  /** Without its grant: nobody has confirmed it. */
  server: CatalogServer;
  tools: readonly string[];
  sensitivity: string;
  ttlMs: number;
}

const MEMBERS: readonly string[] = ['reason', 'server', 'tools', 'sensitivity', 'ttl'];

const SERVER_MEMBERS = ['id', 'url', 'tls_fingerprint', 'spki_pins'];
const MAX_TOOLS = 8;
const DEFAULT_TTL = '1h';
const LEAST_TTL_MS = 60_000;
const LONGEST_TTL_MS = 86_400_000;

/** @throws GatewayError INVALID_PARAMS that says which member, what is wrong and what to do */
export function readRequest(
  body: JsonObject,
  config: Pick<Config, 'egress' | 'upstreams'>,
  ranks: Ranks,
): ExceptionRequest {
  try {
    const fields = new Fields(body, new Place('the request'), MEMBERS);
    return {
      server: readPlace(fields, config),
      tools: readTools(fields),
      sensitivity: readSensitivity(fields, 'sensitivity', ranks).label,
      ttlMs: readTtl(fields),
    };
  } catch (error) {
    // What reads catalogs reads this too, and calls it one.
    if (!(error instanceof GatewayError) || error.code !== 'CATALOG_INVALID') throw error;
    throw new GatewayError('INVALID_PARAMS', error.detail, { cause: error });
  }
}

function readPlace(fields: Fields, { egress, upstreams }: Pick<Config, 'egress' | 'upstreams'>): CatalogServer {
  const place = fields.place.at('server');
  const given = new Fields(fields.get('server'), place, SERVER_MEMBERS);
  const server = readServer({ ...given.value, transport: 'streamable-http' }, place);
  if (server.transport.kind === 'http' && server.transport.pins?.placeholder === true)
    throw place.refuse('has a pin that pins nothing; remove it, or write the one of the server');
  if (Object.hasOwn(upstreams, server.id)) {
    throw place
      .at('id')
      .refuse('is configured under "upstreams"; an exception is given no credential of another server');
  }
  const host = new URL(server.identity).hostname.replace(/^\[|\]$/g, '');
  const refused = egress.allow === null && isIP(host) !== 0 ? refusePrivate(host) : null;
  if (refused !== null) throw place.at('url').refuse(refused.message);
  return server;
}

function readTools(fields: Fields): string[] {
  const place = fields.place.at('tools');
  const items = fields.array('tools', MAX_TOOLS);
  if (items.length === 0) throw place.refuse('names no tool; name those that are needed, and no more');
  return items.map((item, index) => {
    if (typeof item === 'string' && CATALOG_NAME.pattern.test(item)) return item;
    throw place.at(index).refuse(`must be the name of a tool: ${CATALOG_NAME.expected}`);
  });
}

function readTtl(fields: Fields): number {
  const ttl = durationMs(fields.optionalText('ttl') ?? DEFAULT_TTL) ?? 0;
  if (ttl >= LEAST_TTL_MS && ttl <= LONGEST_TTL_MS) return ttl;
  throw fields.place.at('ttl').refuse('must be a duration from 1m to 24h, such as 30m');
}
