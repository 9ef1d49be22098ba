import type { ScriptRule } from './rule.ts';

/** Where a rule was found, and whether from the end of the text to its beginning. */
export interface ScriptSpan {
  start: number;
  end: number;
  reversed: boolean;
}

interface Ready {
  rule: ScriptRule;
  words: RegExp;
  letters: RegExp;
  signs: RegExp;
  turnedSigns: RegExp;
}

const OTHER = /[\u0370-\uffff]/;
const LETTER = /[\p{L}\p{N}]/u;
const GAP = '[^0-9A-Za-z\\u0370-\\uffff]{0,3}';

/** Looks for rules in text of other scripts, also where their letters are split or stand the other way round. */
export class Scripts {
  readonly #rules: readonly Ready[];

  constructor(rules: readonly ScriptRule[]) {
    this.#rules = rules.map((rule) => ({
      rule,
      words: rule.pattern,
      letters: new RegExp(rule.pattern.source.replaceAll(' ', ''), rule.pattern.flags),
      signs: anyOf(rule.signs.map((sign) => [...sign])),
      turnedSigns: anyOf(rule.signs.map((sign) => [...sign].reverse())),
    }));
  }

  find(text: string): { rule: ScriptRule; span: ScriptSpan }[] {
    if (!OTHER.test(text)) return [];
    const small = text.toLowerCase();
    return this.#rules.flatMap(({ rule, words, letters, signs, turnedSigns }) =>
      [false, true].flatMap((reversed) => {
        if (!(reversed ? turnedSigns : signs).test(small)) return [];
        const all = unitsOf(text, false, reversed);
        const only = unitsOf(text, true, reversed);
        return [...spans(all, words), ...spans(only, letters)].map((span) => ({ rule, span: { ...span, reversed } }));
      }),
    );
  }
}

function anyOf(signs: readonly (readonly string[])[]): RegExp {
  return new RegExp(signs.map((letters) => letters.join(GAP)).join('|'));
}

interface Units {
  text: string;
  places: readonly number[];
}

function unitsOf(text: string, lettersAlone: boolean, reversed: boolean): Units {
  const places: number[] = [];
  for (let index = 0; index < text.length; index += 1) {
    if (!lettersAlone || LETTER.test(text.charAt(index))) places.push(index);
  }
  if (reversed) places.reverse();
  return { text: places.map((place) => text.charAt(place)).join(''), places };
}

function spans({ text, places }: Units, pattern: RegExp): { start: number; end: number }[] {
  return [...text.matchAll(pattern)].map(({ 0: found, index }) => {
    const ends = [places[index] ?? 0, places[index + found.length - 1] ?? 0];
    return { start: Math.min(...ends), end: Math.max(...ends) + 1 };
  });
}
