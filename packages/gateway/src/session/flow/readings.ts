import { isUtf8 } from 'node:buffer';
import { encodedRuns } from '../../inspection/decoding/encoded-runs.ts';
import { reversed, rot13 } from '../../inspection/decoding/turning.ts';
import { NAMED_REFERENCES } from '../../inspection/normal/entities.ts';
import { LOOKALIKES } from '../../inspection/normal/lookalikes.ts';
import { normalised } from '../../inspection/normal/normalised.ts';
import { asciiCode } from './canonical.ts';
import { jsonIn, leavesOf } from './leaves.ts';

/** How often one encoding may be in another. */
const DEPTH = 4;
/** The shortest runs that are taken for encoded, as a part of a text and as the whole. */
const RUN = 16;
const WHOLE = 12;
/** What may be missing of a run of base64 without its end. */
const PADDING = 2;
const SHORTEST_READING = 4;
/** Texts are decoded in pieces of this many characters, which overlap, so that none takes long. */
const PIECE = 8192;
const OVERLAP = 1024;
/** What a decoded text costs of the budget beside its length. */
const OVERHEAD = 32;

/** Characters that decoding may come to, of all texts of a request together; below 0 once there were more. */
export interface ReadingBudget {
  characters: number;
}

/**
 * What a text says beside what it says in plain view: what is left after percent, entities, escapes, lookalikes, base64, hex and JSON in
 * strings are undone, one in another, also where the encoded text was rotated by 13 letters or turned round. Ends early with the budget;
 * null: more may follow, and it took its time.
 */
export function* readings(text: string, budget: ReadingBudget): Generator<string | null> {
  for (let from = 0; from === 0 || from + OVERLAP < text.length; from += PIECE - OVERLAP) {
    const piece = from === 0 && text.length <= PIECE ? text : text.slice(from, from + PIECE);
    const seen = new Set<string>([piece]);
    // First what is undone step by step, then what else comes out where something was rotated or turned in between.
    for (const variants of [plainly, variously]) yield* readingsOf(piece, variants, seen, budget);
  }
}

function* readingsOf(
  text: string,
  variants: Variants,
  seen: Set<string>,
  budget: ReadingBudget,
): Generator<string | null> {
  const reached = new Set<string>([text]);
  let level = [text];
  for (let depth = 0; depth < DEPTH && level.length > 0; depth += 1) {
    const next: string[] = [];
    for (const each of level) {
      for (const decoded of decodings(each, variants)) {
        if (decoded === null) yield null;
        if (decoded === null || decoded.length < SHORTEST_READING || reached.has(decoded)) continue;
        reached.add(decoded);
        next.push(decoded);
        if (seen.has(decoded)) continue;
        seen.add(decoded);
        budget.characters -= decoded.length + OVERHEAD;
        if (budget.characters < 0) return;
        yield decoded;
      }
    }
    level = next;
  }
}

type Variants = (text: string) => readonly string[];
const plainly: Variants = (text) => [text];

function variously(text: string): readonly string[] {
  const turned = reversed(text);
  return [text, rot13(text), turned, rot13(turned)];
}

/** JSON, also turned round. */
const JSON_BEGINS = /^\s*[[{}\]]/;

function* decodings(text: string, variants: Variants): Generator<string | null> {
  const isWhole = isEncodable(text);
  if (!isWhole && !isSuspect(text) && !JSON_BEGINS.test(text)) return;
  const plain = withoutLookalikes(normalised(text).text);
  if (plain !== text) yield plain;
  for (const variant of variants(text)) {
    // One step at a time: normalising takes all at once, and what was rotated or turned in between would be lost.
    if (variant.includes('%')) yield percentDecoded(variant);
    if (variant.includes('&')) yield entitiesDecoded(variant);
    if (variant.includes('\\')) yield unescaped(variant);
    const held = jsonIn(variant);
    if (held !== undefined) yield* leavesOf(held).texts;
    for (const { text: decoded } of encodedRuns(variant)) yield decoded;
    yield* partsOf(variant, isWhole ? WHOLE : RUN);
    yield null;
  }
}

/** Whether a text is nothing but base64 or hex might be. */
export function isEncodable(text: string, least: number = WHOLE): boolean {
  return text.length >= least && /^[A-Za-z0-9+/_=-]+$/.test(text);
}

const [PERCENT, AMPERSAND, BACKSLASH] = [0x25, 0x26, 0x5c];
const [PLUS, MINUS, SLASH, LOW_LINE] = [0x2b, 0x2d, 0x2f, 0x5f];
/** Words of two characters in a row that may be bytes in hex. */
const PAIRS = 5;

/** Whether anything in a text may be encoded. Neither turning it nor rotating its letters would change that. */
function isSuspect(text: string): boolean {
  let [run, pair, pairs] = [0, 0, 0];
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    if (code >= 128 || code === PERCENT || code === AMPERSAND || code === BACKSLASH) return true;
    const plain = asciiCode(code) !== 0;
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

/**
 * Runs of base64 and hex, whatever they come to: short ones, and ones that the characters before them have shifted, which nobody could
 * tell from other words by themselves, and which a value that is known can be found in.
 */
function* partsOf(text: string, least: number): Generator<string> {
  for (const [run] of text.matchAll(/[A-Za-z0-9+/_-]{10,}/g)) {
    if (run.length < least - PADDING) continue;
    if (/^[0-9a-fA-F]+$/.test(run)) for (const shift of [0, 1]) yield* textOf(Buffer.from(run.slice(shift), 'hex'));
    for (const shift of run.length < RUN ? [0] : [0, 1, 2, 3]) yield* textOf(Buffer.from(run.slice(shift), 'base64'));
  }
}

/** Of bytes at random some are printable; of more of them, more in a row. */
const FEW_BYTES = 48;

/** What bytes say: UTF-8, else the stretches of ASCII among them. */
function* textOf(bytes: Buffer): Generator<string> {
  if (isUtf8(bytes)) {
    yield bytes.toString('utf8');
    return;
  }
  const stretches = bytes.toString('latin1').match(bytes.length < FEW_BYTES ? /[ -~]{6,}/g : /[ -~]{12,}/g);
  if (stretches !== null) yield stretches.join(' ');
}

function withoutLookalikes(text: string): string {
  return text.replaceAll(/[^\n -~]/g, (letter) => LOOKALIKES.get(letter) ?? letter);
}

function percentDecoded(text: string): string {
  return text.replaceAll(/(?:%[0-9a-fA-F]{2})+/g, (run) =>
    Buffer.from(run.replaceAll('%', ''), 'hex').toString('utf8'),
  );
}

function entitiesDecoded(text: string): string {
  return text.replaceAll(/&(?:#(\d{1,7})|#[xX]([0-9a-fA-F]{1,6})|([A-Za-z]{2,31}));?/g, (all, decimal, hex, name) => {
    if (name !== undefined) return NAMED_REFERENCES.get(name) ?? all;
    return characterOf(decimal === undefined ? Number.parseInt(hex, 16) : Number(decimal)) ?? all;
  });
}

/** Null for what is beyond Unicode. */
function characterOf(code: number): string | null {
  return code <= 0x10ffff ? String.fromCodePoint(code) : null;
}

const ESCAPED: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', b: '\b', f: '\f' };

/** The escapes of JSON and of programming languages. */
function unescaped(text: string): string {
  return text.replaceAll(
    /\\(?:u([0-9a-fA-F]{4})|u\{([0-9a-fA-F]{1,6})\}|x([0-9a-fA-F]{2})|([^ux]))/g,
    (all, short, long, byte, single) => {
      if (single !== undefined) return ESCAPED[single] ?? single;
      return characterOf(Number.parseInt(short ?? long ?? byte, 16)) ?? all;
    },
  );
}
