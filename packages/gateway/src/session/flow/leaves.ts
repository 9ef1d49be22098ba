import { isObject, JsonError, JsonNumber, type JsonObject, type JsonValue, member, parseJson } from '@cmcp/evidence';
import { numberDigits } from './canonical.ts';

/** What a JSON value says, in the order in which it stands there. */
export interface Leaves {
  /** Strings, and numbers by their value. */
  texts: string[];
  /** Names of members that are no mere identifiers. */
  names: string[];
  /** Base64 of what is no text by declaration: `blob`, and `data` of an image or of sound. */
  bodies: string[];
}

/** How often a text may hold JSON that holds a text that holds JSON. */
const MAX_INSIDE = 3;
/** Longer texts are read as they stand: parsing holds the event loop up. */
const MAX_JSON = 131_072;
const IDENTIFIER = /^[A-Za-z_$][A-Za-z_$]{0,63}$/;

/**
 * `declared`: names that an approved schema gives; every other is whoever's that wrote it. Null: there is no schema, and identifiers are
 * nobody's. A text that is JSON itself counts as what it holds.
 */
export function leavesOf(value: JsonValue, declared: ReadonlySet<string> | null = null): Leaves {
  const leaves: Leaves = { texts: [], names: [], bodies: [] };
  /** The next is the last. */
  const waiting: { value: JsonValue; inside: number }[] = [{ value, inside: 0 }];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const { value: each, inside } = next;
    if (typeof each === 'string') {
      const held = inside < MAX_INSIDE ? jsonIn(each) : undefined;
      if (held === undefined) leaves.texts.push(each);
      else waiting.push({ value: held, inside: inside + 1 });
    } else if (typeof each === 'number') leaves.texts.push(numberDigits(String(each)));
    else if (each instanceof JsonNumber) leaves.texts.push(numberDigits(each.lexeme));
    else if (Array.isArray(each)) for (const item of each.toReversed()) waiting.push({ value: item, inside });
    else if (isObject(each)) {
      for (const [name, item] of Object.entries(each).reverse()) {
        if (!(declared === null ? IDENTIFIER.test(name) : declared.has(name))) leaves.names.push(name);
        if (typeof item === 'string' && isBody(each, name)) leaves.bodies.push(item);
        waiting.push({ value: item, inside });
      }
    }
  }
  return leaves;
}

/** What a text holds that is a JSON object or list; undefined where it is none. */
export function jsonIn(text: string): JsonValue | undefined {
  if (text.length > MAX_JSON || !/^\s*[[{]/.test(text) || !/[\]}]\s*$/.test(text)) return undefined;
  try {
    return parseJson(text);
  } catch (error) {
    if (error instanceof JsonError) return undefined;
    throw error;
  }
}

function isBody(holder: JsonObject, name: string): boolean {
  if (name === 'blob') return true;
  const type = member(holder, 'type');
  return name === 'data' && (type === 'image' || type === 'audio');
}
