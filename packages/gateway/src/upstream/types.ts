import type { JsonObject, JsonValue } from '@cmcp/evidence';

/** A tool as a live server advertises it, every member kept. */
export interface LiveTool {
  name: string;
  definition: JsonObject;
}

export interface UpstreamCall {
  callId: string;
  /** The server's own name of the tool. */
  tool: string;
  arguments: JsonObject;
  /** The approved input schema: parameter headers (x-mcp-header) are built from it, never from live text. */
  inputSchema: JsonObject;
  signal: AbortSignal;
}

/**
 * A neutral `tools/call` result: what the server sent as `result`, revision bookkeeping (`resultType`) removed,
 * everything else (content of every kind, structuredContent, isError, `_meta`) unaltered.
 */
export interface UpstreamResult {
  result: JsonObject;
}

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
  /** All pages, bounded in pages, tools and time. */
  listTools(signal: AbortSignal): Promise<LiveTool[]>;
  callTool(call: UpstreamCall): Promise<UpstreamResult>;
  /** `changed`: the server says its tool list changed, or it was restarted, so that definitions must be compared anew. */
  onChanged(listener: () => void): void;
  /** Child gone, sockets closed, pending calls rejected. Idempotent. */
  close(): Promise<void>;
}

/** Limits and credentials of one server, from the config. */
export interface UpstreamSettings {
  /** Milliseconds until a call is given up; progress cannot extend it. */
  timeoutMs: number;
  maxResponseBytes: number;
  /** Added to the allow-listed environment of a child. */
  env: Record<string, string>;
  /** Added to HTTP requests, e.g. Authorization. Never the agent's. */
  headers: Record<string, string>;
}

export type UpstreamLog = (event: { server: string; event: string; detail: string }) => void;
