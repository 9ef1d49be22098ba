import { setTimeout as sleep } from 'node:timers/promises';
import type { LoggingLevel, ServerContext, ServerEvent } from '@modelcontextprotocol/server';
import { z } from 'zod';
import type { Shared } from './shared.ts';
import { NOTHING, type Tool, text, tool } from './tool.ts';

const STEP_MS = 50;
const LEVEL: LoggingLevel = 'info';

/** The tools that say something while they work: progress, logs, changes, and one that drops its stream. */
export function liveTools({ changes }: Shared): Tool[] {
  const announce = (name: string, what: string, event: ServerEvent) =>
    tool(name, `Announces that ${what} changed.`, NOTHING, () => {
      changes.publish(event);
      return text('Announced.');
    });
  return [
    tool('test_tool_with_progress', 'Reports its progress to those who ask for it.', NOTHING, async (_, ctx) => {
      for (const progress of [0, 50, 100]) {
        await report(ctx, progress);
        await sleep(STEP_MS, undefined, { signal: ctx.mcpReq.signal });
      }
      return text('Done.');
    }),
    tool('test_tool_with_logging', 'Logs what it does.', NOTHING, async (_, ctx) => {
      for (const line of ['Tool execution started', 'Tool processing data', 'Tool execution completed']) {
        await ctx.mcpReq.log(LEVEL, line);
        await sleep(STEP_MS, undefined, { signal: ctx.mcpReq.signal });
      }
      return text('Done.');
    }),
    tool('test_logging_tool', 'Logs a line, to those who asked for logs.', NOTHING, async (_, ctx) => {
      await ctx.mcpReq.log(LEVEL, 'Tool executed');
      return text('Done.');
    }),
    tool(
      'test_reconnection',
      'Drops its stream before it answers, for a client to resume.',
      NOTHING,
      async (_, ctx) => {
        ctx.http?.closeSSE?.();
        await sleep(2 * STEP_MS, undefined, { signal: ctx.mcpReq.signal });
        return text('Reconnected.');
      },
    ),
    announce('test_trigger_tool_change', 'the list of tools', { kind: 'tools_list_changed' }),
    announce('test_trigger_prompt_change', 'the list of prompts', { kind: 'prompts_list_changed' }),
    announce('test_trigger_resource_change', 'the list of resources', { kind: 'resources_list_changed' }),
    tool(
      'test_trigger_resource_update',
      'Announces that a resource changed.',
      z.object({ uri: z.string() }),
      ({ uri }) => {
        changes.publish({ kind: 'resource_updated', uri });
        return text('Announced.');
      },
    ),
  ];
}

async function report(ctx: ServerContext, progress: number): Promise<void> {
  const progressToken = ctx.mcpReq._meta?.progressToken;
  if (progressToken === undefined) return;
  await ctx.mcpReq.notify({ method: 'notifications/progress', params: { progressToken, progress, total: 100 } });
}
