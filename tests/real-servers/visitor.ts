import { pathToFileURL } from 'node:url';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import {
  CreateMessageRequestSchema,
  ElicitRequestSchema,
  ListRootsRequestSchema,
  McpError,
  ResultSchema,
} from '@modelcontextprotocol/sdk/types.js';
import type { Said, Step } from './server.ts';

/** What a request was answered with. */
export type Answer = { result: Record<string, unknown> } | { error: { code: number; message: string } };

/** The definitions of what is listed. */
export type Definition = Record<string, unknown>;

/** An agent whose user and model answer whatever they are asked, always the same. */
export class Visitor {
  readonly #client = new Client(
    { name: 'visitor', version: '1' },
    { capabilities: { sampling: {}, elicitation: { form: {}, url: {} }, roots: {} } },
  );

  /** @param folder where the agent says that it works */
  static async connect(transport: Transport, folder: string): Promise<Visitor> {
    const visitor = new Visitor();
    const client = visitor.#client;
    client.setRequestHandler(CreateMessageRequestSchema, () => ({
      model: 'a-model',
      role: 'assistant',
      content: { type: 'text', text: 'Something.' },
      stopReason: 'endTurn',
    }));
    client.setRequestHandler(ElicitRequestSchema, ({ params }) =>
      params.mode === 'url' ? { action: 'accept' } : { action: 'accept', content: { name: 'Ada', check: true } },
    );
    client.setRequestHandler(ListRootsRequestSchema, () => ({
      roots: [{ uri: pathToFileURL(folder).href, name: 'Work' }],
    }));
    await client.connect(transport);
    return visitor;
  }

  close(): Promise<void> {
    return this.#client.close();
  }

  /** All pages of a list; empty where the server has no such thing. */
  async list(kind: 'tools' | 'resources' | 'resourceTemplates' | 'prompts'): Promise<Definition[]> {
    const offered = this.#client.getServerCapabilities() ?? {};
    if (offered[kind === 'resourceTemplates' ? 'resources' : kind] === undefined) return [];
    const method = kind === 'resourceTemplates' ? 'resources/templates/list' : `${kind}/list`;
    const items: Definition[] = [];
    let cursor: unknown;
    do {
      const page = await this.#client.request({ method, params: { cursor } } as never, ResultSchema);
      items.push(...(page[kind] as Definition[]));
      cursor = page.nextCursor;
    } while (cursor !== undefined);
    return items;
  }

  async ask(method: string, params: Record<string, unknown>): Promise<Answer> {
    try {
      const result = await this.#client.request({ method, params } as never, ResultSchema);
      return { result };
    } catch (error) {
      if (!(error instanceof McpError)) throw error;
      return { error: { code: error.code, message: error.message } };
    }
  }

  /** Calls the tools one after the other, under the names that this side knows them by. */
  async walk(steps: readonly Step[], nameOf: (tool: string) => string): Promise<Answer[]> {
    const said: Record<string, string> = {};
    const answers: Answer[] = [];
    for (const [tool, args] of steps) {
      const given = typeof args === 'function' ? args(said as Said) : args;
      const answer = await this.ask('tools/call', { name: nameOf(tool), arguments: given });
      said[tool] = textOf(answer);
      answers.push(answer);
    }
    return answers;
  }
}

function textOf(answer: Answer): string {
  if ('error' in answer) return answer.error.message;
  const content = answer.result.content as { text?: string }[] | undefined;
  return (content ?? []).map(({ text = '' }) => text).join('\n');
}
