import { schemaToJsonWithResolvedTypes } from '@cedar-policy/cedar-wasm/nodejs';
import type { CatalogTool } from '../catalog/types.ts';
import type { Bundle } from './bundle.ts';
import { readSchema } from './native-schema.ts';
import { standaloneAction } from './schema.ts';

/**
 * The bundle with actions for tools that its schema does not know, in `call_tool`, so that its policies decide about them too. It
 * keeps its hash: no policy is another.
 *
 * @throws GatewayError POLICY_INVALID when the schema cannot hold such an action
 */
export function withTools(bundle: Bundle, tools: readonly CatalogTool[]): Bundle {
  if (bundle.request !== 'native' || tools.length === 0) return bundle;
  const declared = readSchema(schemaToJsonWithResolvedTypes(bundle.schema))['']?.actions ?? {};
  const missing = tools.filter(({ name }) => !Object.hasOwn(declared, name));
  return { ...bundle, schema: [bundle.schema, ...missing.map(standaloneAction)].join('\n') };
}
