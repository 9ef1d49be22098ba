import { JsonNumber, type JsonValue } from '@cmcp/evidence';
import { GatewayError } from '../errors.ts';

/**
 * The numbers of a parsed value that JavaScript cannot carry exactly, in the order in which a walk meets them: `at[i]` is
 * the position among all numbers, `lexemes[i]` what was written. Small enough to send between threads where the value is not.
 */
export interface ExactNumbers {
  at: number[];
  lexemes: string[];
}

/** Null when there are more than `limit`. */
export function findExactNumbers(value: JsonValue, limit: number): ExactNumbers | null {
  const found: ExactNumbers = { at: [], lexemes: [] };
  let position = 0;
  const visit = (node: JsonValue): void => {
    if (typeof node === 'number') position++;
    else if (node instanceof JsonNumber) {
      found.at.push(position++);
      found.lexemes.push(node.lexeme);
    } else if (typeof node === 'object' && node !== null) {
      for (const child of Array.isArray(node) ? node : Object.values(node)) visit(child);
    }
  };
  visit(value);
  return found.lexemes.length > limit ? null : found;
}

/**
 * Puts the exact numbers back into what the native parser made of the same text.
 * @throws GatewayError INTERNAL_ERROR when the two do not fit together, which would be a fault of ours
 */
export function restoreExactNumbers(value: JsonValue, numbers: ExactNumbers): JsonValue {
  if (numbers.at.length === 0) return value;
  const { at, lexemes } = numbers;
  let position = 0;
  let next = 0;
  const restored = (node: JsonValue): JsonValue => {
    if (typeof node === 'number') {
      if (position++ !== at[next]) return node;
      const lexeme = lexemes[next++] ?? '';
      if (!Object.is(Number(lexeme), node)) throw disagreement();
      return new JsonNumber(lexeme);
    }
    if (typeof node !== 'object' || node === null || node instanceof JsonNumber) return node;
    if (Array.isArray(node)) for (const [index, child] of node.entries()) node[index] = restored(child);
    // Own members only, `__proto__` among them: defining replaces the member, assigning would change the prototype.
    else for (const [key, child] of Object.entries(node)) replace(node, key, child, restored(child));
    return node;
  };
  const result = restored(value);
  if (next !== at.length) throw disagreement();
  return result;
}

function disagreement(): GatewayError {
  return new GatewayError('INTERNAL_ERROR', 'the strict and the native parser disagree about a number');
}

function replace(object: object, key: string, before: JsonValue, after: JsonValue): void {
  if (before === after) return;
  Object.defineProperty(object, key, { value: after, writable: true, enumerable: true, configurable: true });
}
