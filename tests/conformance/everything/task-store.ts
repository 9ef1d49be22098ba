import { randomUUID } from 'node:crypto';
import {
  type CallToolResult,
  type InputRequests,
  ProtocolError,
  ProtocolErrorCode,
  type Result,
} from '@modelcontextprotocol/server';

type Responses = Record<string, unknown>;

/** What the work of a task does with it. */
export interface TaskAtWork {
  /** Aborts when the task is cancelled. */
  readonly signal: AbortSignal;
  /** Puts questions to the client, and resolves when all of them are answered. */
  ask(requests: InputRequests): Promise<Responses>;
}

export type TaskWork = (task: TaskAtWork) => Promise<CallToolResult>;

type State =
  | { readonly status: 'working' | 'cancelled' }
  | { readonly status: 'input_required'; readonly inputRequests: InputRequests }
  | { readonly status: 'completed'; readonly result: CallToolResult }
  | { readonly status: 'failed'; readonly error: { readonly code: number; readonly message: string } };

const TTL_MS = 300_000;
const POLL_INTERVAL_MS = 100;

/** One piece of work that goes on after its call has been answered. */
class Task {
  readonly id = randomUUID();
  readonly #createdAt = new Date();
  readonly #cancelled = new AbortController();
  #changedAt = this.#createdAt;
  #state: State = { status: 'working' };
  #answers: Responses = {};
  #answered: (answers: Responses) => void = () => undefined;

  constructor(work: TaskWork) {
    const task = { signal: this.#cancelled.signal, ask: (requests: InputRequests) => this.#ask(requests) };
    // Not in this turn: what is told of a task that was just created is that it works, whatever the work does first.
    Promise.resolve(task)
      .then(work)
      .then(
        (result) => this.#become({ status: 'completed', result }),
        (error: unknown) => this.#become({ status: 'failed', error: wireError(error) }),
      );
  }

  /** The task as its client is told of it. */
  describe(): Record<string, unknown> {
    return {
      taskId: this.id,
      createdAt: this.#createdAt.toISOString(),
      lastUpdatedAt: this.#changedAt.toISOString(),
      ttlMs: TTL_MS,
      pollIntervalMs: POLL_INTERVAL_MS,
      ...this.#state,
    };
  }

  /** Takes the answers to questions that are open; others are ignored. */
  answer(responses: Responses): void {
    if (this.#state.status !== 'input_required') return;
    const open = { ...this.#state.inputRequests };
    for (const [key, response] of Object.entries(responses)) {
      if (!Object.hasOwn(open, key)) continue;
      this.#answers[key] = response;
      delete open[key];
    }
    if (Object.keys(open).length > 0) {
      this.#become({ status: 'input_required', inputRequests: open });
    } else {
      this.#become({ status: 'working' });
      this.#answered(this.#answers);
    }
  }

  /** Cancels what is not over yet. */
  cancel(): void {
    this.#become({ status: 'cancelled' });
    this.#cancelled.abort();
  }

  #ask(inputRequests: InputRequests): Promise<Responses> {
    this.#answers = {};
    this.#become({ status: 'input_required', inputRequests });
    return new Promise((resolve) => {
      this.#answered = resolve;
    });
  }

  /** A task that is over stays as it ended. */
  #become(state: State): void {
    if (this.#state.status !== 'working' && this.#state.status !== 'input_required') return;
    this.#state = state;
    this.#changedAt = new Date();
  }
}

/** The tasks of a server, for all its connections. They are kept until it closes. */
export class TaskStore {
  readonly #tasks = new Map<string, Task>();

  /** Starts work, and answers the call that asked for it with a task. */
  create(work: TaskWork): CallToolResult {
    const task = new Task(work);
    this.#tasks.set(task.id, task);
    // The SDK holds whatever a tool returns against the schema of a tool's result, which wants content.
    return { ...task.describe(), resultType: 'task', content: [] };
  }

  get(taskId: string): Result {
    return this.#of(taskId).describe();
  }

  update(taskId: string, responses: Responses): Result {
    this.#of(taskId).answer(responses);
    return {};
  }

  cancel(taskId: string): Result {
    this.#of(taskId).cancel();
    return {};
  }

  close(): void {
    for (const task of this.#tasks.values()) task.cancel();
  }

  #of(taskId: string): Task {
    const task = this.#tasks.get(taskId);
    if (task === undefined) throw new ProtocolError(ProtocolErrorCode.InvalidParams, 'No such task', { taskId });
    return task;
  }
}

function wireError(error: unknown): { code: number; message: string } {
  const code = error instanceof ProtocolError ? error.code : ProtocolErrorCode.InternalError;
  return { code, message: error instanceof Error ? error.message : String(error) };
}
