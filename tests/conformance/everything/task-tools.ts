import { setTimeout as sleep } from 'node:timers/promises';
import {
  acceptedContent,
  type CallToolResult,
  inputRequired,
  ProtocolError,
  ProtocolErrorCode,
  type ServerContext,
} from '@modelcontextprotocol/server';
import { z } from 'zod';
import type { Surroundings } from './shared.ts';
import { requireTasks, takesTasks } from './task-methods.ts';
import type { TaskWork } from './task-store.ts';
import { failed, NOTHING, type Tool, text, tool } from './tool.ts';

const JOB_MS = 200;
const CONFIRM = z.object({ confirm: z.boolean() });
const NAME = z.object({ name: z.string() });

/** The tools that answer with a task. */
export function taskTools(around: Surroundings): Tool[] {
  const start = (ctx: ServerContext, work: TaskWork): CallToolResult => {
    requireTasks(around, ctx);
    return around.tasks.create(work);
  };
  return [
    tool('greet', 'Greets someone, at once.', NAME, ({ name }) => text(`Hello, ${name}!`)),
    tool(
      'slow_compute',
      'Takes the seconds that it is told to. A task for clients that take one, otherwise they wait.',
      z.object({ seconds: z.number().min(0).max(120), label: z.string().optional() }),
      ({ seconds, label = 'unnamed' }, ctx) => {
        const compute = async (signal: AbortSignal): Promise<CallToolResult> => {
          await sleep(seconds * 1000, undefined, { signal });
          return text(`Computed ${label} in ${seconds} s`);
        };
        if (takesTasks(around, ctx)) return around.tasks.create(({ signal }) => compute(signal));
        return compute(ctx.mcpReq.signal);
      },
    ),
    tool('failing_job', 'A task whose tool fails.', NOTHING, (_, ctx) =>
      start(ctx, async ({ signal }) => {
        await sleep(JOB_MS, undefined, { signal });
        return failed('The job failed, as it always does.');
      }),
    ),
    tool('protocol_error_job', 'A task that ends in an error of the protocol.', NOTHING, (_, ctx) =>
      start(ctx, async () => {
        throw new ProtocolError(ProtocolErrorCode.InternalError, 'The job broke, as it always does.');
      }),
    ),
    tool(
      'confirm_delete',
      'A task that asks before it goes on.',
      z.object({ filename: z.string() }),
      ({ filename }, ctx) =>
        start(ctx, async ({ ask }) => {
          const confirm = inputRequired.elicit({ message: `Delete ${filename}?`, requestedSchema: CONFIRM });
          const yes = acceptedContent(await ask({ confirm }), 'confirm', CONFIRM)?.confirm === true;
          return text(yes ? `Deleted ${filename}` : `Kept ${filename}`);
        }),
    ),
    tool('multi_input', 'A task that asks two questions at a time.', NOTHING, (_, ctx) =>
      start(ctx, async ({ ask }) => {
        const question = (which: string) =>
          inputRequired.elicit({ message: `What is your ${which} name?`, requestedSchema: NAME });
        const answers = await ask({ first: question('first'), last: question('last') });
        const [first, last] = ['first', 'last'].map((key) => acceptedContent(answers, key, NAME)?.name ?? 'nobody');
        return text(`Hello, ${first} ${last}!`);
      }),
    ),
    tool('test_tool_with_task', 'Asks in a round of the call, then goes on as a task.', NOTHING, (_, ctx) => {
      requireTasks(around, ctx);
      const answer = acceptedContent(ctx.mcpReq.inputResponses, 'user_name', NAME);
      if (answer !== undefined) return around.tasks.create(async () => text(`Hello, ${answer.name}!`));
      const user_name = inputRequired.elicit({ message: 'What is your name?', requestedSchema: NAME });
      return inputRequired({ inputRequests: { user_name } });
    }),
  ];
}
