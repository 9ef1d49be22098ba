import type { JsonObject, JsonValue } from '@cmcp/evidence';
import type { SandboxConfig } from '../config/types.ts';
import type { Ask, ClientAbilities } from '../mcp/asks.ts';
import type { LogLevel } from '../mcp/log-level.ts';
import type { ChangeKind, ListKind, Notice } from '../mcp/types.ts';
import type { CredentialSettings } from './credential/types.ts';
import type { ProvenanceVerdict } from './provenance.ts';

/** A tool, resource, resource template or prompt as a live server advertises it, every member kept. */
export interface Listed {
  /** `name`; for resources and templates their URI or URI template. Unique in a list. */
  key: string;
  definition: JsonObject;
}

/** What can be sent to a server for an agent. */
export type UpstreamMethod =
  | 'tools/call'
  | 'resources/read'
  | 'prompts/get'
  | 'completion/complete'
  | 'tasks/get'
  | 'tasks/update'
  | 'tasks/cancel';

/** One request as decided, in no particular revision. */
export interface UpstreamRequest {
  callId: string;
  method: UpstreamMethod;
  /** Names and URIs are the server's own. Without `_meta`. */
  params: JsonObject;
  /** `tools/call`: the approved input schema; parameter headers (x-mcp-header) are built from it, never from live text. */
  inputSchema: JsonObject | null;
  /** Bytes beyond which its answer is not read on; null: the gateway's limit. */
  maxBytes: number | null;
  /** Trace context that travels in `_meta`. */
  trace: JsonObject;
  signal: AbortSignal;
  /** What the client of this request can be asked; the catalog's approval is applied by the upstream. */
  abilities: ClientAbilities;
  wantsProgress: boolean;
  logLevel: LogLevel | null;
  onNotice: (notice: Notice) => void;
  /**
   * A server of the handshake revisions asks while its request waits. The result goes to the server; a GatewayError becomes a
   * JSON-RPC error that says no more than that it was refused. The signal says that the answer is no longer wanted: the server
   * took the ask back, or the request is over.
   */
  onAsk: (ask: Ask, signal: AbortSignal) => Promise<JsonObject>;
  /** A server of the handshake revisions asks what was not offered to it, and is told so once this is dealt with. */
  onUnoffered: (ask: Ask) => Promise<void>;
  /** A server of 2026-07-28 is sent its request again, with what it asked for. */
  round: { responses: JsonObject; state: string | null } | null;
}

/**
 * A neutral result: what the server sent as `result`, revision bookkeeping (`resultType`, `ttlMs`, `cacheScope`) removed, everything
 * else (content of every kind, structuredContent, isError, `_meta`) unaltered. Shapes are checked for the method.
 */
export type UpstreamResult =
  | { kind: 'complete'; result: JsonObject }
  /** Only from servers of 2026-07-28. Whether each may be asked is still to be decided. `state` is the server's `requestState`. */
  | { kind: 'input_required'; asks: Record<string, Ask>; state: string | null }
  /** Only when `abilities.tasks`. `result` holds the server's own `taskId`. */
  | { kind: 'task'; result: JsonObject };

/** A JSON-RPC error that the server answered with; thrown as the `cause` of UPSTREAM_TOOL_ERROR. */
export class UpstreamRpcError extends Error {
  readonly rpcCode: number;
  readonly data: JsonValue | undefined;
  constructor(rpcCode: number, message: string, data: JsonValue | undefined) {
    super(message);
    this.name = 'UpstreamRpcError';
    this.rpcCode = rpcCode;
    this.data = data;
  }
}

/**
 * One catalogued server, reached over stdio or Streamable HTTP, in whichever revision family it speaks.
 * Everything rejects with a GatewayError: UPSTREAM_UNAVAILABLE only when nothing of the call can have reached the server;
 * after that OUTCOME_UNKNOWN, UPSTREAM_TIMEOUT, UPSTREAM_PROTOCOL_ERROR, UPSTREAM_TOOL_ERROR, RESPONSE_SIZE_EXCEEDED,
 * RESPONSE_ENCODING_INVALID or CALL_CANCELLED.
 */
export interface Upstream {
  readonly serverId: string;
  /** All pages, bounded in pages, items and time; empty where the server does not offer the kind. */
  list(kind: ListKind, signal: AbortSignal): Promise<Listed[]>;
  /** The server's own `instructions` as it states them now, or null. Connects if need be. */
  instructions(signal: AbortSignal): Promise<string | null>;
  send(request: UpstreamRequest): Promise<UpstreamResult>;
  /**
   * Asks the server to announce changes of a resource, and keeps asking after a reconnection. One subscription upstream serves
   * any number of listeners. Resolves with what ends it, or null where the server does not offer subscriptions.
   */
  subscribe(uri: string, onUpdated: () => void, signal: AbortSignal): Promise<(() => void) | null>;
  /** What became of its provenance record; null: not decided yet. Absent: nobody asks. */
  readonly provenance?: ProvenanceVerdict | null;
  /** The server says that a list changed, or it was restarted, so that definitions must be compared anew. */
  onChanged(listener: (kind: ChangeKind) => void): void;
  /** Child gone, sockets closed, pending calls rejected. Idempotent. */
  close(): Promise<void>;
}

/** PEM: whom a server's certificate must lead to (null: those of Node), and what the gateway shows of itself. */
export interface PeerMaterial {
  authorities: string[] | null;
  client: { certificate: string; key: string } | null;
}

/** Limits and credentials of one server, from the config. */
export interface UpstreamSettings {
  /** Milliseconds until a call is given up; progress cannot extend it. Time that a person takes to answer is not counted. */
  timeoutMs: number;
  maxResponseBytes: number;
  /** Calls that the server is sent at once; more wait, for no longer than `timeoutMs`. */
  concurrency: number;
  /** Added to the allow-listed environment of a child. */
  env: Record<string, string>;
  /** Added to HTTP requests, e.g. Authorization. Never the agent's. */
  headers: Record<string, string>;
  /** A credential that is got when it is needed and renewed; null: none. */
  credential: CredentialSettings | null;
  /** For HTTPS servers with a private authority or a client certificate. */
  tls?: PeerMaterial;
  /** For stdio servers. */
  sandbox?: SandboxConfig | null;
}

export type UpstreamLog = (event: { server: string; event: string; detail: string }) => void;
