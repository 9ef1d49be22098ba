import { BETWEEN } from '../joined.ts';
import { MAX_ADDRESS, type Pointer } from './pointer.ts';

/** UTF-16 units of what stands in brackets before an address that are taken out with it. */
const MAX_LABEL = 256;
const MAX_TITLE = 256;
/** Renderers take what nests deeper for no link; so that many openings are not each read to the end of the text. */
const MAX_NESTING = 32;
/** Openings that are remembered at once. */
const MAX_OPEN = 4096;
/** What decides which bracket belongs to which: escapes, brackets, what brackets may stand in unread, and where another text begins. */
const MARKS = new RegExp(`\\\\[^]|!?\\[|\\]|[\`<]|${BETWEEN.replaceAll('|', '\\|')}`, 'g');
/** `[reference]: address`, at the start of a line. */
export const DEFINITION =
  /^[ \t]{0,3}\[([^\]\n]{1,256})\]:(?:[ \t]{1,8}|[ \t]{0,8}\n[ \t]{0,8})?(<[^>\n]{1,2048}>|[^\s<][^\s]{0,2047})/gm;
export const AUTOLINK = /<([a-z][a-z0-9+.-]{1,31}:[^\s<>]{1,2048})>/gi;
/** Before these a backslash means nothing (CommonMark section 2.4). */
const ESCAPED = /\\([!-/:-@[-`{-~])/g;

/** Images and links of Markdown (CommonMark 0.31 sections 6.3 to 6.5, 4.7), read as leniently as a renderer might. */
export function* markdownPointers(text: string): Generator<Pointer> {
  yield* bracketed(text);
  for (const found of text.matchAll(DEFINITION)) {
    yield { ...span(found), shows: 'link', says: found[1] ?? '', addresses: readings(bare(found[2] ?? '')) };
  }
  for (const found of text.matchAll(AUTOLINK)) {
    yield { ...span(found), shows: 'link', says: '', addresses: [found[1] ?? ''] };
  }
}

function span({ index, 0: whole }: RegExpExecArray): Pick<Pointer, 'start' | 'end'> {
  return { start: index, end: index + whole.length };
}

interface Opening {
  /** Where it begins, and where its label does. */
  at: number;
  label: number;
  image: boolean;
}

/**
 * `[label](address)`, `![label](address)`, `![label][reference]` and `![reference]`. What cannot be told apart is an image: a bracket
 * whose opening is not known, and, until another text begins, whatever comes after an image's label in which brackets may stand unread.
 */
function* bracketed(text: string): Generator<Pointer> {
  let open: Opening[] = [];
  let images = 0;
  let unclear = false;
  for (const { index: at, 0: mark } of text.matchAll(MARKS)) {
    if (mark === BETWEEN) {
      [open, images, unclear] = [[], 0, false];
    } else if (mark.endsWith('[') && mark[0] !== '\\') {
      const image = mark === '![';
      open.push({ at, label: at + mark.length, image });
      images += Number(image);
      if (open.length > MAX_OPEN) images -= Number(open.shift()?.image);
    } else if (mark === ']') {
      const opening = open.pop() ?? null;
      images -= Number(opening?.image ?? false);
      const pointer = closed(text, at, opening, unclear || opening === null || opening.image);
      if (pointer !== null) yield pointer;
    } else if (mark === '`' || mark === '<') {
      unclear ||= images > 0;
    }
  }
}

/** What a label leads to that closes at `close`. Null: it is no label. */
function closed(text: string, close: number, opening: Opening | null, image: boolean): Pointer | null {
  const next = text[close + 1];
  // Where much stands in brackets, only what follows it is taken out.
  const begin = opening === null || close - opening.at > MAX_LABEL ? { at: close, label: close } : opening;
  const shows = image ? 'image' : 'link';
  const told = { start: begin.at, shows, says: text.slice(begin.label, close) } as const;
  if (next === '(') {
    const { addresses, end } = destination(text, close + 2);
    return { ...told, end: closingOf(text, end), addresses };
  }
  // What a reference leads to may be defined anywhere; where it is, it is looked at as a link.
  if (!image || (opening === null && next !== '[')) return null;
  return { ...told, end: next === '[' ? endOfReference(text, close + 1) : close + 1, addresses: [] };
}

function endOfReference(text: string, open: number): number {
  const end = text.slice(open, open + MAX_LABEL).indexOf(']');
  return end < 0 ? open + 1 : open + end + 1;
}

/** Where it leads; nothing, where that is too far to be seen. */
function destination(text: string, from: number): { addresses: string[]; end: number } {
  let start = from;
  while (start < from + MAX_TITLE && /\s/.test(text.charAt(start))) start += 1;
  if (start === from + MAX_TITLE) return { addresses: [], end: start };
  const limit = Math.min(text.length, start + MAX_ADDRESS);
  if (text[start] === '<') {
    const end = text.slice(start, limit).indexOf('>');
    if (end < 0) return { addresses: [], end: start + 1 };
    return { addresses: readings(text.slice(start + 1, start + end)), end: start + end + 1 };
  }
  let depth = 0;
  let end = start;
  for (; end < limit; end += 1) {
    const character = text.charAt(end);
    if (/\s/.test(character) || (character === ')' && depth === 0)) break;
    if (character === '(') depth += 1;
    if (character === ')') depth -= 1;
    if (depth > MAX_NESTING) break;
  }
  return { addresses: readings(text.slice(start, end)), end };
}

/** As it is written, and as a renderer reads it. */
function readings(address: string): string[] {
  return [...new Set([address, address.replace(ESCAPED, '$1')])];
}

/** Past a title and the closing bracket, where there is one. */
function closingOf(text: string, from: number): number {
  const rest = text.slice(from, from + MAX_TITLE);
  const title = /^\s*(?:"[^"]*"|'[^']*'|\([^)]*\))?\s*\)/.exec(rest);
  return from + (title?.[0].length ?? 0);
}

const bare = (address: string): string => (address.startsWith('<') ? address.slice(1, -1) : address);
