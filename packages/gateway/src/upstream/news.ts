import type { Wanted } from '../mcp/client.ts';
import type { ChangeKind } from '../mcp/types.ts';
import { Coalesced } from './coalesced.ts';
import type { EventLog } from './event-log.ts';
import type { MonotonicTimers } from './monotonic.ts';

const EVERY_KIND: readonly ChangeKind[] = ['tools', 'resources', 'prompts'];

export interface NewsOptions {
  timers: MonotonicTimers;
  log: EventLog;
  onListChanged: (kind: ChangeKind) => void;
  /** False: nobody listens to the resource. */
  onUpdated: (uri: string) => boolean;
}

/** What one server announces, to whoever listens. */
export class News {
  readonly #options: NewsOptions;
  readonly #changes: Coalesced<ChangeKind>;

  constructor(options: NewsOptions) {
    this.#options = options;
    this.#changes = new Coalesced(options.timers, options.onListChanged);
  }

  listChanged(kind: ChangeKind): void {
    this.#changes.add(kind);
  }

  /** The server was restarted, or is another one: nothing that was compared counts any more. */
  everyListChanged(): void {
    for (const kind of EVERY_KIND) this.#changes.add(kind);
  }

  /** MCP26-30: an update that nobody asked for is dropped. */
  updated(uri: string): void {
    if (!this.#options.onUpdated(uri)) this.#options.log.count('notification', 'a notification was ignored');
  }

  /** Announcements may have been missed, so there may be something new. */
  missed({ kinds, uris }: Wanted): void {
    for (const kind of kinds) this.#changes.add(kind);
    for (const uri of uris) this.#options.onUpdated(uri);
  }

  close(): void {
    this.#changes.close();
  }
}
