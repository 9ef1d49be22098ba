import { formOf, IGNORABLE, isDisguise, isMark, selectorByte, taggedCode } from './characters.ts';
import { NAMED_REFERENCES } from './entities.ts';
import { LOOKALIKES, spelled } from './lookalikes.ts';
import { ANSI, ENTITY, INVISIBLE, PERCENT, UNICODE, Units } from './reading.ts';

const ESC = 0x1b;
const BACKSPACE = 8;
const LINE_FEED = 10;
const RETURN = 13;

const REFERENCE =
  /^(?:#0{0,8}(\d{1,7});?|#[xX]0{0,8}([0-9a-fA-F]{1,6});?|#[kK]0{0,8}([0-9n-sN-S]{1,6});|([a-zA-Z]{2,14});)/;
const LONGEST_REFERENCE = 18;
const CONTROL_SEQUENCE = /^\[[0-?]{0,32}[ -/]{0,4}[@-~]/;
const SHORT_SEQUENCE = /^(?:[ -/]{1,2}[0-~]|[78=>])/;
const LONGEST_SEQUENCE = 38;
/** Of the text of a title, a link or a device command, which its terminator ends. */
const LONGEST_STRING = 2048;
const STRING_OPENERS = new Set([...'PX]^_'].map((opener) => opener.charCodeAt(0)));
/** C1 controls are ESC and a character in one. */
const C1 = 0x40;
const MOST_MARKS = 8;
const SMUGGLED = 4;

/** A character that is to be put in front of what there is. */
interface Incoming {
  codePoint: number;
  origin: number;
  bits: number;
}

/**
 * Rewrites a text from its end to its beginning. What stands behind a character is always in normal form already, so that an escape
 * is complete when its first character is met, whatever was in between and however it was nested: one pass, in linear time, and
 * nothing is left to do for a second.
 */
export class Rewriter {
  readonly #text: string;
  readonly #out: Units;
  readonly #forms = new Map<number, string>();
  /** 1: a unit that is met again and again and that nothing is done to. */
  readonly #inert = new Uint8Array(0x10000);
  #marks: Incoming[] = [];
  /** How many characters backspaces have still to erase. */
  #erasures = 0;
  /** How much there was when the nearest terminator of a terminal's string was met. */
  #terminator: number | null = null;

  constructor(text: string) {
    this.#text = text;
    this.#inert.fill(1, 0x20, 0x7f);
    this.#inert[0x25] = 0;
    this.#inert[0x26] = 0;
    this.#out = new Units(text.length + 16);
  }

  reading() {
    let index = this.#text.length;
    while (index > 0) {
      index -= 1;
      const unit = this.#text.charCodeAt(index);
      if (this.#inert[unit] === 1 && this.#isIdle()) {
        this.#out.push(unit, index, 0);
        continue;
      }
      index = this.#step(index, unit);
    }
    this.#settleMarks(null);
    return this.#out.reading(this.#text);
  }

  #isIdle(): boolean {
    return this.#marks.length === 0 && this.#erasures === 0;
  }

  #step(index: number, unit: number): number {
    const before = this.#text.charCodeAt(index - 1);
    const isPair = (unit & 0xfc00) === 0xdc00 && (before & 0xfc00) === 0xd800;
    const origin = isPair ? index - 1 : index;
    const codePoint = isPair ? (this.#text.codePointAt(origin) ?? 0) : unit;
    if (selectorByte(codePoint) !== null) return this.#selectors(origin, codePoint);
    this.#put({ codePoint, origin, bits: 0 });
    return origin;
  }

  /** Variation selectors in a row choose nothing: they carry bytes. */
  #selectors(last: number, codePoint: number): number {
    const bytes: number[] = [];
    let origin = last;
    let next: number | null = selectorByte(codePoint);
    while (next !== null) {
      bytes.push(next);
      const width = (this.#text.charCodeAt(origin - 1) & 0xfc00) === 0xdc00 ? 2 : 1;
      next = origin - width < 0 ? null : selectorByte(this.#text.codePointAt(origin - width) ?? 0);
      if (next !== null) origin -= width;
    }
    const hides = bytes.length >= SMUGGLED;
    if (hides || this.#hides(origin)) this.#out.removed(INVISIBLE);
    const carried = hides ? [...Buffer.from(bytes.reverse()).toString('utf8')].reverse() : [];
    for (const character of carried) this.#put({ codePoint: character.codePointAt(0) ?? 0, origin, bits: INVISIBLE });
    return origin;
  }

  /** Puts a character in front; a decoded one is a character in its turn. */
  #put(first: Incoming): void {
    const waiting = [first];
    for (let incoming = waiting.pop(); incoming !== undefined; incoming = waiting.pop()) {
      const { codePoint, origin, bits } = incoming;
      if (codePoint < 0x20 || (codePoint >= 0x7f && codePoint < 0xa0 && codePoint !== 0x85)) this.#control(incoming);
      else if (codePoint < 0x80) waiting.push(...this.#ascii(incoming));
      else if (isMark(codePoint)) this.#marks.push(incoming);
      else if (taggedCode(codePoint) !== null)
        waiting.push({ codePoint: codePoint - 0xe0000, origin, bits: bits | INVISIBLE });
      else waiting.push(...this.#other(incoming));
    }
  }

  #control({ codePoint, origin, bits }: Incoming): void {
    if (codePoint === 9 || codePoint === LINE_FEED || codePoint === RETURN) {
      this.#erasures = 0;
      this.#settleMarks(null);
      this.#out.push(codePoint, origin, bits);
    } else if (codePoint === 11 || codePoint === 12) this.#control({ codePoint: LINE_FEED, origin, bits });
    else if (codePoint === BACKSPACE) this.#erase();
    else if (codePoint === 7) this.#terminate();
    else if (codePoint === ESC) this.#escape();
    else if (codePoint >= 0x80) this.#escape(codePoint - C1);
    this.#removedControl(codePoint);
  }

  #removedControl(codePoint: number): void {
    if (codePoint > 13 || codePoint < 9) this.#out.removed(ANSI);
  }

  #erase(): void {
    this.#settleMarks(null);
    this.#erasures += 1;
  }

  #terminate(): void {
    this.#settleMarks(null);
    this.#terminator = this.#out.size;
  }

  /** Takes away what ESC began; `opener` where ESC and it are one character. */
  #escape(opener?: number): void {
    this.#settleMarks(null);
    const shift = opener === undefined ? 1 : 0;
    const first = opener ?? this.#out.peek(0);
    if (first === 0x5c) {
      this.#out.pop(shift);
      this.#terminate();
    } else if (STRING_OPENERS.has(first)) this.#string();
    else {
      const front = (opener === undefined ? '' : String.fromCharCode(opener)) + this.#out.front(LONGEST_SEQUENCE);
      const found = CONTROL_SEQUENCE.exec(front) ?? SHORT_SEQUENCE.exec(front);
      if (found !== null) this.#pop(found[0].length - 1 + shift);
    }
  }

  #string(): void {
    const end = this.#terminator;
    if (end === null || end > this.#out.size || this.#out.size - end > LONGEST_STRING) return;
    this.#pop(this.#out.size - end);
    this.#terminator = null;
  }

  #pop(count: number): number {
    const bits = this.#out.pop(count);
    if (this.#terminator !== null && this.#terminator > this.#out.size) this.#terminator = null;
    return bits;
  }

  #ascii({ codePoint, origin, bits }: Incoming): Incoming[] {
    const opens = codePoint === 0x26 || codePoint === 0x25;
    if (opens && this.#erasures === 0) this.#settleMarks(null);
    const decoded = opens && this.#isIdle() ? this.#decoded(codePoint) : null;
    if (decoded !== null) return [{ codePoint: decoded.codePoint, origin, bits: bits | decoded.bits }];
    this.#place(String.fromCharCode(codePoint), { codePoint, origin, bits });
    return [];
  }

  #decoded(codePoint: number): { codePoint: number; bits: number } | null {
    return codePoint === 0x26 ? this.#reference() : this.#percent();
  }

  /** `&amp;`, `&#38;`, `&#x26;`. Nobody spells a letter in this way who does not mean to hide it. */
  #reference(): { codePoint: number; bits: number } | null {
    const found = REFERENCE.exec(spelled(this.#out.front(LONGEST_REFERENCE)));
    if (found === null) return null;
    const [whole, decimal, hex, rotated, name = ''] = found;
    const digits =
      hex ?? rotated?.replaceAll(/[n-s]/gi, (digit) => 'abcdef'.charAt((digit.charCodeAt(0) | 0x20) - 0x6e));
    const code = decimal === undefined ? Number.parseInt(digits ?? '', 16) : Number.parseInt(decimal, 10);
    const character = Number.isNaN(code) ? NAMED_REFERENCES.get(name) : characterOf(code);
    const decoded = character?.codePointAt(0);
    if (decoded === undefined) return null;
    const bits = this.#pop(whole.length);
    return { codePoint: decoded, bits: bits | (Number.isNaN(code) || !isHidingReference(decoded) ? 0 : ENTITY) };
  }

  #percent(): { codePoint: number; bits: number } | null {
    const lead = hexDigit(this.#out.peek(0)) * 16 + lastDigit(this.#out.peek(1));
    if (Number.isNaN(lead)) return null;
    if (lead < 0x80) return { codePoint: lead, bits: this.#pop(2) | PERCENT };
    const width = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    const front = spelled(this.#out.front(width * 3 - 1));
    const bytes = `%${front}`.match(/%[0-9a-fA-F]{2}/g) ?? [];
    if (bytes.length !== width || `%${front}` !== bytes.join('')) return null;
    const character = Buffer.from(bytes.join('').replaceAll('%', ''), 'hex').toString('utf8');
    const codePoint = character.codePointAt(0) ?? 0xfffd;
    if (codePoint === 0xfffd) return null;
    return { codePoint, bits: this.#pop(front.length) | PERCENT };
  }

  #other(incoming: Incoming): Incoming[] {
    const { codePoint, origin, bits } = incoming;
    const form = this.#formOf(codePoint);
    if (form === '') {
      if (this.#hides(origin)) this.#out.removed(INVISIBLE);
      return [];
    }
    const character = String.fromCodePoint(codePoint);
    if (form === character) {
      if (codePoint < 0x10000 && (codePoint & 0xf800) !== 0xd800) this.#inert[codePoint] = 1;
      this.#place(form, incoming);
      return [];
    }
    const disguise = isDisguise(form) ? UNICODE : 0;
    return [...form].map((each) => ({ codePoint: each.codePointAt(0) ?? 0, origin, bits: bits | disguise }));
  }

  #formOf(codePoint: number): string {
    const known = this.#forms.get(codePoint);
    if (known !== undefined) return known;
    const form = IGNORABLE.test(String.fromCodePoint(codePoint)) ? '' : formOf(codePoint);
    this.#forms.set(codePoint, form);
    return form;
  }

  /** A byte order mark opens a text; joiners and selectors belong to emoji and to scripts that have them, not after ASCII. */
  #hides(origin: number): boolean {
    if (origin === 0) return this.#text.charCodeAt(0) !== 0xfeff;
    const before = this.#text.charCodeAt(origin - 1);
    return before < 0x80 || IGNORABLE.test(String.fromCharCode(before));
  }

  /** Puts a character in front that nothing more can be made of, with the marks that it bears. */
  #place(character: string, { origin, bits }: Incoming): void {
    if (this.#erasures > 0) {
      this.#erasures -= 1;
      this.#marks = [];
      this.#out.removed(ANSI);
      return;
    }
    if (this.#marks.length > 0) this.#settleMarks({ character, origin, bits });
    else this.#push(character, origin, bits);
  }

  #push(text: string, origin: number, bits: number): void {
    for (let index = text.length - 1; index >= 0; index -= 1) this.#out.push(text.charCodeAt(index), origin, bits);
  }

  /** Marks that make an accented letter of the one that bears them stay; marks stacked upon Latin letters go. */
  #settleMarks(base: { character: string; origin: number; bits: number } | null): void {
    const marks = this.#marks.reverse();
    this.#marks = [];
    if (base === null || /^\P{L}$/u.test(base.character)) {
      if (marks.length > 0) this.#out.removed(UNICODE);
      if (base !== null) this.#push(base.character, base.origin, base.bits);
      return;
    }
    const kept = marks.slice(0, MOST_MARKS).map(({ codePoint }) => String.fromCodePoint(codePoint));
    const composed = (base.character + kept.join('')).normalize('NFC');
    const isLatin = /^\p{Script=Latin}/u.test(base.character);
    const [letter = base.character] = composed;
    const stays = isLatin ? letter : composed;
    if (stays !== composed || marks.length > MOST_MARKS) this.#out.removed(UNICODE);
    this.#push(stays, base.origin, base.bits | (stays === composed ? 0 : UNICODE));
  }
}

function characterOf(code: number): string | undefined {
  return code > 0 && code <= 0x10ffff && (code & 0xfff800) !== 0xd800 ? String.fromCodePoint(code) : undefined;
}

function isHidingReference(codePoint: number): boolean {
  return /^[\p{L}\p{N}\p{C}]$/u.test(String.fromCodePoint(codePoint));
}

/** Of an escape that was rotated with the letters around it too. */
function lastDigit(written: number): number {
  const letter = written | 0x20;
  return letter >= 0x6e && letter <= 0x73 ? letter - 0x6e + 10 : hexDigit(written);
}

function hexDigit(written: number): number {
  const unit = written < 0x80 ? written : (LOOKALIKES.get(String.fromCharCode(written))?.charCodeAt(0) ?? 0);
  if (unit >= 0x30 && unit <= 0x39) return unit - 0x30;
  const letter = unit | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : Number.NaN;
}
