import type { JsonObject } from '@cmcp/evidence';
import type { Ask, ClientAbilities } from '../mcp/asks.ts';
import type { ClientSide, GovernedRequest, Notice } from '../mcp/types.ts';

/** The client of a call as the path sees it, however many exchanges the call takes. */
export interface Side {
  readonly abilities: ClientAbilities;
  readonly wantsProgress: boolean;
  readonly logLevel: ClientSide['logLevel'];
  /** Aborts when nobody waits for the answer any more. */
  readonly signal: AbortSignal;
  /** The client is asked by an interim answer, and may come back with answers to a server that keeps nothing. */
  readonly comesBack: boolean;
  notify(notice: Notice): void;
  ask(ask: Ask, signal: AbortSignal): Promise<JsonObject>;
}

/** A client that can be asked while its request waits: one exchange is the whole call. */
export function liveSide({ client, signal }: GovernedRequest, ask: NonNullable<ClientSide['ask']>): Side {
  return {
    abilities: client.abilities,
    wantsProgress: client.wantsProgress,
    logLevel: client.logLevel,
    signal,
    comesBack: false,
    notify: (notice) => client.notify(notice),
    ask,
  };
}
