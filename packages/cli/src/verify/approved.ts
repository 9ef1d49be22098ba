import { readFile } from 'node:fs/promises';
import { catalogHash, type Expectations, isObject, JsonError, parseJson } from '@cmcp/evidence';
import { RefusedError } from '../io.ts';

/** The approved policy as a folder: its hash, and what it permits. */
export async function readApprovedPolicy(
  folder: string,
): Promise<Required<Pick<Expectations, 'policyHash' | 'policyIntent'>>> {
  // Loaded only when asked for: it brings the policy engine, which verifying a hash does not need.
  const { intentOf, loadBundle } = await import('@cmcp/gateway');
  const bundle = await loadBundle(folder);
  return { policyHash: bundle.hash, policyIntent: intentOf(bundle) };
}

/** The hash of the approved catalog, given as its file. @throws RefusedError when it is no catalog */
export async function readApprovedCatalog(file: string): Promise<Required<Pick<Expectations, 'catalogHash'>>> {
  try {
    const catalog = parseJson(await readFile(file));
    if (Array.isArray(catalog) || isObject(catalog)) return { catalogHash: catalogHash(catalog) };
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    throw new RefusedError(`${file} is not strict JSON: ${error.message}`);
  }
  throw new RefusedError(`${file} is not a catalog: neither a list nor an object`);
}
