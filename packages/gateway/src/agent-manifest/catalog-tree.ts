import { type CatalogLeaf, catalogTree, digest, type ManifestScope } from '@cmcp/evidence';
import { digestOrNull, referenceView } from '../catalog/digests.ts';
import type { CatalogTool } from '../catalog/types.ts';

/**
 * The Merkle root of the approved tools, the form in which manifests may bind a catalog (C-08, wire-formats section 16.1). Every
 * leaf is made of what the catalog holds, not of what is used by exception; only the issuer's ids of tools come from the manifest. Null when a tool has no
 * canonical form: nothing equals it.
 */
export function approvedTree(
  tools: readonly CatalogTool[],
  { tools: listed }: Pick<ManifestScope, 'tools'>,
): string | null {
  const ids = new Map(listed.map(({ id, name }) => [name ?? id, id]));
  const leaves = tools.map((tool) => leafOf(tool, ids.get(tool.name) ?? tool.name));
  return leaves.every((leaf) => leaf !== null) ? catalogTree(leaves) : null;
}

function leafOf({ definition }: CatalogTool, id: string): CatalogLeaf | null {
  const { description, input_schema = null, output_schema = null } = referenceView(definition);
  const schema = digestOrNull({ input_schema, output_schema });
  if (schema === null || typeof description !== 'string') return null;
  return { tool_id: id, schema_hash: schema, description_hash: digest(description) };
}
