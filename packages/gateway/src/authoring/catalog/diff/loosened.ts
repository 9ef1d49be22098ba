import { canonicalSorted, type JsonValue, member } from '@cmcp/evidence';
import type { Item } from './items.ts';

interface Loosened {
  path: string;
  what: string;
}

const PINS = ['tlsFingerprint', 'binaryDigest', 'digest'];
/** What runs, and where requests go. */
const REACHED = ['transport', 'url', 'command', 'args', 'server', 'upstream_name', 'uri', 'uri_template'];

/** What people once set and the new catalog holds less strictly, or leads elsewhere. */
export function loosened(before: Item, after: Item): Loosened[] {
  const found: Loosened[] = [];
  const [old, now] = [(key: string) => member(before.says, key), (key: string) => member(after.says, key)];
  const note = (path: string, what: string): void => void found.push({ path: `/${path}`, what });
  if (before.rank !== null && after.rank !== null && after.rank < before.rank) note('sensitivity', 'ranks lower');
  if (old('effects') === 'write' && now('effects') === 'read') note('effects', 'counts as a read');
  if (costOf(now('cost')) < costOf(old('cost'))) note('cost', 'costs less');
  if (old('destination_class') === 'external' && now('destination_class') === 'internal')
    note('destination_class', 'counts as internal');
  if (old('requires_baa') === true && now('requires_baa') === false)
    note('requires_baa', 'needs no agreement any more');
  for (const key of PINS) if (old(key) !== undefined && now(key) === undefined) note(key, 'is not pinned any more');
  for (const ask of listOf(now('asks'))) if (!listOf(old('asks')).includes(ask)) note('asks', `it may ask ${ask}`);
  for (const key of REACHED) {
    if (canonicalSorted(old(key) ?? null) !== canonicalSorted(now(key) ?? null)) note(key, 'leads elsewhere');
  }
  return found;
}

function listOf(value: JsonValue | undefined): string[] {
  return Array.isArray(value) ? value.map(String) : [];
}

const costOf = (value: JsonValue | undefined): number => (typeof value === 'number' ? value : 1);
