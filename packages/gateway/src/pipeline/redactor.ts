import { isObject, JsonError, type JsonObject, type JsonValue, member, parseJson, stringifyJson } from '@cmcp/evidence';
import { apply, type Sight } from '../inspection/redaction/apply.ts';
import { rewritten } from './content.ts';
import type { Plan } from './plan.ts';

const NOTE = '[Withheld: policy redacts this answer, and this part of it is not JSON that could be redacted.]';

const TASK = ['taskId', 'status', 'createdAt', 'lastUpdatedAt', 'ttlMs', 'pollIntervalMs', 'inputRequests'];
const MESSAGE = ['role', 'content'];
const CONTENT = ['uri', 'mimeType'];

/** How much was removed: values, and parts that could not be redacted. */
export interface Removal {
  fields: number;
  parts: number;
}

/**
 * Makes the redacted form of an answer. Of its members only those stay that are known to hold nothing else, or that were redacted:
 * what nothing says how to redact is not passed.
 */
export class Redactor {
  readonly removed: Removal = { fields: 0, parts: 0 };
  readonly #sights: readonly Sight[];

  constructor(sights: readonly Sight[]) {
    this.#sights = sights;
  }

  answer(plan: Plan, given: JsonObject, isTask: boolean): JsonObject {
    return rewritten(plan, isTask ? this.#task(given) : this.#members(plan, given), {
      block: (block) => this.#block(block),
      content: (content) => this.#content(content),
    });
  }

  #members({ method }: Plan, given: JsonObject): JsonObject {
    if (method === 'tools/call') return this.#tool(given);
    if (method === 'resources/read') return only(given, ['contents']);
    const messages = member(given, 'messages');
    const said = Array.isArray(messages) ? messages.filter(isObject) : [];
    return { messages: said.map((message) => only(message, MESSAGE)) };
  }

  /** A task that is not completed may say anything of its result. */
  #task(given: JsonObject): JsonObject {
    const [result, error] = [member(given, 'result'), member(given, 'error')];
    return {
      ...only(given, TASK),
      ...(isObject(result) ? { result: this.#tool(result) } : {}),
      ...(error === undefined ? {} : { error: this.#error(error) }),
    };
  }

  #tool({ content, structuredContent: structured, isError }: JsonObject): JsonObject {
    return {
      ...(Array.isArray(content) ? { content } : {}),
      ...(structured === undefined ? {} : { structuredContent: this.#document(structured) ?? this.#withheld({}) }),
      ...(typeof isError === 'boolean' ? { isError } : {}),
    };
  }

  #block(block: JsonValue): JsonValue {
    const text = isObject(block) && member(block, 'type') === 'text' ? member(block, 'text') : undefined;
    return { type: 'text', text: this.#text(text) ?? this.#withheld(NOTE) };
  }

  #content(content: JsonValue): JsonValue {
    if (!isObject(content)) return this.#withheld(null);
    const text = this.#text(member(content, 'text'));
    if (text !== null) return { ...only(content, CONTENT), text };
    return { ...only(content, CONTENT), mimeType: 'text/plain', text: this.#withheld(NOTE) };
  }

  #error(error: JsonValue): JsonObject {
    const code = isObject(error) ? member(error, 'code') : undefined;
    return this.#withheld({ code: typeof code === 'number' ? code : -32603, message: NOTE });
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
    return hasInside && !this.#sights.some(({ takes }) => takes) ? apply(value, this.#sights, this.removed) : null;
  }

  #withheld<T>(instead: T): T {
    this.removed.parts += 1;
    return instead;
  }
}

function only(given: JsonObject, names: readonly string[]): JsonObject {
  return Object.fromEntries(Object.entries(given).filter(([name]) => names.includes(name)));
}
