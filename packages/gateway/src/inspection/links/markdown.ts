import { MAX_ADDRESS, type Pointer } from './pointer.ts';

/** UTF-16 units of what stands in brackets before an address. */
const MAX_LABEL = 256;
const MAX_TITLE = 256;
/** Renderers take what nests deeper for no link; so that many openings are not each read to the end of the text. */
const MAX_NESTING = 32;
/** `![what it shows][reference]` and `![reference]`: what it leads to may be defined anywhere. */
export const BY_REFERENCE = /!\[([^\]\n]{0,256})\](?:\[[^\]\n]{0,256}\]|(?![[(:]))/g;
/** `[reference]: address`, at the start of a line. */
export const DEFINITION =
  /^[ \t]{0,3}\[([^\]\n]{1,256})\]:(?:[ \t]{1,8}|[ \t]{0,8}\n[ \t]{0,8})?(<[^>\n]{1,2048}>|[^\s<][^\s]{0,2047})/gm;
export const AUTOLINK = /<([a-z][a-z0-9+.-]{1,31}:[^\s<>]{1,2048})>/gi;

/** Images and links of Markdown (CommonMark 0.31 sections 6.3 to 6.5, 4.7), read as leniently as a renderer might. */
export function* markdownPointers(text: string): Generator<Pointer> {
  for (let at = text.indexOf(']('); at >= 0; at = text.indexOf('](', at + 1)) yield inline(text, at);
  for (const found of text.matchAll(BY_REFERENCE)) {
    yield { ...span(found), shows: 'image', says: found[1] ?? '', addresses: [] };
  }
  for (const found of text.matchAll(DEFINITION)) {
    yield { ...span(found), shows: 'link', says: found[1] ?? '', addresses: [bare(found[2] ?? '')] };
  }
  for (const found of text.matchAll(AUTOLINK)) {
    yield { ...span(found), shows: 'link', says: '', addresses: [found[1] ?? ''] };
  }
}

function span({ index, 0: whole }: RegExpExecArray): Pick<Pointer, 'start' | 'end'> {
  return { start: index, end: index + whole.length };
}

/** `[label](address "title")`, whose brackets close at `close`. */
function inline(text: string, close: number): Pointer {
  const open = openingOf(text, close);
  const isImage = text[open - 1] === '!';
  const from = close + 2;
  const { address, end } = destination(text, from);
  return {
    start: isImage ? open - 1 : open,
    end: closingOf(text, end),
    shows: isImage ? 'image' : 'link',
    says: text.slice(open + 1, close),
    addresses: [address],
  };
}

/** Where the label begins; where it begins too far away, what is left of it. */
function openingOf(text: string, close: number): number {
  let depth = 0;
  const first = Math.max(0, close - MAX_LABEL);
  for (let at = close - 1; at >= first; at -= 1) {
    if (text[at] === ']') depth += 1;
    else if (text[at] === '[') {
      if (depth === 0) return at;
      depth -= 1;
    }
  }
  return close;
}

function destination(text: string, from: number): { address: string; end: number } {
  let start = from;
  while (start < from + MAX_TITLE && /\s/.test(text.charAt(start))) start += 1;
  const limit = Math.min(text.length, start + MAX_ADDRESS);
  if (text[start] === '<') {
    const end = text.slice(start, limit).indexOf('>');
    if (end > 0) return { address: text.slice(start + 1, start + end), end: start + end + 1 };
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
  return { address: text.slice(start, end), end };
}

/** Past a title and the closing bracket, where there is one. */
function closingOf(text: string, from: number): number {
  const rest = text.slice(from, from + MAX_TITLE);
  const title = /^\s*(?:"[^"]*"|'[^']*'|\([^)]*\))?\s*\)/.exec(rest);
  return from + (title?.[0].length ?? 0);
}

const bare = (address: string): string => (address.startsWith('<') ? address.slice(1, -1) : address);
