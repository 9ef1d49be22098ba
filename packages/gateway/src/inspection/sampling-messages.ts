import { isObject, type JsonObject, type JsonValue, member } from '@cmcp/evidence';

/**
 * Why the messages of a request for a completion are not as MCP wants them, or null: each has a role and content; what tools
 * gave is alone in a message of the user's, and answers each use of a tool in the message before, and nothing else.
 */
export function messagesProblem(messages: readonly JsonValue[]): string | null {
  let used = new Set<JsonValue>();
  for (const message of messages) {
    const blocks = blocksOf(message);
    if (blocks === null) return 'a message has no role or no content';
    const results = blocks.filter(isA('tool_result'));
    const answered = new Set(results.map((block) => member(block, 'toolUseId') ?? null));
    if (results.length > 0 && (roleOf(message) !== 'user' || results.length < blocks.length)) {
      return 'what a tool gave is mixed with something else';
    }
    if (!isSame(used, answered)) return 'not every use of a tool has its result, or a result has no use';
    used = new Set(blocks.filter(isA('tool_use')).map((block) => member(block, 'id') ?? null));
    if (used.size > 0 && roleOf(message) !== 'assistant') return 'a tool is used by somebody else than the model';
  }
  return used.size > 0 ? 'not every use of a tool has its result' : null;
}

/** The content of a message, one block or several; null when it is no message. */
function blocksOf(message: JsonValue): JsonObject[] | null {
  const role = roleOf(message);
  if (!isObject(message) || (role !== 'user' && role !== 'assistant')) return null;
  const content = member(message, 'content');
  const blocks = Array.isArray(content) ? content : [content ?? null];
  const read = blocks.filter((block) => isObject(block)).filter((block) => typeof member(block, 'type') === 'string');
  return read.length === blocks.length ? read : null;
}

const roleOf = (message: JsonValue): JsonValue | undefined => (isObject(message) ? member(message, 'role') : undefined);

const isA =
  (type: string) =>
  (block: JsonObject): boolean =>
    member(block, 'type') === type;

const isSame = (a: ReadonlySet<JsonValue>, b: ReadonlySet<JsonValue>): boolean =>
  a.size === b.size && [...a].every((each) => b.has(each));
