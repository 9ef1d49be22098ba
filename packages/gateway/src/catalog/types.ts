import type { JsonObject } from '@cmcp/evidence';
import type { Structure } from '../inspection/schema/structure.ts';
import type { AskKind } from '../mcp/asks.ts';
import type { UriTemplate } from './uri-template.ts';

/** How a server is reached. What runs is said by the catalog; credentials and limits by the config. */
export type ServerTransport =
  | ({
      kind: 'stdio';
      command: string;
      args: string[];
      binaryDigest: string | null;
      measureTarget: string | null;
    } & SpawnPins)
  | { kind: 'http'; url: string; tlsFingerprint: string | null; pins?: PeerPins };

/** What else of a child is pinned, in our form. */
export interface SpawnPins {
  /** The program that runs the measured file: the command, or what its `#!` line means. */
  interpreter?: { path: string; digest: string };
  /** The folder from which the program loads code, such as its node_modules. */
  package?: { path: string; treeDigest: string; integrity: string | null };
}

/** Who an HTTPS server must show itself to be, beside what `tlsFingerprint` says. */
export interface PeerPins {
  /** `sha256:` digests of public keys, one of which the certificate must hold: the current key and those to come. */
  spki: readonly string[];
  /** The one SPIFFE id of its certificate. */
  spiffeId: string | null;
  /** `sha256:` of the certificate of the private authority that alone is trusted; the config names its file. */
  ca: string | null;
  /** A pin is written that pins nothing; accepted in dev mode only. */
  placeholder: boolean;
}

export interface CatalogServer {
  /** Unique identity: our form's `id`; in the reference's form a digest of the whole server record, never its label. */
  id: string;
  displayName: string;
  transport: ServerTransport;
  /** Written to entries as `server_identity`: the URL, `""` for stdio. */
  identity: string;
  /** Approved instructions: what agents are shown of the server's own; null: none were approved. */
  instructions: string | null;
  /** Whose word there is for the server, and where; absent: nobody's. */
  provenance?: { recordPath: string; publisherKey: string };
  /** What the server may ask of the agent's side while it serves a request. It is offered nothing else. */
  asks: readonly AskKind[];
  /** Set where no catalog approves the server, and two operators let it be used for a while. */
  exception?: ExceptionGrant;
}

/** Why a server is used that no catalog approves, and on whose word (wire-formats section 6.6). */
export interface ExceptionGrant {
  id: string;
  /** Printable ASCII, like what follows. */
  reason: string;
  /** The operator who asked for it and the one who confirmed it. */
  authorizedBy: string;
  addedAt: string;
  /** Nothing on the list of `egress.allow` speaks for its address, so that a private one is refused (W-16). */
  publicOnly: boolean;
  isOver: () => boolean;
}

export type DestinationClass = 'internal' | 'external';
export type Effects = 'read' | 'write';

/** What the catalog says of anything that an agent may use; the policy sees it. */
export interface Labels {
  /** The catalog's name: what Cedar and entries use. Unique among its kind. */
  name: string;
  server: CatalogServer;
  sensitivity: string;
  /** Rank of `sensitivity` in the vocabulary that the catalog was loaded with. */
  sensitivityRank: number;
  complianceDomain: string;
  destinationClass: DestinationClass;
  requiresBaa: boolean;
}

export interface CatalogTool extends Labels {
  /** What agents see: alias, else the name if unique and valid for clients, else `<server>__<tool>`. */
  exposedName: string;
  upstreamName: string;
  /** The definition that agents are shown, exactly as approved (MCP Tool object without `name`). */
  definition: JsonObject;
  /** The approved input schema, `definition.inputSchema`; an empty object where none was approved. */
  inputSchema: JsonObject;
  /** The approved output schema, compiled; null where none was approved. */
  structure: Structure | null;
  /** Digests compared with the live definition; see catalog/drift.ts. */
  pin: ToolPin;
  effects: Effects;
  /** What a call of it costs, in the units of the limits on cost. */
  cost: number;
}

/** A resource, or a pattern of resources. Approved by URI; its content is pinned too where it is fixed. */
export interface CatalogResource extends Labels {
  pattern: { kind: 'uri'; uri: string } | { kind: 'template'; template: UriTemplate };
  /** The Resource or ResourceTemplate object that agents are shown, exactly as approved. */
  definition: JsonObject;
  /** `sha256:` over the canonical form of `contents`, for a resource whose content is fixed; null: it is not. */
  contentDigest: string | null;
}

export interface CatalogPrompt extends Labels {
  /** What agents see, chosen as for tools. */
  exposedName: string;
  upstreamName: string;
  /** MCP Prompt object without `name`, exactly as approved. */
  definition: JsonObject;
  /** Digest of the whole definition, compared with the live one. */
  pin: { kind: 'whole'; digest: string };
  /** `sha256:` over the canonical form of `messages`, for a prompt whose text is fixed; null: it is not. */
  contentDigest: string | null;
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
  /** Sorted by URI or template. */
  resources: CatalogResource[];
  /** Sorted by exposed name. */
  prompts: CatalogPrompt[];
  /**
   * The tool that an agent means by `name`: an exposed name, or, for the reference's form, a catalog name. Exact: no case
   * folding, no trimming, no normalisation (defect D-14).
   */
  resolve(name: string): CatalogTool | null;
  /** The entry that approves this URI: the exact one before a pattern. Null where none does, or where the URI is not canonical. */
  resolveResource(uri: string): CatalogResource | null;
  /** Exact, like tools. */
  resolvePrompt(name: string): CatalogPrompt | null;
}
