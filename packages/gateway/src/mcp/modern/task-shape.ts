/** The shapes of the tasks extension (`io.modelcontextprotocol/tasks`). */
import { isObject, type JsonObject, type JsonValue, member } from '@cmcp/evidence';
import { GatewayError } from '../../errors.ts';
import { checkShape } from '../server-results.ts';

const STATUSES: readonly JsonValue[] = ['working', 'input_required', 'completed', 'cancelled', 'failed'];

/**
 * A task handle.
 * @throws GatewayError UPSTREAM_PROTOCOL_ERROR
 */
export function checkTask(task: JsonObject): void {
  const id = member(task, 'taskId');
  const ttl = member(task, 'ttlMs');
  const poll = member(task, 'pollIntervalMs');
  if (typeof id !== 'string' || id === '') throw bad('the task has no id');
  if (!STATUSES.includes(member(task, 'status') ?? null)) throw bad('the task is in no known state');
  for (const name of ['createdAt', 'lastUpdatedAt']) {
    if (typeof member(task, name) !== 'string') throw bad(`the task's ${name} is not a time`);
  }
  if (ttl !== null && !isDuration(ttl)) throw bad("the task's ttlMs is no duration");
  if (poll !== undefined && !isDuration(poll)) throw bad("the task's pollIntervalMs is no duration");
}

/**
 * The answer to `tasks/get`: the task that was asked for, and what belongs to its state.
 * @throws GatewayError UPSTREAM_PROTOCOL_ERROR
 */
export function checkTaskState(task: JsonObject, asked: JsonObject, checkAsks: (asks: JsonValue) => void): void {
  checkTask(task);
  if (member(task, 'taskId') !== member(asked, 'taskId')) throw bad('the answer is about another task');
  const status = member(task, 'status');
  const result = member(task, 'result');
  if (status === 'input_required') checkAsks(member(task, 'inputRequests') ?? null);
  if (status === 'failed' && !isObject(member(task, 'error'))) throw bad('the failed task has no error');
  if (status !== 'completed') return;
  if (!isObject(result)) throw bad('the completed task has no result');
  // Only tool calls become tasks.
  checkShape('tools/call', result);
}

function isDuration(value: JsonValue | undefined): boolean {
  return typeof value === 'number' && value >= 0;
}

function bad(detail: string): GatewayError {
  return new GatewayError('UPSTREAM_PROTOCOL_ERROR', detail);
}
