import { byCodePoint, escapeUnit, type Form, finite, isFloat, pythonRepr, write } from './canonical.ts';
import { JsonError } from './error.ts';
import type { JsonValue } from './value.ts';

/** Deepest nesting of a manifest. */
export const MANIFEST_DEPTH = 64;

/**
 * The form that Agent Manifests are hashed and signed in (wire-formats section 2, "AMC"; its documents call it RFC 8785, which
 * it is not): NFC of strings and names, names in code point order as they were before NFC, null members left out.
 *
 * @throws JsonError for a lone surrogate, nesting beyond 64 levels, a number beyond doubles, or two names that NFC makes one
 */
export function canonicalManifest(value: JsonValue): string {
  return write(value, AMC, 0);
}

const AMC: Form = {
  sortKeys: (keys) => {
    if (new Set(keys.map((key) => key.normalize('NFC'))).size < keys.length) {
      throw new JsonError('DUPLICATE_KEY', 0, 'an object has two members whose names are the same after normalisation');
    }
    return keys.sort(byCodePoint);
  },
  string: (value) => {
    if (!value.isWellFormed()) throw new JsonError('LONE_SURROGATE', 0, 'a string holds an unpaired surrogate');
    return JSON.stringify(value.normalize('NFC')).replace(/[\u007f-\u009f\u2028\u2029]/g, escapeUnit);
  },
  number: (lexeme) => {
    if (!isFloat(lexeme)) return lexeme === '-0' ? '0' : lexeme;
    const number = finite(lexeme);
    return Number.isInteger(number) && Math.abs(number) < 1e15 ? String(number) : pythonRepr(number);
  },
  dropsNulls: true,
  depth: MANIFEST_DEPTH,
};
