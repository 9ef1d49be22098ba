/**
 * What the upstream room needs of MCP as a client, free of revisions: framing of what servers send, and the dialect that a
 * revision family speaks. The families are in modern/client.ts and handshake/client.ts.
 */
import { isUtf8 } from 'node:buffer';
import { isObject, JsonError, JsonNumber, type JsonObject, type JsonValue, member, parseJson } from '@cmcp/evidence';
import { GatewayError } from '../errors.ts';
import type { UpstreamRequest, UpstreamResult } from '../upstream/types.ts';
import { type ClientAbilities, NO_ABILITIES } from './asks.ts';
import type { LogLevel } from './log-level.ts';
import type { ServerProfile } from './server-profile.ts';
import type { ChangeKind } from './types.ts';

/** What a request carries beside its params; each family has its own place for it. */
export interface RequestTerms {
  /** Trace context for `_meta`. */
  trace: JsonObject;
  /** What the server may ask of the client while it serves the request. */
  offer: ClientAbilities;
  /** Under which the server may report progress; null: nobody wants to hear of it. */
  progressToken: string | null;
  logLevel: LogLevel | null;
  round: UpstreamRequest['round'];
}

/** The terms of what the gateway asks on its own behalf. */
export const OWN_TERMS: RequestTerms = {
  trace: {},
  offer: NO_ABILITIES,
  progressToken: null,
  logLevel: null,
  round: null,
};

/** What a server is asked to announce. */
export interface Wanted {
  kinds: ChangeKind[];
  uris: string[];
}

/** How a family has a server announce changes: on a stream of its own, or unasked, with one request per resource. */
export type Announcing =
  | {
      by: 'listening';
      method: string;
      params(wanted: Wanted): JsonObject;
      /** What the server agrees to announce on stream `id`; null when the message does not acknowledge it. */
      acknowledged(message: ServerMessage, id: string): Wanted | null;
      /** The stream that a notification says it belongs to; null: it does not say. */
      streamOf(params: JsonObject): string | null;
    }
  | { by: 'request'; subscribe: string; unsubscribe: string };

/** How one revision family wants to be spoken to. */
export interface ClientDialect {
  readonly profile: ServerProfile;
  /** The request that makes the server state its profile anew; null where it does so once for each connection. */
  readonly restate: string | null;
  /**
   * Params of a request, with what this family adds to each.
   * @throws GatewayError UPSTREAM_UNAVAILABLE when the family has no way to say what `terms` hold
   */
  params(params: JsonObject, terms: RequestTerms): JsonObject;
  /**
   * Header fields of a POST, beside those of HTTP itself. `inputSchema` is the approved one of the tool that is called.
   * @throws GatewayError ARGUMENTS_REFUSED or CATALOG_INVALID when a parameter header cannot be built
   */
  headers(method: string, params: JsonObject, inputSchema: JsonObject | null): [string, string][];
  /**
   * What a result means for the request that it answers, its shape checked and the family's bookkeeping removed.
   * @throws GatewayError UPSTREAM_PROTOCOL_ERROR
   */
  outcome(sent: { method: string; params: JsonObject }, result: JsonObject, offer: ClientAbilities): UpstreamResult;
  /** Over HTTP a call is taken back by closing its stream (`close`) or by telling the server as well (`notify`). */
  readonly httpCancel: 'close' | 'notify';
  /** May the server send requests that want an answer? */
  readonly serverRequests: boolean;
  /** May the server send several messages in one? */
  readonly batches: boolean;
  /** Can a stream that broke off be taken up again where it ended? */
  readonly resumable: boolean;
  /** The request that makes the server send log messages, once for each connection; null: none is needed. */
  readonly logging: { method: string; params: JsonObject } | null;
  readonly announcing: Announcing;
}

export type ServerMessage =
  | { kind: 'response'; id: string; message: JsonObject }
  | { kind: 'request'; id: JsonValue; method: string; params: JsonObject }
  | { kind: 'notification'; method: string; params: JsonObject }
  /** Valid JSON that is no message we could have asked for; never an answer. */
  | { kind: 'other' };

/**
 * Parses the bytes of one message from a server.
 * @throws GatewayError RESPONSE_ENCODING_INVALID, RESPONSE_SIZE_EXCEEDED or UPSTREAM_PROTOCOL_ERROR
 */
export function parseServerBytes(bytes: Buffer, maxBytes: number): JsonValue {
  if (!isUtf8(bytes)) throw new GatewayError('RESPONSE_ENCODING_INVALID', 'the message is not UTF-8');
  try {
    return parseJson(bytes, { bytes: maxBytes });
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    if (error.code === 'TOO_LARGE') throw new GatewayError('RESPONSE_SIZE_EXCEEDED', `more than ${maxBytes} bytes`);
    throw new GatewayError('UPSTREAM_PROTOCOL_ERROR', `the message is not acceptable JSON: ${error.code}`);
  }
}

/** The messages in a body, an event or a line: one, or several where the revision that was agreed on has batches. */
export function readServerMessages(value: JsonValue, batches: boolean): ServerMessage[] {
  return batches && Array.isArray(value) ? value.map(readServerMessage) : [readServerMessage(value)];
}

/** Sorts a parsed message. Our ids are strings, so a response with any other id is none of ours (ATK-20). */
export function readServerMessage(value: JsonValue): ServerMessage {
  if (!isObject(value)) return { kind: 'other' };
  const method = member(value, 'method');
  const id = member(value, 'id');
  if (typeof method !== 'string') {
    return typeof id === 'string' ? { kind: 'response', id, message: value } : { kind: 'other' };
  }
  const given = member(value, 'params');
  const params = isObject(given) ? given : {};
  if (id === undefined) return { kind: 'notification', method, params };
  const named = typeof id === 'string' || typeof id === 'number' || id instanceof JsonNumber;
  return named ? { kind: 'request', id, method, params } : { kind: 'other' };
}

export const request = (id: string, method: string, params: JsonObject): JsonObject => ({
  jsonrpc: '2.0',
  id,
  method,
  params,
});

export const cancelled = (requestId: string): JsonObject => ({
  jsonrpc: '2.0',
  method: 'notifications/cancelled',
  params: { requestId },
});

/** An answer to a request of the server's, under its own id, exactly (MCP26-16). */
export const answerTo = (id: JsonValue, result: JsonObject): JsonObject => ({ jsonrpc: '2.0', id, result });

export const refusalOf = (id: JsonValue, code: number, message: string): JsonObject => ({
  jsonrpc: '2.0',
  id,
  error: { code, message },
});
