import { ProtocolError, SdkError, SdkErrorCode, type Tool } from '@modelcontextprotocol/client';
import type { Connection } from './connection.ts';
import { sampleObject } from './sample.ts';

/** A call that a scenario asks for. */
export interface AskedCall {
  readonly name: string;
  readonly arguments: Record<string, unknown>;
}

const ECHO = 'json_schema_echo';

/**
 * Uses everything that a server offers: calls its tools, reads its resources, gets its prompts. A scenario that wants
 * certain calls says so, all others are content with any.
 */
export async function visit(connection: Connection, asked?: readonly AskedCall[]): Promise<void> {
  const { client } = connection;
  const offers = client.getServerCapabilities() ?? {};
  if (offers.tools !== undefined) {
    const { tools } = await connection.do(() => client.listTools());
    for (const call of asked ?? tools.map((tool) => ({ name: tool.name, arguments: argumentsFor(tool, tools) }))) {
      await heard(connection.do(() => client.callTool(call)));
    }
  }
  if (offers.resources !== undefined) {
    const { resources } = await connection.do(() => client.listResources());
    for (const { uri } of resources) await heard(connection.do(() => client.readResource({ uri })));
  }
  if (offers.prompts !== undefined) {
    const { prompts } = await connection.do(() => client.listPrompts());
    for (const { name } of prompts) await heard(connection.do(() => client.getPrompt({ name })));
  }
}

/**
 * An error that the server answers with is an answer too, and so is a result that the SDK refuses: what to make of a call is
 * for the scenario to judge.
 */
async function heard(request: Promise<unknown>): Promise<void> {
  try {
    await request;
  } catch (error) {
    const refused = error instanceof SdkError && error.code === SdkErrorCode.InvalidResult;
    if (!(error instanceof ProtocolError) && !refused) throw error;
  }
}

/** The tool that echoes a schema wants the schema of its neighbour, as it arrived here. */
function argumentsFor({ name, inputSchema }: Tool, tools: readonly Tool[]): Record<string, unknown> {
  const neighbour = tools.find((tool) => tool.name !== name);
  return name.endsWith(ECHO) ? { schema: neighbour?.inputSchema } : sampleObject(inputSchema);
}
