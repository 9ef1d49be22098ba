import type { JsonObject } from '@cmcp/evidence';
import type { Offer } from './types.ts';

/**
 * The `ServerCapabilities` that an offer amounts to, the same in every revision (MCP26-44: nothing is declared that is not
 * governed). What servers log is passed on to whoever wants it, so logging is always declared.
 */
export function serverCapabilities(offer: Offer): JsonObject {
  return {
    logging: {},
    ...(offer.tools ? { tools: { listChanged: true } } : {}),
    ...(offer.resources ? { resources: { subscribe: true, listChanged: true } } : {}),
    ...(offer.prompts ? { prompts: { listChanged: true } } : {}),
    ...(offer.completions ? { completions: {} } : {}),
  };
}

/** The `instructions` member, where there are any. */
export function instructionsOf({ instructions }: Offer): JsonObject {
  return instructions === null ? {} : { instructions };
}
