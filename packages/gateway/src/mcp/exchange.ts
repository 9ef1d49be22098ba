import type { JsonObject } from '@cmcp/evidence';
import type { Caller } from '../caller.ts';
import type { Reply } from './reply.ts';

/** All values of a header, by lower-case name, in the order received. */
export type HeaderValues = (name: string) => readonly string[];

/** The value of a header that may appear once: null when absent, false when it appears more than once. */
export function singleHeader(headers: HeaderValues, name: string): string | null | false {
  const values = headers(name);
  return values.length > 1 ? false : (values[0] ?? null);
}

/** One authenticated HTTP request, as far as MCP looks at it. */
export interface HttpExchange {
  caller: Caller;
  headers: HeaderValues;
  /** Aborts when the client goes away before the answer is written. */
  closed: AbortSignal;
}

/** Where server-sent events go. */
export interface StreamSink {
  /** Sends text. A peer that leaves too much of it unread is disconnected. */
  write(text: string): void;
  /** True while more is written than the peer reads: what may be left out should be. */
  readonly full: boolean;
  /** Shows that the stream lives, and disconnects a peer that reads nothing. */
  beat(): void;
  end(): void;
  /** Called once, when nothing can be sent any more; at once when that is so already. */
  onClose(listener: () => void): void;
}

/** What is said to the client of one request before its answer. */
export interface Outlet {
  /** Whether the client takes anything before the answer. */
  readonly open: boolean;
  /** Sends a message, or leaves out an expendable one that would wait for a client that does not read. False when the client cannot be told. */
  say(message: JsonObject, expendable?: boolean): boolean;
}

/** An answer, or a stream that stays open. */
export type HttpAnswer = Reply | { stream: (sink: StreamSink) => void };

/** Whether an Accept header allows `type`; none at all allows everything (RFC 9110 section 12.5.1). */
export function accepts(headers: HeaderValues, type: string): boolean {
  const ranges = headers('accept').flatMap((value) => value.toLowerCase().split(','));
  if (ranges.length === 0) return true;
  const wanted = new Set([type, `${type.split('/')[0]}/*`, '*/*']);
  return ranges.some((range) => {
    const [name = '', ...parameters] = range.split(';').map((part) => part.trim());
    return wanted.has(name) && !parameters.some((parameter) => /^q=0(?:\.0{0,3})?$/.test(parameter));
  });
}
