import type { EventStore, JSONRPCMessage } from '@modelcontextprotocol/server';

/** The events of one session, for a client that lost a stream and comes back for the rest. */
export class EventLog implements EventStore {
  readonly #events: { streamId: string; message: JSONRPCMessage }[] = [];

  async storeEvent(streamId: string, message: JSONRPCMessage): Promise<string> {
    this.#events.push({ streamId, message });
    return String(this.#events.length - 1);
  }

  async getStreamIdForEventId(eventId: string): Promise<string | undefined> {
    return this.#events[Number(eventId)]?.streamId;
  }

  async replayEventsAfter(
    lastEventId: string,
    { send }: { send: (eventId: string, message: JSONRPCMessage) => Promise<void> },
  ): Promise<string> {
    const streamId = this.#events[Number(lastEventId)]?.streamId;
    if (streamId === undefined) throw new Error(`no event ${lastEventId}`);
    for (const [id, event] of this.#events.entries()) {
      // The first event of a stream carries no message, only the id to come back with.
      const missed = id > Number(lastEventId) && event.streamId === streamId && 'jsonrpc' in event.message;
      if (missed) await send(String(id), event.message);
    }
    return streamId;
  }
}
