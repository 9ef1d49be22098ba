import { canonicalSorted, isObject, JsonError, type JsonValue, parseJson } from '@cmcp/evidence';
import { type Ranks, sensitivityRanks } from '../policy/sensitivity.ts';
import { assemble } from './assemble.ts';
import { Place } from './fields.ts';
import { readCmcpForm } from './form-cmcp.ts';
import { readReferenceForm } from './form-reference.ts';
import { readRegularFile } from './read-file.ts';
import type { Catalog } from './types.ts';

const MAX_CATALOG_BYTES = 16 * 1024 * 1024;
const MAX_CATALOG_DEPTH = 128;

/**
 * Reads the approved catalog at `path`, in either form (contracts section 8, wire-formats section 6). The file is read once
 * and what was read is what is hashed.
 *
 * @throws GatewayError CATALOG_INVALID that says file, JSON pointer, what is wrong and what to do
 */
export async function loadCatalog(path: string, ranks: Ranks = sensitivityRanks()): Promise<Catalog> {
  return parseCatalog(await readCatalogFile(path), path, ranks);
}

/** The bytes of a catalog file, as they are hashed. @throws GatewayError CATALOG_INVALID */
export function readCatalogFile(path: string): Promise<Uint8Array> {
  return readRegularFile(path, MAX_CATALOG_BYTES, (problem) => new Place(path).refuse(problem));
}

/** As {@link loadCatalog}, for bytes at hand. `file` is used in messages and as the base of relative spawn commands. */
export function parseCatalog(bytes: Uint8Array | string, file: string, ranks: Ranks = sensitivityRanks()): Catalog {
  const place = new Place(file);
  const value = catalogJson(bytes, file);
  if (Array.isArray(value)) return assemble(readReferenceForm(value, place, ranks));
  if (isObject(value)) return assemble(readCmcpForm(value, place, ranks));
  throw place.refuse('must be an object with "catalog": 1, or an array of entries');
}

/** A catalog as the JSON that it is written in, neither checked nor resolved. @throws GatewayError CATALOG_INVALID */
export function catalogJson(bytes: Uint8Array | string, file: string): JsonValue {
  try {
    const value = parseJson(bytes, { bytes: MAX_CATALOG_BYTES, depth: MAX_CATALOG_DEPTH });
    // What cannot be hashed, such as 1e999, is refused here once and for all.
    canonicalSorted(value);
    return value;
  } catch (error) {
    if (error instanceof JsonError)
      throw new Place(file).refuse(`not acceptable JSON: ${error.message} (offset ${error.offset})`);
    throw error;
  }
}
