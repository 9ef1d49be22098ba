import type { JsonObject } from '@cmcp/evidence';
import type { Caller } from '../caller.ts';
import type { ErrorCode } from '../errors.ts';
import type { Ask, ClientAbilities } from './asks.ts';
import type { LogLevel } from './log-level.ts';

/**
 * What the protocol rooms ask of the gateway, free of revisions. Codecs in mcp/handshake and mcp/modern translate their
 * wire form to and from these; nothing behind this interface knows a revision.
 */
export interface GovernedGateway {
  /** Opens the audited session of a handshake transport, at `initialize`. */
  openSession(caller: Caller): Promise<SessionRef>;
  /** One governed request, all the way. Rejects only when nothing can be recorded, or no session can be had. */
  request(request: GovernedRequest): Promise<Outcome>;
  /** What this caller is offered: nothing is declared that it may not use. From memory, not counted. */
  offer(caller: Caller): Offer;
  /**
   * A page of approved definitions that this caller may use; `cursor` is opaque, an unknown one rejects with INVALID_PARAMS.
   * Counted, not entered.
   */
  list(kind: ListKind, caller: Caller, cursor: string | null): Promise<ListPage>;
  /**
   * The approved input schema behind an exposed name, so that the transport can hold `Mcp-Param-*` headers against the body
   * (MCP26-12). Null when this caller is offered no such tool. From memory, not counted.
   */
  inputSchema(caller: Caller, name: string): JsonObject | null;
  /**
   * The approved output schema behind an exposed name, so that a result is wrapped for older clients exactly when its schema was.
   * Null when this caller is offered no such tool, or it has none. From memory, not counted.
   */
  outputSchema(caller: Caller, name: string): JsonObject | null;
  /** Each URI is decided and entered on its own; those that are refused are left out of what is honoured. */
  subscribe(request: SubscribeRequest): Promise<Subscription>;
  /** Told whenever what a list holds may have changed: after an activation, and after a server's announcement was checked. */
  onListChanged(listener: (kind: ChangeKind) => void): () => void;
  /** Whether everything that this caller does is stopped; no stream is kept open for it then. */
  isStopped(caller: Caller): boolean;
  /** Told in the turn in which something is stopped. */
  onStopped(listener: () => void): () => void;
  /** A method that is not governed: refused and recorded as an `mcp_request` entry. Never rejects for policy reasons. */
  refuseMethod(request: RefusedMethod): Promise<Outcome>;
  /** The transport session ended (DELETE, stdin closed, expiry): the audited session closes and its claim is stored. */
  endSession(session: SessionRef, reason: 'client' | 'idle' | 'shutdown'): Promise<void>;
  /** Unauthenticated or malformed traffic: a counter, aggregated into the gateway chain. */
  count(event: RefusalKind): void;
  /** A governed fact outside a session, entered at once (another caller's session id, an agent token on an operator route). */
  gatewayEvent(action: string, caller: Caller | null, detail: JsonObject): Promise<void>;
}

export type RefusalKind =
  | 'unauthenticated'
  | 'operator_unauthenticated'
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

/** What every governed request brings, whatever it asks for. */
export interface RequestContext {
  caller: Caller;
  /** Handshake: the transport's session. Modern: null, the session is found by subject, workflow or handle. */
  session: SessionRef | null;
  /** Modern only: `_meta["io.cmcp/session"]`. Unknown or another subject's: SESSION_UNKNOWN. */
  handle: string | null;
  /** `_meta["io.cmcp/call"].workflow_id` or `_cmcp.workflow_id`: asserted. */
  workflow: string | null;
  /** `_meta["io.cmcp/call"].data_class` or `_cmcp.data_class`. */
  dataClass: string | null;
  /** `_meta["io.cmcp/approval"]`: the approval that it is to use; null: any that there is. */
  approval: string | null;
  /** Valid trace context of the request's `_meta`: `traceparent`, `tracestate` (MCP26-42). */
  trace: JsonObject;
  /** Aborts on notifications/cancelled, or (modern HTTP) when the client closes the stream. */
  signal: AbortSignal;
  client: ClientSide;
  /** Modern only: the request comes back with what it was asked for (MCP26-28). */
  round: Round | null;
}

/** The client of one request, as far as it can be spoken to before its answer. */
export interface ClientSide {
  readonly abilities: ClientAbilities;
  /** Asks the client and waits for its result; null where it is asked by an interim answer instead (2026-07-28). */
  readonly ask: ((ask: Ask, signal: AbortSignal) => Promise<JsonObject>) | null;
  /** Does the client want to hear of progress? */
  readonly wantsProgress: boolean;
  /** Least severe log message that it wants; null: none. */
  readonly logLevel: LogLevel | null;
  /** Speaks of this request before its answer; nothing after it. Framing (token, ids) is the codec's. */
  notify(notice: Notice): void;
}

/** What a server says of a request while it serves it. */
export type Notice =
  | { kind: 'progress'; progress: number; total: number | null; message: string | null }
  | { kind: 'log'; level: LogLevel; logger: string | null; data: import('@cmcp/evidence').JsonValue };

export interface Round {
  /** `inputResponses`: the client's results, by the keys it was asked under. */
  responses: JsonObject;
  /** `requestState` as the client sent it: attacker-controlled (MCP26-29). */
  state: string | null;
}

export type GovernedRequest = RequestContext &
  (
    | { method: 'tools/call'; name: string; arguments: JsonObject }
    | { method: 'resources/read'; uri: string }
    | { method: 'prompts/get'; name: string; arguments: Record<string, string> }
    | {
        method: 'completion/complete';
        ref: { kind: 'prompt'; name: string } | { kind: 'resource'; uri: string };
        argument: { name: string; value: string };
        /** Arguments that are known already. */
        context: Record<string, string>;
      }
    | { method: 'tasks/get' | 'tasks/cancel'; taskId: string }
    | { method: 'tasks/update'; taskId: string; responses: JsonObject }
  );

export interface SubscribeRequest extends Omit<RequestContext, 'client' | 'round' | 'dataClass' | 'approval'> {
  /** Each once; how many one request may name is for the codec to bound. */
  uris: string[];
  /** Called with the exposed URI whenever its server says that it changed. */
  onUpdated: (uri: string) => void;
}

export interface Subscription {
  /** The URIs that are subscribed to, in the order asked. */
  honoured: string[];
  /** Why each other one is not. */
  refused: { uri: string; outcome: Extract<Outcome, { kind: 'error' }> }[];
  end(): void;
}

export interface RefusedMethod {
  caller: Caller;
  session: SessionRef | null;
  handle: string | null;
  method: string;
  /** Params as received, for the digest only. */
  params: JsonObject;
}

export type Outcome =
  /**
   * `result` is ready to send: upstream's members plus `_meta["io.cmcp/call"]`. `type` is the `resultType` of 2026-07-28;
   * others than `complete` occur only for a client that can take them.
   */
  | { kind: 'result'; type: 'complete' | 'input_required' | 'task'; result: JsonObject }
  /**
   * `data` goes into the JSON-RPC error's `data`: error_code, call_id, advice?, upstream?, and `io.cmcp/call` members. `rpc` is
   * the server's own error code where it may be passed on.
   */
  | { kind: 'error'; code: ErrorCode; message: string; data: JsonObject; rpc?: number };

export type ListKind = 'tools' | 'resources' | 'resourceTemplates' | 'prompts';
/** Templates are announced as resources. */
export type ChangeKind = 'tools' | 'resources' | 'prompts';

export interface ListPage {
  /** MCP Tool, Resource, ResourceTemplate or Prompt objects with the exposed name. */
  items: JsonObject[];
  nextCursor: string | null;
}

export interface Offer {
  tools: boolean;
  resources: boolean;
  prompts: boolean;
  completions: boolean;
  /** Approved instructions of the servers that this caller may use; null: none. */
  instructions: string | null;
}
