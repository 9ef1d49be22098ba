import { stringifyJson } from '@cmcp/evidence';
import type { Catalog } from '../catalog/types.ts';
import { nativeSchema } from './schema.ts';

const ALLOW_CATALOGUED = `// A call is allowed when its tool is in the catalog: others never get this far.
// Narrow it by naming agents and tools, for example:
//   permit (principal == Agent::"reporting", action in [Action::"read_file"], resource);
@id("allow-catalogued-tools")
permit (
  principal,
  action in Action::"call_tool",
  resource
);
`;

const NO_EXTERNAL_WRITES = `// Once an agent has been shown anything above public, or a call in flight may show it, nothing
// may carry it out: calls that change something at an external server are forbidden. Ending the
// session does not lift this; the exposure stays with the agent until an operator resets it.
@id("no-external-writes-after-sensitive-data")
@advice("This agent has seen sensitive data, so tools that write to external servers are closed to it. An operator can reset its exposure.")
forbid (
  principal,
  action in Action::"call_tool",
  resource
)
when {
  resource.destination_class == "external" &&
  resource.effects != "read" &&
  (context.session.class_rank >= 1 || context.session.max_class_rank >= 1)
};
`;

/**
 * The files of a starting bundle for `catalog`, by name. It loads, validates, and is meant to be edited. The same catalog
 * gives the same bundle hash: the manifest says that nobody reviewed it yet, not when it was made.
 */
export function startingPolicy(catalog: Catalog): Record<string, string> {
  const manifest = {
    version: '1.0.0',
    authored_at: 'not reviewed yet',
    author_identity: 'cmcp init',
    commit_sha: 'none',
    cmcp_request: 1,
  };
  return {
    'manifest.json': `${stringifyJson(manifest)}\n`,
    'schema.cedarschema': nativeSchema(catalog),
    '10-allow-catalogued-tools.cedar': ALLOW_CATALOGUED,
    '20-no-external-writes-after-sensitive-data.cedar': NO_EXTERNAL_WRITES,
  };
}
