import type { TextFinding } from '../types.ts';

/** Raised whenever what is found changes. */
export const HIDDEN_VERSION = '1.0.0';

/** What is found, for lists of the built-in rules. */
export const HIDDEN_RULES = [
  { id: 'tag-characters', kind: 'injection', label: null, what: 'text in tag characters, which nobody sees' },
  { id: 'invisible-run', kind: 'injection', label: null, what: 'eight or more invisible characters in a row' },
  { id: 'selector-bytes', kind: 'injection', label: null, what: 'bytes in variation selectors' },
  {
    id: 'terminal-conceal',
    kind: 'injection',
    label: null,
    what: 'terminal sequences that hide text or where a link leads',
  },
] as const;
type HiddenRule = (typeof HIDDEN_RULES)[number]['id'];

const INVISIBLE = String.raw`\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufeff\uffa0`;
const SELECTORS = String.raw`\ufe00-\ufe0f`;
const SEQUENCES = String.raw`\u001b\u0090\u0098\u009b\u009d-\u009f`;
/** Tags and further selectors are pairs that begin with the first unit here. */
const ANY = new RegExp(String.raw`[\udb40${INVISIBLE}${SELECTORS}${SEQUENCES}]`);

/** Codes of a colour take an 8 as their argument. */
const CONCEALED = String.raw`(?:\u001b\[|\u009b)(?![\d;:]{0,32}[34]8[;:])(?:\d{1,3}[;:]){0,8}0{0,2}8(?:[;:]\d{1,3}){0,8}m`;
/** Links of terminals (OSC 8), and strings that a terminal swallows. */
const SWALLOWED = String.raw`(?:\u001b[\]PX^_]|[\u0090\u0098\u009d-\u009f])(?:[^\u0007\u001b\u009c\n]{0,2048}(?:\u0007|\u001b\\|\u009c))?`;

/**
 * One pattern for each rule. A flag of a region is a black flag with tags behind it, and one selector or joiner is how an emoji is
 * written: neither is found, nor is a byte order mark, a text from right to left (ATK-08), or a colour.
 */
export const HIDDEN: Readonly<Record<HiddenRule, RegExp>> = {
  'tag-characters': /(?<!\u{1f3f4})(?<![\u{e0020}-\u{e007e}])[\u{e0001}\u{e0020}-\u{e007f}]{1,2048}/gu,
  'invisible-run': new RegExp(`[${INVISIBLE}]{8,2048}`, 'gu'),
  'selector-bytes': new RegExp(String.raw`[${SELECTORS}\u{e0100}-\u{e01ef}]{3,2048}`, 'gu'),
  'terminal-conceal': new RegExp(`${CONCEALED}|${SWALLOWED}`, 'gu'),
};

/** What people do not see of a text, and a model reads (ATK-07, ATK-08): it is taken out, whatever it says. */
export function scanHidden(text: string): TextFinding[] {
  if (!ANY.test(text)) return [];
  return HIDDEN_RULES.flatMap(({ id, kind, label }) =>
    [...text.matchAll(HIDDEN[id])].map(
      ({ index, 0: found }): TextFinding => ({
        kind,
        rule: id,
        start: index,
        end: index + found.length,
        via: [],
        label,
        instead: '',
      }),
    ),
  );
}
