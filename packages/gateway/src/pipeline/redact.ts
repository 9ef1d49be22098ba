import { isObject, JsonError, type JsonObject, type JsonValue, member, parseJson, stringifyJson } from '@cmcp/evidence';
import { apply, type Removed, type Sight } from '../inspection/redaction/apply.ts';
import { ClassSight } from '../inspection/redaction/class-sight.ts';
import { PathSight } from '../inspection/redaction/path-sight.ts';
import { type Answer, releasable } from '../inspection/response.ts';
import { enforces } from '../policy/mode.ts';
import type { Redaction } from '../policy/redaction.ts';
import type { Ranks } from '../policy/sensitivity.ts';
import { rewritten } from './content.ts';
import type { PathDeps } from './deps.ts';
import type { Plan } from './plan.ts';
import type { CallRecord } from './record.ts';

const NOTE = '[Withheld: policy redacts this answer, and this part of it is not JSON that could be redacted.]';

/**
 * The answer without what the decisions on it say is to be removed, and how much that was. What a redaction cannot be carried out on
 * is withheld as a whole, never passed. A mode that does not enforce passes everything, and counts.
 */
export function redact(deps: PathDeps, record: CallRecord, plan: Plan, answer: Answer): Answer {
  // What a server asks is decided by itself, as what it is.
  if (record.redactions.length === 0 || answer.kind === 'asks') return answer;
  const applied = enforces(deps.config.mode);
  const removed = { fields: 0, parts: 0, applied };
  record.redacted = removed;
  if (answer.kind === 'error') {
    removed.parts = 1;
    return applied ? { ...answer, upstream: null } : answer;
  }
  const work = new Redactor(sightsOf(record.redactions, outputSchema(plan), deps.ranks), removed);
  const isTask = answer.type === 'task' || plan.method === 'tasks/get';
  const result = work.answer(plan, answer.result, isTask);
  return applied ? releasable(result, answer.type) : answer;
}

function sightsOf(redactions: readonly Redaction[], schema: JsonObject | null, ranks: Ranks): Sight[] {
  const paths = redactions.flatMap((redaction) => (redaction.kind === 'path' ? [redaction.steps] : []));
  const classes = redactions.flatMap((redaction) => (redaction.kind === 'class' ? [redaction.label] : []));
  return [new PathSight(paths), ...classes.map((label) => ClassSight.of(schema, label, ranks))];
}

/** What approved structure an answer has: that of the tool; a resource or a prompt has none. */
function outputSchema({ asked }: Plan): JsonObject | null {
  const schema = 'tool' in asked ? member(asked.tool.definition, 'outputSchema') : undefined;
  return isObject(schema) ? schema : null;
}

/** Members that are passed on: what could be redacted in them is, or they hold nothing of the content. */
const KEPT = {
  tool: ['content', 'structuredContent', 'isError'],
  task: [
    'taskId',
    'status',
    'createdAt',
    'lastUpdatedAt',
    'ttlMs',
    'pollIntervalMs',
    'inputRequests',
    'result',
    'error',
  ],
  prompt: ['messages'],
  message: ['role', 'content'],
  resource: ['contents'],
  content: ['uri', 'mimeType'],
} as const satisfies Record<string, readonly string[]>;

class Redactor {
  readonly #sights: readonly Sight[];
  readonly #removed: Removed & { parts: number };

  constructor(sights: readonly Sight[], removed: Removed & { parts: number }) {
    this.#sights = sights;
    this.#removed = removed;
  }

  answer(plan: Plan, given: JsonObject, isTask: boolean): JsonObject {
    return rewritten(plan, this.#whole(plan, given, isTask), {
      block: (block) => this.#block(block),
      content: (content) => this.#content(content),
    });
  }

  /** The answer without members that nothing says how to redact, and with its structured content redacted. */
  #whole({ method }: Plan, given: JsonObject, isTask: boolean): JsonObject {
    if (method === 'prompts/get') return this.#messages(only(given, 'prompt'));
    if (method === 'resources/read') return only(given, 'resource');
    if (!isTask) return this.#structured(only(given, 'tool'));
    const task = only(given, 'task');
    const [result, error] = [member(task, 'result'), member(task, 'error')];
    return {
      ...task,
      ...(isObject(result) ? { result: this.#structured(only(result, 'tool')) } : {}),
      ...(error === undefined ? {} : { error: this.#error(error) }),
    };
  }

  #messages(result: JsonObject): JsonObject {
    const messages = member(result, 'messages');
    if (!Array.isArray(messages)) return result;
    return { messages: messages.map((message) => (isObject(message) ? only(message, 'message') : message)) };
  }

  #structured(result: JsonObject): JsonObject {
    const content = member(result, 'structuredContent');
    if (content === undefined) return result;
    return { ...result, structuredContent: this.#document(content) ?? this.#withheld({}) };
  }

  #block(block: JsonValue): JsonValue {
    const text = isObject(block) && member(block, 'type') === 'text' ? member(block, 'text') : undefined;
    return { type: 'text', text: this.#text(text) ?? this.#withheld(NOTE) };
  }

  #content(content: JsonValue): JsonValue {
    if (!isObject(content)) return this.#withheld(null);
    const text = this.#text(member(content, 'text'));
    if (text === null) return { ...only(content, 'content'), mimeType: 'text/plain', text: this.#withheld(NOTE) };
    return { ...only(content, 'content'), text };
  }

  #error(error: JsonValue): JsonObject {
    const code = isObject(error) ? member(error, 'code') : undefined;
    return this.#withheld({ ...(typeof code === 'number' ? { code } : { code: -32603 }), message: NOTE });
  }

  /** JSON as text, redacted and written anew; null for any other text. */
  #text(text: JsonValue | undefined): string | null {
    if (typeof text !== 'string') return null;
    try {
      const redacted = this.#document(parseJson(text));
      return redacted === null ? null : stringifyJson(redacted);
    } catch (error) {
      if (error instanceof JsonError) return null;
      throw error;
    }
  }

  /** Null for what has no inside that a redaction could speak of, and for what is taken as a whole. */
  #document(value: JsonValue): JsonValue | null {
    const hasInside = Array.isArray(value) || isObject(value);
    return hasInside && !this.#sights.some(({ takes }) => takes) ? apply(value, this.#sights, this.#removed) : null;
  }

  #withheld<T>(instead: T): T {
    this.#removed.parts += 1;
    return instead;
  }
}

function only(given: JsonObject, kind: keyof typeof KEPT): JsonObject {
  const names: readonly string[] = KEPT[kind];
  return Object.fromEntries(Object.entries(given).filter(([name]) => names.includes(name)));
}
