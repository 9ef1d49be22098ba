import { randomBytes } from 'node:crypto';
import {
  type ClientCapabilities,
  createRequestStateCodec,
  InMemoryServerEventBus,
  type RequestStateCodec,
  type ServerContext,
  type ServerEventBus,
} from '@modelcontextprotocol/server';
import { TaskStore } from './task-store.ts';

/** What a round of a tool or prompt leaves with the client for its next round. */
export interface RoundState {
  /** Which tool it is of. */
  readonly of: string;
  readonly step: number;
}

/** What outlives one request: an instance of the server is made for each request or session, this once for all of them. */
export interface Shared {
  /** Where changes are announced, to all who listen on any transport. */
  readonly changes: ServerEventBus;
  readonly tasks: TaskStore;
  /** Signs the state of a round, so that one that was changed is refused. */
  readonly state: RequestStateCodec<RoundState>;
}

/** The parts of one everything-server. */
export function createShared(): Shared {
  return {
    changes: new InMemoryServerEventBus(),
    tasks: new TaskStore(),
    state: createRequestStateCodec<RoundState>({ key: randomBytes(32) }),
  };
}

/** What a tool or prompt works with: what is shared, and what the client of a request said that it can do. */
export interface Surroundings extends Shared {
  capabilitiesOf(ctx: ServerContext): ClientCapabilities;
}
