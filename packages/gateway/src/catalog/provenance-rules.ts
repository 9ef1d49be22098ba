import { dirname, resolve } from 'node:path';
import { Fields } from './fields.ts';
import type { CatalogServer } from './types.ts';

const PATH = { pattern: /^[^\0]+$/, expected: 'the path of a file' };
const KEY = /^[A-Za-z0-9_-]{43}$/;

/** The publisher of a server and the file of its record, taken from the catalog's folder (wire-formats 6.1 and 15). */
export function readProvenance(server: Fields): CatalogServer['provenance'] {
  const value = server.get('provenance');
  if (value === undefined || value === null) return undefined;
  const place = server.place.at('provenance');
  const fields = new Fields(value, place, ['record_path', 'publisher_jwk']);
  const recordPath = resolve(dirname(place.file), fields.text('record_path', PATH));
  // Keys have members of many kinds; these say that it is one that can have signed a record.
  const { kty, crv, x } = fields.object('publisher_jwk');
  if (kty !== 'OKP' || crv !== 'Ed25519' || typeof x !== 'string' || !KEY.test(x)) {
    throw place
      .at('publisher_jwk')
      .refuse('must be an Ed25519 public key: "kty": "OKP", "crv": "Ed25519", "x" of 43 characters');
  }
  return { recordPath, publisherKey: x };
}
