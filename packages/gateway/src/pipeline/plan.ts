import type { JsonObject } from '@cmcp/evidence';
import type { CatalogPrompt, CatalogTool, Effects, Labels } from '../catalog/types.ts';
import type { Asked } from '../policy/types.ts';
import type { UpstreamMethod } from '../upstream/types.ts';

/** What a governed request comes to, once the catalog has said what it is about. */
export interface Plan {
  /** What the policy decides. */
  asked: Asked;
  /** The catalog's entry: it names, classifies and places what is asked for. */
  item: Labels;
  /** Whose live definition is held to the approved one; null where a URI pattern is what was approved. */
  pinned: CatalogTool | CatalogPrompt | null;
  effects: Effects;
  method: UpstreamMethod;
  /** Names and URIs are the server's own. */
  params: JsonObject;
  inputSchema: JsonObject | null;
  /** The digest that the catalog pins the content with; null: it may vary. */
  contentDigest: string | null;
}

/** The tool that is called, or whose task is asked about; null: none is. */
export function toolOf({ asked }: Plan): CatalogTool | null {
  return 'tool' in asked ? asked.tool : null;
}
