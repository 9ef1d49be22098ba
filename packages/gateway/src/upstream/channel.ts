import type { JsonObject } from '@cmcp/evidence';
import type { Scope } from './scope.ts';

/** One request to a server, in no particular revision. */
export interface ChannelRequest {
  /** JSON-RPC id, unique among the requests in flight (MCP26-17). */
  id: string;
  method: string;
  params: JsonObject;
  /** Approved schema whose annotated arguments become header fields; null where there is none. */
  inputSchema: JsonObject | null;
  /** Called before anything is sent with the number of the connection that would be used; throws to refuse it. */
  admit: (connection: number) => void;
}

/** A transport to one server, with the revision family settled behind it. */
export interface Channel {
  /**
   * The server's result. Rejects with the GatewayErrors that upstream/types.ts names; UPSTREAM_UNAVAILABLE only when the
   * request did not reach the server.
   */
  exchange(request: ChannelRequest, scope: Scope): Promise<JsonObject>;
  close(): Promise<void>;
}
