/** Server-sent events as they are written (HTML standard, section 9.2). The parser of the other direction is in sse.ts. */

/** Keeps intermediaries from closing a silent stream, and fills the buffers of a peer that is gone. */
export const KEEP_ALIVE = ': keep-alive\n\n';

export interface OutgoingEvent {
  /** Characters that mean nothing to the format: visible ASCII. */
  id?: string;
  /** Milliseconds that the peer should wait before it connects again. */
  retryMs?: number;
  /** JSON text, which has no line ends of its own; empty for an event that only brings its id. */
  data: string;
}

/** The text of one event of the default type. */
export function formatEvent({ id, retryMs, data }: OutgoingEvent): string {
  const lines = [
    ...(retryMs === undefined ? [] : [`retry: ${retryMs}`]),
    ...(id === undefined ? [] : [`id: ${id}`]),
    // ATK-15: whatever ends a line begins another one of the same field, so that no text can become a field or an event.
    ...data.split(/\r\n|\r|\n/).map((line) => `data: ${line}`),
  ];
  return `${lines.join('\n')}\n\n`;
}
