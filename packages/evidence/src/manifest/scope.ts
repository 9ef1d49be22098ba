import type { JsonObject } from '../json/value.ts';
import { endOf } from './delegation.ts';
import type { ManifestDocument } from './document.ts';
import { schemaProblem } from './schema.ts';

/** What the issuer, and whoever delegated to the agent, named for it to use. Names, not meanings: structural. */
export interface ManifestScope {
  /** The tools that the manifest lists; `name` is what the protocol calls one, `id` what the issuer does. */
  tools: readonly { id: string | null; name: string | null }[];
  /** Of each delegation, the names of tools that it grants; none: it does not restrict them. */
  grants: readonly (readonly string[])[];
  /** When the first delegation ends, seconds since the epoch; null: none does. */
  delegatedUntil: number | null;
}

/** The scope in a document that was read; null when it has not the form of a manifest. Verifies nothing. */
export function manifestScope(object: JsonObject): ManifestScope | null {
  if (schemaProblem(object) !== null) return null;
  const { artifacts, delegation_chain } = object as ManifestDocument;
  const hops = delegation_chain ?? [];
  const ends = hops.map(endOf).filter((end) => end !== null);
  return {
    tools: (artifacts.tool_manifest?.tools ?? []).map(({ tool_id = null, tool_name = null }) => ({
      id: tool_id,
      name: tool_name,
    })),
    grants: hops.map(({ scope_grant }) => scope_grant?.tools ?? []),
    delegatedUntil: ends.length === 0 ? null : Math.min(...ends),
  };
}
