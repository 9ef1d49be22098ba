import type { JsonValue } from '@cmcp/evidence';

/** A result that holds parts of catalogs as JSON: their numbers are written as the catalog writes them. */
export async function jsonText(result: object): Promise<string> {
  const { prettyJson } = await import('@cmcp/gateway');
  return `${prettyJson(result as JsonValue)}\n`;
}
