import { member } from '@cmcp/evidence';
import type { ListKind } from '../mcp/types.ts';
import type { Listed } from '../upstream/types.ts';
import { CATALOG_NAME, clientSafe, lookalikeKeys, marked, RESERVED_NAMES } from './names.ts';
import type { Offer } from './offer.ts';

/** Those whose names collide are all prefixed, so that none depends on the order of the servers. */
export function chooseNames(offers: readonly Offer[]): string[] {
  const usable = ({ kind }: Offer, name: string): boolean =>
    CATALOG_NAME.pattern.test(name) && !(kind === 'tools' && RESERVED_NAMES.includes(name));
  const own = offers.map(({ kind, item }) => ownName(kind, item));
  const plain = onlyUnique(offers.map((offer, index) => (usable(offer, own[index] ?? '') ? (own[index] ?? '') : null)));
  const bases = offers.map(({ server }, index) => clientSafe(`${server.id}__${own[index]}`));
  const prefixed = bases.map((base, index) => plain[index] ?? base);
  const unique = onlyUnique(prefixed.map((name) => (CATALOG_NAME.pattern.test(name) ? name : null)));
  return offers.map(
    ({ server, item }, index) => unique[index] ?? marked(bases[index] ?? '', `${server.id}\n${item.key}`),
  );
}

/** Resources have a name for people beside their URI. */
function ownName(kind: ListKind, { key, definition }: Listed): string {
  const name = kind === 'resources' || kind === 'resourceTemplates' ? member(definition, 'name') : key;
  return typeof name === 'string' ? name : key;
}

/** Each name that no other could be taken for; null for the rest. */
function onlyUnique(names: readonly (string | null)[]): (string | null)[] {
  const holders = new Map<string, number>();
  for (const name of names) {
    for (const key of name === null ? [] : lookalikeKeys(name)) holders.set(key, (holders.get(key) ?? 0) + 1);
  }
  return names.map((name) =>
    name !== null && lookalikeKeys(name).every((key) => holders.get(key) === 1) ? name : null,
  );
}
