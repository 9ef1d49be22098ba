import type { JsonObject } from '@cmcp/evidence';
import type { Caller } from '../caller.ts';
import type { ErrorCode } from '../errors.ts';

/**
 * What the protocol rooms ask of the gateway, free of revisions. Codecs in mcp/handshake and mcp/modern translate their
 * wire form to and from these; nothing behind this interface knows a revision.
 */
export interface GovernedGateway {
  /** Opens the audited session of a handshake transport, at `initialize`. */
  openSession(caller: Caller): Promise<SessionRef>;
  callTool(request: ToolCall): Promise<CallOutcome>;
  /** A page of approved definitions; `cursor` is opaque, an unknown one rejects with INVALID_PARAMS. Counted, not entered. */
  listTools(caller: Caller, cursor: string | null): Promise<ToolPage>;
  /**
   * The approved input schema behind an exposed name, so that the transport can hold `Mcp-Param-*` headers against the body
   * (MCP26-12). Null when this caller is offered no such tool. From memory, not counted.
   */
  inputSchema(caller: Caller, name: string): JsonObject | null;
  /** A method that is not governed yet: refused and recorded as an `mcp_request` entry. Never rejects for policy reasons. */
  refuseMethod(request: RefusedMethod): Promise<CallOutcome>;
  /** The transport session ended (DELETE, stdin closed, expiry): the audited session closes and its claim is stored. */
  endSession(session: SessionRef, reason: 'client' | 'idle' | 'shutdown'): Promise<void>;
  /** Unauthenticated or malformed traffic: a counter, aggregated into the gateway chain. */
  count(event: RefusalKind): void;
  /** A governed fact outside a session, entered at once (another caller's session id, an agent token on an operator route). */
  gatewayEvent(action: string, caller: Caller | null, detail: JsonObject): Promise<void>;
}

export type RefusalKind =
  | 'unauthenticated'
  | 'host_refused'
  | 'origin_refused'
  | 'parse_error'
  | 'invalid_request'
  | 'too_large'
  | 'header_mismatch'
  | 'listed'
  | 'discovered'
  | 'initialized'
  | 'pinged';

/** Handle of an audited session as the transport holds it. After idle close or activation the next call opens a successor. */
export interface SessionRef {
  /** Current audited session id; the gateway updates it when a successor is opened. */
  sessionId: string;
  readonly caller: Caller;
}

export interface ToolCall {
  caller: Caller;
  /** Handshake: the transport's session. Modern: null, the session is found by subject, workflow or handle. */
  session: SessionRef | null;
  /** Modern only: `_meta["io.cmcp/session"]`. Unknown or another subject's: SESSION_UNKNOWN. */
  handle: string | null;
  name: string;
  arguments: JsonObject;
  /** `_meta["io.cmcp/call"].workflow_id` or `_cmcp.workflow_id`: asserted. */
  workflow: string | null;
  /** `_meta["io.cmcp/call"].data_class` or `_cmcp.data_class`. */
  dataClass: string | null;
  /** Aborts on notifications/cancelled, or (modern HTTP) when the client closes the stream. */
  signal: AbortSignal;
}

export interface RefusedMethod {
  caller: Caller;
  session: SessionRef | null;
  handle: string | null;
  method: string;
  /** Params as received, for the digest only. */
  params: JsonObject;
}

export type CallOutcome =
  /** `result` is ready to send: upstream's members plus `_meta["io.cmcp/call"]`. */
  | { kind: 'result'; result: JsonObject }
  /** `data` goes into the JSON-RPC error's `data`: error_code, call_id, advice?, upstream?, and `io.cmcp/call` members. */
  | { kind: 'error'; code: ErrorCode; message: string; data: JsonObject };

export interface ToolPage {
  /** MCP Tool objects with the exposed name. */
  tools: JsonObject[];
  nextCursor: string | null;
}
