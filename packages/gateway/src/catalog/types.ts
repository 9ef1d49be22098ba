import type { JsonObject } from '@cmcp/evidence';

/** How a server is reached. What runs is said by the catalog; credentials and limits by the config. */
export type ServerTransport =
  | { kind: 'stdio'; command: string; args: string[]; binaryDigest: string | null; measureTarget: string | null }
  | { kind: 'http'; url: string; tlsFingerprint: string | null };

export interface CatalogServer {
  /** Unique identity: our form's `id`; in the reference's form a digest of the whole server record, never its label. */
  id: string;
  displayName: string;
  transport: ServerTransport;
  /** Written to entries as `server_identity`: the URL, `""` for stdio. */
  identity: string;
}

export type DestinationClass = 'internal' | 'external';
export type Effects = 'read' | 'write';

export interface CatalogTool {
  /** The catalog's name: what Cedar and entries use. */
  name: string;
  /** What agents see: alias, else the name if unique and valid for clients, else `<server>__<tool>`. */
  exposedName: string;
  upstreamName: string;
  server: CatalogServer;
  /** The definition that agents are shown, exactly as approved (MCP Tool object without `name`). */
  definition: JsonObject;
  /** The approved input schema, `definition.inputSchema`; an empty object where none was approved. */
  inputSchema: JsonObject;
  /** Digests compared with the live definition; see catalog/drift.ts. */
  pin: ToolPin;
  effects: Effects;
  sensitivity: string;
  /** Rank of `sensitivity` in the vocabulary that the catalog was loaded with. */
  sensitivityRank: number;
  complianceDomain: string;
  destinationClass: DestinationClass;
  requiresBaa: boolean;
}

/** `whole`: digest over every member the server advertises. `reference`: the reference's drift digest, for its own form. */
export type ToolPin = { kind: 'whole'; digest: string } | { kind: 'reference'; digest: string };

export interface Catalog {
  /** `sha256:…` over the file, as section 6.2 of the wire formats or contracts section 8 says for its form. */
  hash: string;
  form: 'reference' | 'cmcp';
  servers: CatalogServer[];
  /** Sorted by exposed name. */
  tools: CatalogTool[];
  /**
   * The tool that an agent means by `name`: an exposed name, or, for the reference's form, a catalog name. Exact: no case
   * folding, no trimming, no normalisation (defect D-14).
   */
  resolve(name: string): CatalogTool | null;
}
