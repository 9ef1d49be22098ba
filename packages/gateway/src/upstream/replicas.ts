import { isIP, type LookupFunction } from 'node:net';
import type { CatalogServer } from '../catalog/types.ts';

/** More than that one name leads to are looked at no further. */
const MAX_ADDRESSES = 16;

/**
 * For each machine that a server's name leads to, a lookup that leads there alone; none for a server that is spawned, that is
 * named by an address, or whose name leads to one machine. A name that leads nowhere is for its first use to report.
 */
export async function replicaLookups(server: CatalogServer, lookup: LookupFunction): Promise<LookupFunction[]> {
  const { transport } = server;
  if (transport.kind !== 'http') return [];
  const { hostname } = new URL(transport.url);
  if (isIP(hostname.replace(/^\[|\]$/g, '')) !== 0) return [];
  const addresses = await resolved(hostname, lookup);
  return addresses.length < 2 ? [] : addresses.slice(0, MAX_ADDRESSES).map(leadingTo);
}

function resolved(hostname: string, lookup: LookupFunction): Promise<string[]> {
  return new Promise((resolve) => {
    lookup(hostname, { all: true }, (error, found) => {
      const addresses = error !== null || typeof found === 'string' ? [] : found.map(({ address }) => address);
      resolve([...new Set(addresses)]);
    });
  });
}

function leadingTo(address: string): LookupFunction {
  const family = isIP(address);
  return (_hostname, { all }, callback) => {
    if (all) callback(null, [{ address, family }]);
    else callback(null, address, family);
  };
}
