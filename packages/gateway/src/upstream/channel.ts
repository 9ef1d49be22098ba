import type { JsonObject } from '@cmcp/evidence';
import type { ClientDialect, RequestTerms } from '../mcp/client.ts';
import type { ServerProfile } from '../mcp/server-profile.ts';
import type { RequestSide } from './request-side.ts';
import type { Scope } from './scope.ts';
import type { UpstreamResult } from './types.ts';

/** One request to a server, in no particular revision. */
export interface ChannelRequest {
  /** JSON-RPC id, unique among the requests in flight (MCP26-17). */
  id: string;
  method: string;
  params: JsonObject;
  /** Approved schema whose annotated arguments become header fields; null where there is none. */
  inputSchema: JsonObject | null;
  /** Bytes beyond which its answer is not read on, where that is known while it comes; null: the gateway's limit. */
  maxBytes: number | null;
  terms: RequestTerms;
  /** To whom belongs what the server says of this request; null: to nobody. */
  side: RequestSide | null;
  /**
   * Called before anything is sent, with the number of the connection that would be used and what its server offers; throws to
   * refuse it.
   */
  admit: (connection: number, profile: ServerProfile) => void;
}

/** A transport to one server, with the revision family settled behind it. */
export interface Channel {
  /** Only one request at a time may be sent, so that it is clear to which one belongs what the server asks. */
  readonly exclusive: boolean;
  /** A server that does not start is not started again at once, whoever asks. */
  readonly spacesStarts: boolean;
  /** Connects, if need be, and says how the server is spoken to. */
  connect(scope: Scope): Promise<ClientDialect>;
  /**
   * The server's result, its shape checked. Rejects with the GatewayErrors that upstream/types.ts names; UPSTREAM_UNAVAILABLE
   * only when the request did not reach the server.
   */
  exchange(request: ChannelRequest, scope: Scope): Promise<UpstreamResult>;
  /** Has the server announce changes of a resource, now and after each reconnection; false where it does not offer that. */
  subscribe(uri: string, scope: Scope): Promise<boolean>;
  unsubscribe(uri: string, scope: Scope): Promise<void>;
  close(): Promise<void>;
}
