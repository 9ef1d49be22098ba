import { looksRandom } from './placeholder.ts';
import type { Before, ValueRule } from './rule.ts';

/** Not in the middle of a word: for prefixes so short that words and base64 end in them. */
export const WORD_START: Before = { words: /(?:^|[^A-Za-z0-9+])$/, reach: 1 };

/**
 * A credential that its provider's prefix gives away wherever it stands, inside longer words too (D-31). `prefix` is what the match
 * begins with, in lower case.
 */
export function token(id: string, what: string, prefix: string | readonly string[], pattern: RegExp): ValueRule {
  const anchors = typeof prefix === 'string' ? [prefix] : prefix;
  return { id, kind: 'secret', what, trigger: { anchors }, pattern, valid: looksRandom, glued: true };
}

/** The same, with a prefix that words end in: nothing but a separator stands before it. */
export function shortToken(id: string, what: string, prefix: string | readonly string[], pattern: RegExp): ValueRule {
  return { ...token(id, what, prefix, pattern), before: WORD_START };
}

/**
 * A credential without a prefix, which is known by whose it is: a value of the provider's form that is assigned to a name with the
 * provider's name in it.
 */
export function assigned(id: string, what: string, names: readonly string[], form: string): ValueRule {
  const name = names.map((one) => one.replace(/[-._]/g, '[-._ ]?')).join('|');
  const source = `(?:${name})[\\w .-]{0,32}["'\`\\]]{0,2}\\s{0,8}(?::=|=>|[=:,(])\\s{0,8}["'\`]{0,2}(?<value>${form})(?![\\w-])`;
  const exact = new RegExp(`^(?:${form})$`);
  return {
    id,
    kind: 'secret',
    what,
    trigger: { anchors: [...new Set(names.map(firstWord))] },
    pattern: new RegExp(source, 'diy'),
    valid: function ofItsFormAndRandom(value) {
      return exact.test(value) && looksRandom(value);
    },
    before: { words: /(?:^|[^a-z])$/i, reach: 1 },
  };
}

function firstWord(name: string): string {
  return name.split('_')[0] as string;
}
