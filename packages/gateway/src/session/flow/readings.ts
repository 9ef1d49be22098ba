import { isUtf8 } from 'node:buffer';
import { asciiCode } from './canonical.ts';
import { jsonIn, leavesOf } from './leaves.ts';
import { SHORTEST } from './window-key.ts';

/** How often one encoding may be in another. */
const DEPTH = 4;
/** The shortest runs that are taken for encoded, as a part of a text and as the whole. */
const RUN = 16;
const WHOLE = 12;
const SHORTEST_READING = 4;

/** Characters that decoding may come to, of all texts of a request together; below 0 once there were more. */
export interface ReadingBudget {
  characters: number;
}

/** Texts are decoded in pieces of this many characters, which overlap, so that none takes long. */
const PIECE = 32_768;
const OVERLAP = 1024;
/** What a decoded text costs of the budget beside its length. */
const OVERHEAD = 32;

/**
 * What a text says beside what it says in plain view: what is left after percent, entities, escapes, base64, hex and JSON in strings are
 * undone, one in another, also where the encoded text was rotated by 13 letters or turned round. Ends early with the budget.
 */
export function* readings(text: string, budget: ReadingBudget): Generator<string> {
  for (let from = 0; from === 0 || from + OVERLAP < text.length; from += PIECE - OVERLAP) {
    yield* readingsOfPiece(from === 0 && text.length <= PIECE ? text : text.slice(from, from + PIECE), budget);
  }
}

function* readingsOfPiece(text: string, budget: ReadingBudget): Generator<string> {
  const seen = new Set<string>([text]);
  let level = [text];
  for (let depth = 0; depth < DEPTH && level.length > 0; depth += 1) {
    const next: string[] = [];
    for (const each of level) {
      for (const decoded of decodings(each)) {
        if (decoded.length < SHORTEST_READING || seen.has(decoded)) continue;
        budget.characters -= decoded.length + OVERHEAD;
        if (budget.characters < 0) return;
        seen.add(decoded);
        next.push(decoded);
        yield decoded;
      }
    }
    level = next;
  }
}

function* decodings(text: string): Generator<string> {
  const isWhole = isEncodable(text);
  if (!isWhole && !isSuspect(text)) return;
  const turns = turned(text);
  for (const variant of [text, rotated(text), turns, rotated(turns)]) {
    yield* undone(variant);
    yield* runsOf(variant, isWhole ? WHOLE : RUN);
  }
}

/** Whether a text is nothing but base64 or hex might be. */
export function isEncodable(text: string, least: number = WHOLE): boolean {
  return text.length >= least && /^[A-Za-z0-9+/_=-]+$/.test(text);
}

/** Whether anything in a text may be encoded. Neither turning it nor rotating its letters would change that. */
function isSuspect(text: string): boolean {
  let [run, pair, pairs] = [0, 0, 0];
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    if (code === PERCENT || code === AMPERSAND || code === BACKSLASH) return true;
    const plain = code < 128 && asciiCode(code) !== 0;
    run = plain || code === PLUS || code === MINUS || code === SLASH || code === LOW_LINE ? run + 1 : 0;
    if (run >= RUN || pairs >= PAIRS) return true;
    if (plain) {
      pair += 1;
      continue;
    }
    pairs = pair === 2 ? pairs + 1 : 0;
    pair = 0;
  }
  return false;
}

const [PERCENT, AMPERSAND, BACKSLASH] = [0x25, 0x26, 0x5c];
const [PLUS, MINUS, SLASH, LOW_LINE] = [0x2b, 0x2d, 0x2f, 0x5f];
/** Words of two characters in a row that may be bytes in hex. */
const PAIRS = 5;

/** Encodings of single characters, and texts in JSON. */
function* undone(text: string): Generator<string> {
  if (text.includes('%')) yield percentDecoded(text);
  if (text.includes('&')) yield entitiesDecoded(text);
  if (text.includes('\\')) yield unescaped(text);
  const held = jsonIn(text);
  if (held !== undefined) yield* leavesOf(held).texts;
}

/** Runs of base64 and hex. What stands before the run without a gap may have shifted it. */
function* runsOf(text: string, least: number): Generator<string> {
  for (const [run] of text.matchAll(/[A-Za-z0-9+/_-]{10,}/g)) {
    if (run.length < least - PADDING) continue;
    if (/^[0-9a-fA-F]+$/.test(run)) for (const shift of [0, 1]) yield* textOf(Buffer.from(run.slice(shift), 'hex'));
    for (const shift of run.length < RUN ? [0] : [0, 1, 2, 3]) yield* textOf(Buffer.from(run.slice(shift), 'base64'));
  }
  for (const [run] of text.matchAll(/[0-9a-fA-F]{2}(?:[\s:,-][0-9a-fA-F]{2}){5,}/g)) {
    yield* textOf(Buffer.from(run.replaceAll(/[\s:,-]/g, ''), 'hex'));
  }
}

const PADDING = 2;

/** What bytes say: UTF-8, else what is ASCII among them, unless that is next to nothing. */
function* textOf(bytes: Buffer): Generator<string> {
  if (isUtf8(bytes)) {
    yield bytes.toString('utf8');
    return;
  }
  let [run, longest] = [0, 0];
  for (const byte of bytes) {
    run = byte >= 0x20 && byte < 0x7f ? run + 1 : 0;
    longest = Math.max(longest, run);
  }
  if (longest >= SHORTEST) yield bytes.toString('latin1').replaceAll(/[^\x20-\x7e]+/g, ' ');
}

function percentDecoded(text: string): string {
  return text.replaceAll(/(?:%[0-9a-fA-F]{2})+/g, (run) =>
    Buffer.from(run.replaceAll('%', ''), 'hex').toString('utf8'),
  );
}

const ENTITIES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'", nbsp: ' ' };

function entitiesDecoded(text: string): string {
  return text.replaceAll(/&(?:#(\d{1,7})|#[xX]([0-9a-fA-F]{1,6})|([a-z]{2,6}));?/g, (all, decimal, hex, name) => {
    if (name !== undefined) return ENTITIES[name] ?? all;
    const code = decimal === undefined ? Number.parseInt(hex, 16) : Number(decimal);
    return code <= 0x10ffff ? String.fromCodePoint(code) : all;
  });
}

const ESCAPED: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', b: '\b', f: '\f' };

/** The escapes of JSON and of programming languages. */
function unescaped(text: string): string {
  return text.replaceAll(
    /\\(?:u([0-9a-fA-F]{4})|u\{([0-9a-fA-F]{1,6})\}|x([0-9a-fA-F]{2})|([^ux]))/g,
    (all, short, long, byte, single) => {
      if (single !== undefined) return ESCAPED[single] ?? single;
      const code = Number.parseInt(short ?? long ?? byte, 16);
      return code <= 0x10ffff ? String.fromCodePoint(code) : all;
    },
  );
}

function rotated(text: string): string {
  return text.replaceAll(/[A-Za-z]/g, (letter) => {
    const base = letter <= 'Z' ? 65 : 97;
    return String.fromCharCode(((letter.charCodeAt(0) - base + 13) % 26) + base);
  });
}

function turned(text: string): string {
  return [...text].reverse().join('');
}
