import { isObject, type JsonObject, type JsonValue, member } from '@cmcp/evidence';
import type { Plan } from './plan.ts';

/** What becomes of the content of an answer, wherever its method puts content. */
export interface Rewriting {
  /** Of each block of a tool's answer or of a prompt's messages. */
  block: (block: JsonValue) => JsonValue;
  /** Of each content of a resource that was read; null: it is left out. */
  content: (content: JsonValue) => JsonValue | null;
}

/** The answer with its content rewritten, and everything else as it was. */
export function rewritten(plan: Plan, result: JsonObject, to: Rewriting): JsonObject {
  switch (plan.method) {
    case 'tools/call':
      return withBlocks(result, to);
    case 'tasks/get': {
      const inner = member(result, 'result');
      return isObject(inner) ? { ...result, result: withBlocks(inner, to) } : result;
    }
    case 'prompts/get':
      return withMessages(result, to);
    case 'resources/read':
      return withContents(result, to);
    default:
      return result;
  }
}

function withBlocks(result: JsonObject, { block }: Rewriting): JsonObject {
  const content = member(result, 'content');
  return Array.isArray(content) ? { ...result, content: content.map(block) } : result;
}

function withMessages(result: JsonObject, { block }: Rewriting): JsonObject {
  const messages = member(result, 'messages');
  if (!Array.isArray(messages)) return result;
  const said = messages.map((message) => {
    if (!isObject(message)) return message;
    const content = member(message, 'content') ?? null;
    return { ...message, content: Array.isArray(content) ? content.map(block) : block(content) };
  });
  return { ...result, messages: said };
}

function withContents(result: JsonObject, { content }: Rewriting): JsonObject {
  const contents = member(result, 'contents');
  if (!Array.isArray(contents)) return result;
  return { ...result, contents: contents.map(content).filter((each) => each !== null) };
}
