import type { KeyObject } from 'node:crypto';
import { type Certificate, decodeUtf8, EncodingError, FormatError } from '@cmcp/evidence';
import { readDerBundle, readJwtKeys } from './bundle.ts';
import { parseSpiffeId } from './id.ts';
import { readFields } from './protobuf.ts';

const MAX_BUNDLES = 1_000;

/**
 * `X509BundlesResponse`: the authorities of the trust domains that are asked about (SPIFFE Workload API section 5.1).
 *
 * @throws FormatError, also for revocation lists, which are not evaluated: passed over, they would revoke nothing
 */
export function readX509Bundles(
  bytes: Uint8Array<ArrayBuffer>,
  wanted: ReadonlySet<string>,
): Map<string, readonly Certificate[]> {
  const fields = readFields(bytes, 'X509BundlesResponse');
  if (fields.some(({ number }) => number === 1))
    throw new FormatError('X509BundlesResponse: it has revocation lists, which are not evaluated');
  const bundles = fields.flatMap((field) => (field.number === 2 ? [field.bytes] : []));
  return byDomain(bundles, wanted, readDerBundle, 'X509BundlesResponse');
}

/** `JWTBundlesResponse` (section 6.1). @throws FormatError */
export function readJwtBundles(
  bytes: Uint8Array<ArrayBuffer>,
  wanted: ReadonlySet<string>,
): Map<string, ReadonlyMap<string, KeyObject>> {
  const bundles = readFields(bytes, 'JWTBundlesResponse').flatMap((field) => (field.number === 1 ? [field.bytes] : []));
  return byDomain(bundles, wanted, readJwtKeys, 'JWTBundlesResponse');
}

/** Entries of `map<string, bytes>`, by trust domain. */
function byDomain<T>(
  entries: readonly (Uint8Array<ArrayBuffer> | null)[],
  wanted: ReadonlySet<string>,
  read: (bundle: Uint8Array<ArrayBuffer>) => T,
  what: string,
): Map<string, T> {
  // Section 4.5: a message without what it has to have is discarded.
  if (entries.length === 0) throw new FormatError(`${what}: it has no bundle`);
  if (entries.length > MAX_BUNDLES) throw new FormatError(`${what}: it has more than ${MAX_BUNDLES} bundles`);
  const seen = new Set<string>();
  const bundles = new Map<string, T>();
  for (const entry of entries) {
    const [domain, bundle] = readEntry(entry, what);
    if (seen.has(domain)) throw new FormatError(`${what}: it has two bundles of ${domain}`);
    seen.add(domain);
    if (wanted.has(domain)) bundles.set(domain, read(bundle));
  }
  return bundles;
}

function readEntry(entry: Uint8Array<ArrayBuffer> | null, what: string): [string, Uint8Array<ArrayBuffer>] {
  if (entry === null) throw new FormatError(`${what}: a bundle is a number`);
  const fields = readFields(entry, what);
  const [key, value] = [1, 2].map((number) => {
    const [field, ...others] = fields.filter((each) => each.number === number);
    return others.length === 0 ? field?.bytes : null;
  });
  if (!key || !value) throw new FormatError(`${what}: a bundle has not one name and one value`);
  const id = parseSpiffeId(textOf(key, what));
  if (id === null || id.path !== '') throw new FormatError(`${what}: a bundle is not named by a trust domain`);
  return [id.trustDomain, value];
}

function textOf(bytes: Uint8Array, what: string): string {
  try {
    return decodeUtf8(bytes);
  } catch (error) {
    if (error instanceof EncodingError) throw new FormatError(`${what}: ${error.message}`);
    throw error;
  }
}
