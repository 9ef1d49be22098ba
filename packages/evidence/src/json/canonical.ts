import { JsonError } from './error.ts';
import { deeper, integerText } from './stringify.ts';
import { JsonNumber, type JsonObject, type JsonValue } from './value.ts';

/** How one canonical form writes what the forms disagree on. */
export interface Form {
  sortKeys(keys: string[]): string[];
  string(value: string): string;
  number(lexeme: string): string;
  /** True when members that are null are left out. */
  dropsNulls?: boolean;
  /** Deepest nesting; without it, the bound that protects the stack. */
  depth?: number;
}

/**
 * The form that cMCP hashes and signs (wire-formats section 2, "PYJ"): keys in code point order, compact, everything outside
 * U+0020..U+007E escaped, integers in full, floats as Python prints them.
 *
 * @throws JsonError for a number that is not finite, or a value that JSON cannot carry
 */
export function canonicalSorted(value: JsonValue): string {
  return write(value, PYJ, 0);
}

/**
 * {@link canonicalSorted} of `object` as if it had no member `name`: what is hashed or signed never covers its own hash or
 * signature. Spares a copy of every entry of a long chain.
 */
export function canonicalSortedWithout(object: JsonObject, name: string): string {
  return writeObject(object, PYJ, deeper(0), name);
}

/** {@link canonicalSorted} of `object`, whole and as if it had no member `name`, written once: what a chain of hashes needs of each link. */
export function canonicalSortedBoth(object: JsonObject, name: string): { whole: string; without: string } {
  let whole = '';
  let without = '';
  for (const key of PYJ.sortKeys(Object.keys(object))) {
    const text = `${PYJ.string(key)}:${write(object[key] as JsonValue, PYJ, deeper(0))}`;
    whole += (whole === '' ? '' : ',') + text;
    if (key !== name) without += (without === '' ? '' : ',') + text;
  }
  return { whole: `{${whole}}`, without: `{${without}}` };
}

/**
 * RFC 8785 (JCS).
 *
 * @throws JsonError also for a lone surrogate and for an integer beyond ±(2^53−1): both would be repaired silently otherwise
 */
export function canonicalJcs(value: JsonValue): string {
  return write(value, JCS, 0);
}

/** The text of `value` in `form`, `depth` levels deep in what is being written. */
export function write(value: JsonValue, form: Form, depth: number): string {
  if (typeof value === 'string') return form.string(value);
  if (typeof value === 'number') return integerText(value);
  if (typeof value === 'boolean' || value === null) return String(value);
  if (value instanceof JsonNumber) return form.number(value.lexeme);
  const inner = deeper(depth, form.depth);
  if (Array.isArray(value)) {
    let text = '';
    for (const item of value) text += (text === '' ? '' : ',') + write(item, form, inner);
    return `[${text}]`;
  }
  if (typeof value !== 'object') throw new JsonError('UNREPRESENTABLE', 0, `a ${typeof value} is not a JSON value`);
  return writeObject(value, form, inner);
}

function writeObject(object: JsonObject, form: Form, depth: number, except?: string): string {
  let text = '';
  for (const key of form.sortKeys(Object.keys(object))) {
    if (key === except || (form.dropsNulls === true && object[key] === null)) continue;
    text += `${text === '' ? '' : ','}${form.string(key)}:${write(object[key] as JsonValue, form, depth)}`;
  }
  return `{${text}}`;
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: the complement of what PYJ writes as is
const NEEDS_ESCAPE = /[\u0000-\u001f"\\\u007f-\uffff]/;

const PYJ: Form = {
  sortKeys: (keys) => (/[\ud800-\udfff]/.test(keys.join('')) ? keys.sort(byCodePoint) : keys.sort()),
  string: (value) =>
    NEEDS_ESCAPE.test(value) ? JSON.stringify(value).replace(/[\u007f-\uffff]/g, escapeUnit) : `"${value}"`,
  number: (lexeme) => (isFloat(lexeme) ? pythonRepr(finite(lexeme)) : lexeme === '-0' ? '0' : lexeme),
};

const JCS: Form = {
  sortKeys: (keys) => keys.sort(),
  string: (value) => {
    if (!value.isWellFormed()) throw new JsonError('LONE_SURROGATE', 0, 'a string holds an unpaired surrogate');
    return JSON.stringify(value);
  },
  number: (lexeme) => {
    const number = finite(lexeme);
    if (!isFloat(lexeme) && !Number.isSafeInteger(number)) {
      throw new JsonError('UNREPRESENTABLE', 0, 'RFC 8785 cannot carry this integer exactly');
    }
    return String(number);
  },
};

/** The escape of one UTF-16 unit: a backslash, `u`, four hex digits. */
export function escapeUnit(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

/** UTF-16 order and code point order differ only where a surrogate meets a unit from U+E000 on. */
export function byCodePoint(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const difference = rank(a.charCodeAt(i)) - rank(b.charCodeAt(i));
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

/** Moves surrogates, which stand for U+10000 and above, behind every other unit. */
function rank(unit: number): number {
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit;
}

/** Whether a number lexeme has a fraction or an exponent. */
export function isFloat(lexeme: string): boolean {
  return /[.eE]/.test(lexeme);
}

/** The double that a lexeme stands for. @throws JsonError when it is beyond the range of doubles */
export function finite(lexeme: string): number {
  const number = Number(lexeme);
  if (!Number.isFinite(number)) throw new JsonError('UNREPRESENTABLE', 0, 'a number is too large for a double');
  return number;
}

/** Python's `repr` of a float: shortest digits that round-trip, exponent form below 1e-4 and from 1e16 on. */
export function pythonRepr(value: number): string {
  if (value === 0) return Object.is(value, -0) ? '-0.0' : '0.0';
  const [mantissa = '', exponentText = ''] = value.toExponential().split('e');
  const exponent = Number(exponentText);
  if (exponent < -4 || exponent >= 16) {
    const size = String(Math.abs(exponent)).padStart(2, '0');
    return `${mantissa}e${exponent < 0 ? '-' : '+'}${size}`;
  }
  const sign = value < 0 ? '-' : '';
  const digits = mantissa.replace(/[-.]/g, '');
  if (exponent < 0) return `${sign}0.${'0'.repeat(-exponent - 1)}${digits}`;
  const whole = digits.slice(0, exponent + 1).padEnd(exponent + 1, '0');
  return `${sign}${whole}.${digits.slice(exponent + 1) || '0'}`;
}
