import {
  type McpServer,
  MissingRequiredClientCapabilityError,
  type Result,
  type ServerContext,
} from '@modelcontextprotocol/server';
import { z } from 'zod';
import type { Surroundings } from './shared.ts';

/** The name under which client and server declare the tasks extension. */
export const TASKS = 'io.modelcontextprotocol/tasks';

const OF_A_TASK = z.looseObject({ taskId: z.string() });

/** Answers the methods of the tasks extension. */
export function serveTaskMethods(server: McpServer, around: Surroundings): void {
  const { tasks } = around;
  const answer = (method: string, of: (taskId: string, ctx: ServerContext) => Result) =>
    server.server.setRequestHandler(method, { params: OF_A_TASK }, ({ taskId }, ctx) => {
      requireTasks(around, ctx);
      return of(taskId, ctx);
    });
  answer('tasks/get', (taskId) => tasks.get(taskId));
  answer('tasks/cancel', (taskId) => tasks.cancel(taskId));
  // The SDK takes the answers out of the parameters, as it does for a round.
  answer('tasks/update', (taskId, { mcpReq }) => tasks.update(taskId, mcpReq.inputResponses ?? {}));
}

/** Whether the client of a request takes a task for an answer. */
export function takesTasks(around: Surroundings, ctx: ServerContext): boolean {
  return around.capabilitiesOf(ctx).extensions?.[TASKS] !== undefined;
}

/** Refuses a client that did not declare the extension. */
export function requireTasks(around: Surroundings, ctx: ServerContext): void {
  if (takesTasks(around, ctx)) return;
  throw new MissingRequiredClientCapabilityError({ requiredCapabilities: { extensions: { [TASKS]: {} } } });
}
