import type { Place } from './fields.ts';
import type { Named } from './names.ts';
import type { Catalog, CatalogPrompt, CatalogResource, CatalogServer, CatalogTool } from './types.ts';

/** As read from a file, before exposed names are known and before one record was held against another. */
export type DraftTool = Omit<CatalogTool, 'exposedName'> & Named & { place: Place };
export type DraftPrompt = Omit<CatalogPrompt, 'exposedName'> & Named & { place: Place };
export type DraftResource = CatalogResource & { place: Place };

/** What each form's reader hands over. */
export interface ParsedCatalog {
  form: Catalog['form'];
  hash: string;
  servers: CatalogServer[];
  tools: DraftTool[];
  resources: DraftResource[];
  prompts: DraftPrompt[];
}
