import { isObject, JsonNumber, type JsonObject, type JsonValue } from '@cmcp/evidence';
import { bodyOf, readBody } from './body-text.ts';
import { Copies } from './copies.ts';
import { besides, isBodyMember, lexeme } from './passages.ts';
import { joined, type Span, without } from './spans.ts';
import type { Finding } from './types.ts';

/** An answer without what was found in it. */
export interface Rewritten {
  value: JsonValue;
  /** How many spans were taken out, by rule. */
  removed: Map<string, number>;
}

/** Values between two stops. */
const STEP = 500;
/** Words of the protocol's own: what a secret happens to spell stays there. */
const PROTOCOL: ReadonlyMap<string | number | null, RegExp> = new Map([
  ['type', /^(?:text|image|audio|resource|resource_link|tool_use|tool_result|object|string)$/],
  ['role', /^(?:user|assistant)$/],
  ['mimeType', /^(?:text\/(?:plain|html|markdown|csv)|application\/(?:json|xml|pdf|octet-stream)|image\/[a-z]{3,4})$/],
]);

/**
 * Takes findings out of an answer, and every copy of what was taken out. Structure and types stay: a text and a name get a note, a
 * number becomes 0, a body is encoded again. What nothing was taken out of is the same object.
 */
export function* rewriting(answer: JsonValue, findings: readonly Finding[]): Generator<void, Rewritten> {
  const rewriter = new Rewriter(findings);
  const value = yield* rewriter.value(answer, rewriter.root, null, null);
  return { value, removed: rewriter.removed };
}

/** What was found at a place, and at the places inside it. */
interface Found {
  spans: Span[];
  /** In what a body stands for. */
  bodySpans: Span[];
  nameSpans: Span[];
  inside: Map<string | number, Found>;
}

class Rewriter {
  readonly root: Found = nothing();
  readonly removed = new Map<string, number>();
  readonly #copies = new Copies();
  #steps = 0;

  constructor(findings: readonly Finding[]) {
    for (const { start, end, rule, instead, passage } of findings) {
      let found = this.root;
      for (const key of passage.path) found = insideOf(found, key);
      found[SPANS[passage.kind]].push({ start, end, rule, instead });
      this.#copies.add(passage.text.slice(start, end), { rule, instead });
    }
  }

  *value(
    value: JsonValue,
    found: Found | undefined,
    key: string | number | null,
    holder: JsonObject | null,
  ): Generator<void, JsonValue> {
    this.#steps += 1;
    if (this.#steps % STEP === 0) yield;
    if (typeof value === 'string') return yield* this.#string(value, found, key, holder);
    if (typeof value === 'number' || value instanceof JsonNumber) {
      return (yield* this.#text(lexeme(value), found?.spans, key)) === lexeme(value) ? value : 0;
    }
    if (Array.isArray(value)) return yield* this.#list(value, found);
    return isObject(value) ? yield* this.#object(value, found) : value;
  }

  *#list(list: JsonValue[], found: Found | undefined): Generator<void, JsonValue> {
    const left: JsonValue[] = [];
    for (const [index, item] of list.entries()) {
      left.push(yield* this.value(item, found?.inside.get(index), index, null));
    }
    return left.every((item, index) => item === list[index]) ? list : left;
  }

  *#object(object: JsonObject, found: Found | undefined): Generator<void, JsonValue> {
    const left = new Map<string, JsonValue>();
    let isSame = true;
    for (const [name, value] of Object.entries(object)) {
      const at = found?.inside.get(name);
      const said = yield* this.#text(name, at?.nameSpans, null);
      const rest = yield* this.value(value, at, name, object);
      isSame &&= said === name && rest === value;
      left.set(said === name ? name : unused(said, left, object), rest);
    }
    return isSame ? object : Object.fromEntries(left);
  }

  *#string(
    value: string,
    found: Found | undefined,
    key: string | number | null,
    holder: JsonObject | null,
  ): Generator<void, string> {
    const isBody = key !== null && holder !== null && isBodyMember(key, besides(holder));
    const left = yield* this.#text(value, found?.spans, key);
    const body = isBody ? (readBody(value)?.text ?? null) : null;
    if (body === null) return left;
    const leftInside = yield* this.#text(body, found?.bodySpans, key);
    if (leftInside === body) return left;
    // Of what is taken out in both ways of reading it nothing stays.
    return left === value ? bodyOf(leftInside) : '';
  }

  *#text(text: string, spans: readonly Span[] | undefined, key: string | number | null): Generator<void, string> {
    const copies = PROTOCOL.get(key)?.test(text) ? [] : yield* this.#copies.in(text);
    if ((spans === undefined || spans.length === 0) && copies.length === 0) return text;
    const apart = joined([...(spans ?? []), ...copies]);
    for (const { rule } of apart) this.removed.set(rule, (this.removed.get(rule) ?? 0) + 1);
    return without(text, apart);
  }
}

/** Members of one object keep names of their own. */
function unused(name: string, left: ReadonlyMap<string, JsonValue>, object: JsonObject): string {
  let free = name;
  for (let count = 2; left.has(free) || Object.hasOwn(object, free); count += 1) free = `${name} ${count}`;
  return free;
}

const SPANS = { text: 'spans', number: 'spans', body: 'bodySpans', name: 'nameSpans' } as const;

const nothing = (): Found => ({ spans: [], bodySpans: [], nameSpans: [], inside: new Map() });

function insideOf({ inside }: Found, key: string | number): Found {
  const known = inside.get(key);
  if (known !== undefined) return known;
  const fresh = nothing();
  inside.set(key, fresh);
  return fresh;
}
