import type { Finding } from '../../finding.ts';
import { excerpt } from './plain-text.ts';
import { eachText, type Rule } from './rule.ts';

type Range = readonly [from: number, to: number];

interface Hidden {
  rule: string;
  severity: Finding['severity'];
  what: string;
  ranges: readonly Range[];
}

const one = (codePoint: number): Range => [codePoint, codePoint];

/** Characters that a reviewer does not see and a model reads (ATK-01, ATK-02). */
const HIDDEN: readonly Hidden[] = [
  { rule: 'tag-characters', severity: 'error', what: 'tag characters', ranges: [[0xe0000, 0xe007f]] },
  {
    rule: 'bidirectional-controls',
    severity: 'error',
    what: 'bidirectional controls, which make a text read otherwise than it is',
    ranges: [
      [0x202a, 0x202e],
      [0x2066, 0x2069],
    ],
  },
  {
    rule: 'variation-selectors',
    severity: 'error',
    what: 'variation selectors that can carry a hidden text',
    ranges: [[0xe0100, 0xe01ef]],
  },
  {
    rule: 'terminal-escapes',
    severity: 'error',
    what: 'the beginning of terminal escape sequences',
    ranges: [one(0x1b), one(0x9b)],
  },
  {
    rule: 'control-characters',
    severity: 'warning',
    what: 'control characters',
    ranges: [
      [0x00, 0x08],
      [0x0b, 0x0c],
      [0x0e, 0x1a],
      [0x1c, 0x1f],
      [0x7f, 0x9a],
      [0x9c, 0x9f],
    ],
  },
  {
    rule: 'invisible-characters',
    severity: 'warning',
    what: 'invisible characters',
    ranges: [
      one(0xad),
      one(0x34f),
      one(0x61c),
      [0x115f, 0x1160],
      [0x17b4, 0x17b5],
      [0x180b, 0x180f],
      one(0x200b),
      [0x200e, 0x200f],
      [0x2028, 0x2029],
      [0x2060, 0x2064],
      [0x206a, 0x206f],
      one(0x3164),
      one(0xfeff),
      one(0xffa0),
      [0xfff0, 0xfffb],
    ],
  },
  {
    rule: 'private-characters',
    severity: 'warning',
    what: 'characters without an agreed meaning',
    ranges: [
      [0xd800, 0xdfff],
      [0xe000, 0xf8ff],
      [0xf0000, 0x10ffff],
    ],
  },
];
const JOINERS: Range = [0x200c, 0x200d];
const SELECTORS: Range = [0xfe00, 0xfe0f];

export const hiddenCharacters: Rule = eachText(({ text }) => {
  const first = new Map<Hidden, number>();
  let before = 0;
  let index = 0;
  for (const character of text) {
    const codePoint = character.codePointAt(0) ?? 0;
    const hidden = hiddenBy(codePoint, before);
    if (hidden !== undefined && !first.has(hidden)) first.set(hidden, index);
    before = codePoint;
    index += character.length;
  }
  return [...first].map(([{ rule, severity, what }, at]) => ({
    rule,
    severity,
    message: `holds ${what}: ${excerpt(text.slice(Math.max(0, at - 10), at + 20))}`,
    fix: 'Have the server offer its definition without them. Do not approve it with them.',
  }));
});

function hiddenBy(codePoint: number, before: number): Hidden | undefined {
  if (isIdle(codePoint, before)) return HIDDEN.find(({ rule }) => rule === 'invisible-characters');
  return HIDDEN.find(({ ranges }) => ranges.some((range) => within(codePoint, range)));
}

/** Joiners and variation selectors are part of emoji and of some scripts. After a letter of ASCII, or another of them, they do nothing. */
function isIdle(codePoint: number, before: number): boolean {
  if (within(codePoint, JOINERS)) return before < 0x80 || within(before, JOINERS);
  return (
    within(codePoint, SELECTORS) &&
    (within(before, SELECTORS) || (before < 0x80 && !KEYCAPS.test(String.fromCodePoint(before))))
  );
}

/** `1️⃣` is a digit, a selector and a mark. */
const KEYCAPS = /[0-9#*]/;

function within(codePoint: number, [from, to]: Range): boolean {
  return codePoint >= from && codePoint <= to;
}
