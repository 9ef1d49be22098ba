import { type JsonObject, type JsonValue, member } from '@cmcp/evidence';
import { type Caller, ownerOf } from '../caller.ts';
import { GatewayError } from '../errors.ts';
import type { Ask } from '../mcp/asks.ts';
import { type Redaction, readRedactions } from '../policy/redaction.ts';
import type { SealedBox } from '../sealed-box.ts';

/** A task as its server knows it. */
export interface Task {
  /** The server's own id. */
  id: string;
  /** Exposed name of the tool whose call made it. */
  tool: string;
  /** What that call's decision wants removed from its answer, which is this task's result. */
  redactions: readonly Redaction[];
}

const MAX_HANDLE = 8192;
/** Tasks whose open questions are remembered; the one that asked longest ago is forgotten first. */
const MAX_REMEMBERED = 10_000;

/**
 * The task ids that clients are shown (MCP25-16): unguessable, bound to the owner whose call made the task, and nothing of the
 * server's in them. They end with the process, like the key that they are sealed under.
 */
export class TaskHandles {
  readonly #box: SealedBox;
  readonly #asked = new Map<string, ReadonlyMap<string, Ask>>();

  constructor(box: SealedBox) {
    this.#box = box;
  }

  seal(task: Task, caller: Caller): string {
    const { id, tool, redactions } = task;
    return this.#box.sealJson(binding(caller), { id, tool, redactions: redactions.map(({ text }) => text) });
  }

  /** @throws GatewayError INVALID_PARAMS for a task that was not made by this caller, or by an earlier process */
  open(handle: string, caller: Caller): Task {
    const task = handle.length > MAX_HANDLE ? null : this.#box.openJson(binding(caller), handle);
    const [id, tool] = task === null ? [] : [member(task, 'id'), member(task, 'tool')];
    const redactions = task === null ? null : redactionsIn(member(task, 'redactions'));
    if (typeof id !== 'string' || typeof tool !== 'string' || redactions === null)
      throw new GatewayError('INVALID_PARAMS', 'no such task');
    return { id, tool, redactions };
  }

  /** What a task waits for, so that the answers can be decided as what they are. */
  remember(handle: string, asks: ReadonlyMap<string, Ask>): void {
    this.#asked.delete(handle);
    if (asks.size > 0) this.#asked.set(handle, asks);
    const [oldest] = this.#asked.size > MAX_REMEMBERED ? this.#asked.keys() : [];
    if (oldest !== undefined) this.#asked.delete(oldest);
  }

  asked(handle: string, key: string): Ask | null {
    return this.#asked.get(handle)?.get(key) ?? null;
  }
}

const binding = (caller: Caller): string => `cmcp-task-v1|${ownerOf(caller)}`;

/** Null where one cannot be read: without it the task would be shown in full. */
function redactionsIn(texts: JsonValue | undefined): Redaction[] | null {
  if (!Array.isArray(texts)) return null;
  const read = texts.map((text) => (typeof text === 'string' ? readRedactions(text) : ''));
  return read.every((items) => typeof items !== 'string') ? read.flat() : null;
}

/** The same result under the id that clients know it by. */
export function withTaskId(result: JsonObject, taskId: string): JsonObject {
  return { ...result, taskId };
}
