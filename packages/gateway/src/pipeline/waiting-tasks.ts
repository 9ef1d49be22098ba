import type { JsonObject } from '@cmcp/evidence';
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
  /** A client is about to be given its result, once. */
  running: boolean;
}

/** Bounded by what the desk keeps open; those that nobody asks after any more are forgotten some time after they expired. */
const MAX_TASKS = 10_000;
const KEPT_MICROS = 3_600_000_000;
const POLL_MS = 2_000;
const PREFIX = 'approval.';

/** Calls that wait for approvals while their clients ask after them (the tasks extension of 2026-07-28). In memory, like approvals. */
export class WaitingTasks {
  readonly #clock: Clock;
  /** From the oldest to the newest. */
  readonly #tasks = new Map<string, WaitingTask>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The same task while the same approval is waited for. */
  add(id: string, expiresMicros: number, { caller, ...request }: ToolCall): WaitingTask {
    const known = this.#tasks.get(id);
    if (known !== undefined) return known;
    const now = this.#clock.nowMicros();
    for (const [old, task] of this.#tasks) {
      if (task.expiresMicros + KEPT_MICROS > now && this.#tasks.size < MAX_TASKS) break;
      this.#tasks.delete(old);
    }
    const { method, name, arguments: given, handle, workflow, dataClass } = request;
    const call = { method, name, arguments: given, handle, workflow, dataClass };
    const task = { id, owner: ownerOf(caller), call, createdMicros: now, expiresMicros, running: false };
    this.#tasks.set(id, task);
    return task;
  }

  /** Null: it is no task of this caller's (MCP25-16). */
  find(taskId: string, caller: Caller): WaitingTask | null {
    const task = taskId.startsWith(PREFIX) ? this.#tasks.get(taskId.slice(PREFIX.length)) : undefined;
    return task?.owner === ownerOf(caller) ? task : null;
  }

  forget({ id }: WaitingTask): void {
    this.#tasks.delete(id);
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
