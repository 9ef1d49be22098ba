import { isObject, type JsonObject, type JsonValue, member } from '@cmcp/evidence';
import { GatewayError } from '../../errors.ts';
import { isOffered } from '../lists.ts';
import type { ChangeKind, Offer } from '../types.ts';

/** What a client wants to hear of on one subscription. */
export interface ListenFilter {
  /** Lists whose changes are announced. */
  lists: ChangeKind[];
  /** Resources whose changes are announced, in the order asked, each once. */
  uris: string[];
  /** Tasks were asked for: their state is not announced, it is asked for (tasks/get). */
  tasks: boolean;
}

const LISTS: readonly [string, ChangeKind][] = [
  ['toolsListChanged', 'tools'],
  ['promptsListChanged', 'prompts'],
  ['resourcesListChanged', 'resources'],
];
/** Each URI is decided on its own. */
const MAX_URIS = 256;

/** @throws GatewayError INVALID_PARAMS */
export function readFilter(params: JsonObject): ListenFilter {
  const filter = member(params, 'notifications');
  if (!isObject(filter)) throw invalid('notifications must be an object');
  return {
    lists: LISTS.filter(([key]) => flag(filter, key)).map(([, kind]) => kind),
    uris: texts(filter, 'resourceSubscriptions'),
    tasks: texts(filter, 'taskIds').length > 0,
  };
}

/** Only what the caller is offered is listened to (LIFE-10). */
export function offeredLists({ lists }: ListenFilter, offer: Offer): ChangeKind[] {
  return lists.filter((kind) => isOffered(offer, kind));
}

/** The `SubscriptionFilter` that is honoured. */
export function honouredFilter(lists: readonly ChangeKind[], uris: readonly string[]): JsonObject {
  const flags = LISTS.filter(([, kind]) => lists.includes(kind)).map(([key]): [string, JsonValue] => [key, true]);
  return { ...Object.fromEntries(flags), ...(uris.length > 0 ? { resourceSubscriptions: [...uris] } : {}) };
}

function flag(filter: JsonObject, key: string): boolean {
  const value = member(filter, key) ?? false;
  if (typeof value !== 'boolean') throw invalid(`${key} must be true or false`);
  return value;
}

function texts(filter: JsonObject, key: string): string[] {
  const value = member(filter, key) ?? [];
  if (!Array.isArray(value) || value.length > MAX_URIS) throw invalid(`${key} must be at most ${MAX_URIS} strings`);
  const given = value.filter((each) => typeof each === 'string');
  if (given.length < value.length) throw invalid(`${key} must be an array of strings`);
  return [...new Set(given)];
}

function invalid(detail: string): GatewayError {
  return new GatewayError('INVALID_PARAMS', detail);
}
