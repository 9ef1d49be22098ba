import { isObject, type JsonObject, member } from '@cmcp/evidence';
import { GatewayError } from '../../errors.ts';
import { type ClientAbilities, readAbilities } from '../asks.ts';
import { type LogLevel, readLogLevel } from '../log-level.ts';
import { readMeta } from '../request-meta.ts';
import { CAPABILITIES_KEY } from './envelope.ts';

const LOG_LEVEL_KEY = 'io.modelcontextprotocol/logLevel';

/** What a request says of its client: each says it anew (MCP26-20). */
export interface ClientWishes {
  abilities: ClientAbilities;
  /** Null: nothing is logged to it (MCP26-31). */
  logLevel: LogLevel | null;
}

/** @throws GatewayError INVALID_PARAMS */
export function readWishes(params: JsonObject): ClientWishes {
  const meta = readMeta(params);
  const capabilities = member(meta, CAPABILITIES_KEY);
  const given = member(meta, LOG_LEVEL_KEY);
  const logLevel = readLogLevel(given);
  if (given !== undefined && logLevel === null) throw new GatewayError('INVALID_PARAMS', 'logLevel is no log level');
  return { abilities: readAbilities(isObject(capabilities) ? capabilities : {}), logLevel };
}
