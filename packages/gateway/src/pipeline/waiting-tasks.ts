import { canonicalSorted, type JsonObject } from '@cmcp/evidence';
import { formatTimestamp } from '../audit/timestamp.ts';
import { type Caller, ownerOf } from '../caller.ts';
import type { Clock } from '../clock.ts';
import type { GovernedRequest } from '../mcp/types.ts';

type ToolCall = Extract<GovernedRequest, { method: 'tools/call' }>;

/** A call that waits for an approval, as a task of the gateway's own. */
export interface WaitingTask {
  /** Of the approval. */
  readonly id: string;
  readonly owner: string;
  /** The call, to be made when it may be: nothing of the client that made it is kept. */
  readonly call: Pick<ToolCall, 'method' | 'name' | 'arguments' | 'handle' | 'workflow' | 'dataClass'>;
  readonly createdMicros: number;
  readonly expiresMicros: number;
  /** Of its arguments. */
  readonly bytes: number;
  /** A client is about to be given its result, once. */
  running: boolean;
}

/**
 * Those that nobody asks after are forgotten some time after they expired, or when there are too many, the oldest first: the desk forgets
 * an approval once it is used, so that what it keeps does not bound these.
 */
const MAX_TASKS = 10_000;
const MAX_BYTES = 67_108_864;
const KEPT_MICROS = 3_600_000_000;
const POLL_MS = 2_000;
const PREFIX = 'approval.';

/** Calls that wait for approvals while their clients ask after them (the tasks extension of 2026-07-28). In memory, like approvals. */
export class WaitingTasks {
  readonly #clock: Clock;
  /** From the oldest to the newest. */
  readonly #tasks = new Map<string, WaitingTask>();
  readonly #maxBytes: number;
  #bytes = 0;

  constructor(clock: Clock, maxBytes = MAX_BYTES) {
    this.#clock = clock;
    this.#maxBytes = maxBytes;
  }

  /** The same task while the same approval is waited for. */
  add(id: string, expiresMicros: number, { caller, ...request }: ToolCall): WaitingTask {
    const known = this.#tasks.get(id);
    if (known !== undefined) return known;
    const now = this.#clock.nowMicros();
    const bytes = canonicalSorted(request.arguments).length;
    for (const task of this.#tasks.values()) {
      const fits = this.#tasks.size < MAX_TASKS && this.#bytes + bytes <= this.#maxBytes;
      if (fits && task.expiresMicros + KEPT_MICROS > now) break;
      this.forget(task);
    }
    const { method, name, arguments: given, handle, workflow, dataClass } = request;
    const call = { method, name, arguments: given, handle, workflow, dataClass };
    const task = { id, owner: ownerOf(caller), call, createdMicros: now, expiresMicros, bytes, running: false };
    this.#tasks.set(id, task);
    this.#bytes += bytes;
    return task;
  }

  /** Null: it is no task of this caller's (MCP25-16). */
  find(taskId: string, caller: Caller): WaitingTask | null {
    const task = taskId.startsWith(PREFIX) ? this.#tasks.get(taskId.slice(PREFIX.length)) : undefined;
    return task?.owner === ownerOf(caller) ? task : null;
  }

  forget({ id, bytes }: WaitingTask): void {
    if (this.#tasks.delete(id)) this.#bytes -= bytes;
  }

  /** The task as clients are shown it. */
  shown({ id, createdMicros, expiresMicros }: WaitingTask, status: string, more: JsonObject = {}): JsonObject {
    return {
      taskId: `${PREFIX}${id}`,
      status,
      createdAt: formatTimestamp(createdMicros),
      lastUpdatedAt: formatTimestamp(this.#clock.nowMicros()),
      ttlMs: Math.ceil((expiresMicros - createdMicros) / 1000),
      pollIntervalMs: POLL_MS,
      ...more,
    };
  }
}
