import type { JsonObject } from '@cmcp/evidence';
import { SERVER_INFO } from '../server-info.ts';

export const SUBSCRIPTION_KEY = 'io.modelcontextprotocol/subscriptionId';

export const SERVER_INFO_KEY = 'io.modelcontextprotocol/serverInfo';

/** Every result says whose it is: the gateway's, also where a server behind it said otherwise. */
export const IDENTITY: JsonObject = { [SERVER_INFO_KEY]: SERVER_INFO };
