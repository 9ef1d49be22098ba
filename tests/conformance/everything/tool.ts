import {
  type CallToolResult,
  type InputRequiredResult,
  type McpServer,
  ProtocolError,
  ProtocolErrorCode,
  type ServerContext,
  type StandardSchemaWithJSON,
} from '@modelcontextprotocol/server';
import { z } from 'zod';

/** What a tool answers: its result, or the questions that it has first. */
export type ToolAnswer = CallToolResult | InputRequiredResult;

/** A tool as it is listed, and what it does. */
export interface Tool {
  readonly name: string;
  readonly description: string;
  readonly inputSchema: StandardSchemaWithJSON;
  run(args: unknown, ctx: ServerContext): Promise<ToolAnswer>;
}

/** The arguments of a tool that takes none. */
export const NOTHING = z.object({});

/** Defines a tool. Arguments that do not fit its schema are its own failure, which a model can read and mend. */
export function tool<Input extends StandardSchemaWithJSON>(
  name: string,
  description: string,
  inputSchema: Input,
  run: (args: StandardSchemaWithJSON.InferOutput<Input>, ctx: ServerContext) => ToolAnswer | Promise<ToolAnswer>,
): Tool {
  return {
    name,
    description,
    inputSchema,
    run: async (args, ctx) => {
      const read = await inputSchema['~standard'].validate(args ?? {});
      if (read.issues === undefined) return run(read.value, ctx);
      return failed(`Invalid arguments: ${read.issues.map(({ message }) => message).join('; ')}`);
    },
  };
}

/**
 * Lists the tools and answers their calls. The SDK's own answer to `tools/call` makes a failed tool result of every error;
 * here an error that belongs on the wire, as of a capability that the client lacks, gets there.
 */
export function serveTools(server: McpServer, tools: readonly Tool[]): void {
  const byName = new Map(tools.map((each) => [each.name, each]));
  for (const { name, description, inputSchema, run } of tools) {
    server.registerTool(name, { description, inputSchema }, run);
  }
  server.server.setRequestHandler('tools/call', async ({ params }, ctx) => {
    const called = byName.get(params.name);
    if (called === undefined) throw new ProtocolError(ProtocolErrorCode.InvalidParams, `No tool ${params.name}`);
    return called.run(params.arguments, ctx);
  });
}

/** A result of one text. */
export function text(value: string): CallToolResult {
  return { content: [{ type: 'text', text: value }] };
}

/** A result that says that the tool failed. */
export function failed(value: string): CallToolResult {
  return { ...text(value), isError: true };
}
