import type { Choose } from './choose.ts';

/** One piece of a regular expression: what stands there, and how often. */
const PIECE =
  /(?:\\(?<escaped>[\s\S])|\[(?<set>[^\]\\^][^\]\\]*)\]|\((?:\?:)?(?<words>[\w|-]+)\)|(?<plain>[^\\[\](){}^$.|?*+]|\.))(?<often>\{(?<least>\d+)(?:,\d*)?\}|[?*+])?/y;

const CLASSES: Readonly<Record<string, string>> = { d: '7', w: 'x', s: ' ' };
const MAX_REPEATED = 100;

/** A text that the pattern of a schema matches; null for patterns that are more than a row of characters, classes and words. */
export function textOf(pattern: string, choose: Choose): string | null {
  const body = pattern.replace(/^\^/, '').replace(/(?<!\\)\$$/, '');
  let made = '';
  PIECE.lastIndex = 0;
  while (PIECE.lastIndex < body.length) {
    const piece = PIECE.exec(body)?.groups;
    if (piece === undefined) return null;
    const one = standing(piece, choose);
    if (one === null) return null;
    made += one.repeat(Math.min(Number(piece.least ?? (piece.often === '?' ? 0 : 1)), MAX_REPEATED));
  }
  return made;
}

function standing({ escaped, set, words, plain }: Record<string, string | undefined>, choose: Choose): string | null {
  if (escaped !== undefined) return /[A-Za-z0-9]/.test(escaped) ? (CLASSES[escaped] ?? null) : escaped;
  if (words !== undefined) return choose.pick(words.split('|')) ?? null;
  return set?.slice(0, 1) ?? (plain === '.' ? 'x' : (plain ?? null));
}
