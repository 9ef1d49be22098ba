import { dirname, resolve } from 'node:path';
import { Fields } from './fields.ts';
import type { CatalogServer } from './types.ts';

const PATH = { pattern: /^[^\0]+$/, expected: 'the path of a file' };
const KEY = { pattern: /^[A-Za-z0-9_-]{43}$/, expected: 'an Ed25519 public key: 43 characters of base64url' };
const ED25519 = { kty: 'OKP', crv: 'Ed25519' } as const;

/** The publisher of a server and the file of its record, taken from the catalog's folder (wire-formats 6.1 and 15). */
export function readProvenance(server: Fields): CatalogServer['provenance'] {
  const value = server.get('provenance');
  if (value === undefined || value === null) return undefined;
  const place = server.place.at('provenance');
  const fields = new Fields(value, place, ['record_path', 'publisher_jwk']);
  const recordPath = resolve(dirname(place.file), fields.text('record_path', PATH));
  const jwk = new Fields(fields.object('publisher_jwk'), place.at('publisher_jwk'), [
    'kty',
    'crv',
    'x',
    'kid',
    'alg',
    'use',
  ]);
  for (const [name, word] of Object.entries(ED25519)) jwk.oneOf(name, [word]);
  return { recordPath, publisherKey: jwk.text('x', KEY) };
}
