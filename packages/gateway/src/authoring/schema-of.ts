import { loadCatalog } from '../catalog/load.ts';
import type { Config } from '../config/types.ts';
import { nativeSchema } from '../policy/schema.ts';
import { sensitivityRanks } from '../policy/sensitivity.ts';

/**
 * The Cedar schema of the requests that the configured catalog makes possible (contracts section 7).
 *
 * @throws GatewayError CATALOG_INVALID
 */
export async function schemaOf(config: Config): Promise<string> {
  return nativeSchema(await loadCatalog(config.catalog.path, sensitivityRanks(config.vocabulary)));
}
