import { isObject } from '@cmcp/evidence';
import { Place } from '../../catalog/fields.ts';
import { catalogJson, parseCatalog, readCatalogFile } from '../../catalog/load.ts';
import type { Ranks } from '../../policy/sensitivity.ts';
import { prettyJson } from '../../setup/pretty-json.ts';
import { exists, replace } from '../approval/pending-files.ts';
import type { CatalogText } from './diff/diff.ts';
import type { CatalogRecords } from './propose/merge.ts';

/** Where a change waits to be reviewed: beside the catalog, which it does not touch. */
export function proposalFile(catalogFile: string): string {
  return `${catalogFile.replace(/\.json$/, '')}.proposed.json`;
}

/** A catalog as it is written. @throws GatewayError CATALOG_INVALID */
export async function readCatalogText(file: string): Promise<CatalogText> {
  return { file, json: catalogJson(await readCatalogFile(file), file) };
}

/** The proposal, or null where there is none. @throws GatewayError CATALOG_INVALID */
export async function readProposal(catalogFile: string): Promise<CatalogText | null> {
  const file = proposalFile(catalogFile);
  return (await exists(file)) ? readCatalogText(file) : null;
}

/** What a new proposal goes on from: the one that waits, else the catalog. @throws GatewayError CATALOG_INVALID */
export async function baseOfProposal(catalogFile: string): Promise<CatalogRecords> {
  return recordsOf((await readProposal(catalogFile)) ?? (await readCatalogText(catalogFile)));
}

/** Writes a proposal that would load. @throws GatewayError CATALOG_INVALID for one that would not */
export async function writeProposal(catalogFile: string, records: CatalogRecords, ranks: Ranks): Promise<CatalogText> {
  const file = proposalFile(catalogFile);
  const text = prettyJson(records);
  parseCatalog(text, file, ranks);
  await replace(file, text);
  return { file, json: records };
}

/** The records of a catalog of our form. @throws GatewayError CATALOG_INVALID for one of the reference’s */
export function recordsOf({ json, file }: CatalogText): CatalogRecords {
  if (!isObject(json)) {
    throw new Place(file).refuse(
      'is in the reference’s form, which holds no whole definitions; `cmcp init` writes the form that does',
    );
  }
  return { ...json, resources: json.resources ?? [], prompts: json.prompts ?? [] } as CatalogRecords;
}
