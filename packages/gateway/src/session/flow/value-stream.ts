import { asciiCode, canonical } from './canonical.ts';
import { type Makeup, tellingDigits, tellsEnough } from './telling.ts';
import { SHORTEST } from './window-key.ts';

/** Words up to which capitals make a name. */
const NAME_WORDS = 5;
/** Characters that groups of digits of one number are kept apart by. */
const GAP = 2;

const MAX_DIGITS = 64;

/** Within a word: nothing, for what is compared. */
const JOINERS = new Set(["'", '-', '.', '_', '+', '@'].map((character) => character.charCodeAt(0)));
/** After these something else begins. */
const CELL_ENDS = new Set(['\n', '\r', '\t', ',', ';', '|', ':', '"'].map((character) => character.charCodeAt(0)));
const [COMMA, POINT, AT, ZERO, NINE] = [0x2c, 0x2e, 0x40, 0x30, 0x39];

/**
 * Texts in canonical form, one after the other, and where in them there are values that stand for themselves: each text as a whole, and
 * in it ids, addresses, numbers, and names in cells of their own.
 */
export class ValueStream {
  codes = new Uint16Array(512);
  length = 0;
  /** Start, length, and 1 for an id, of each value; in triples. */
  readonly values: number[] = [];

  add(text: string): void {
    readInto(this, text);
  }

  push(code: number): void {
    if (this.length === this.codes.length) {
      const larger = new Uint16Array(2 * this.codes.length);
      larger.set(this.codes);
      this.codes = larger;
    }
    this.codes[this.length] = code;
    this.length += 1;
  }

  /** Notes a value, unless it is the one before. */
  note(start: number, end: number, isId: boolean): void {
    const { values } = this;
    const length = end - start;
    if (length < SHORTEST || (values.at(-3) === start && values.at(-2) === length)) return;
    values.push(start, length, isId ? 1 : 0);
  }

  text(start: number, end: number): string {
    return String.fromCharCode(...this.codes.subarray(start, end));
  }
}

/** A stretch of a text, with what it is made of. */
interface Stretch extends Makeup {
  start: number;
}

const begun = (start: number): Stretch => ({
  start,
  digits: 0,
  mixed: 0,
  letters: 0,
  wide: 0,
  words: 0,
  capitalised: 0,
  address: false,
});

function readInto(stream: ValueStream, text: string): void {
  const reader = new TextReader(stream);
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code < 128) {
      const own = asciiCode(code);
      if (own !== 0) reader.character(own, own !== code);
      else if (JOINERS.has(code) || (code === COMMA && groupsThousands(text, at))) reader.joiner(code);
      else reader.separator(code);
      continue;
    }
    let end = at + 1;
    while (end < text.length && text.charCodeAt(end) >= 128) end += 1;
    reader.foreign(text.slice(at, end));
    at = end - 1;
  }
  reader.end();
}

/** `1,234,567.00` is one number, `12,34` two. */
function groupsThousands(text: string, comma: number): boolean {
  const digit = (at: number): boolean => text.charCodeAt(at) >= ZERO && text.charCodeAt(at) <= NINE;
  const after = digit(comma + 1) && digit(comma + 2) && digit(comma + 3) && !digit(comma + 4);
  return after && digit(comma - 1) && !(digit(comma - 2) && digit(comma - 3) && digit(comma - 4));
}

/** Reads one text into a stream: words, groups of digits, cells, and the whole. */
class TextReader {
  readonly #stream: ValueStream;
  readonly #whole: Stretch;
  #cell: Stretch;
  #word: Stretch;
  /** Where the fraction of a decimal number begins; -1: it has none. */
  #fraction = -1;
  /** Where the first of several groups of digits began, how many there are, and how far the last one is away. */
  #group = { start: 0, words: 0, digits: 0, end: 0, gap: 0 };

  constructor(stream: ValueStream) {
    this.#stream = stream;
    this.#whole = begun(stream.length);
    this.#cell = begun(stream.length);
    this.#word = begun(stream.length);
  }

  character(code: number, capital: boolean): void {
    const word = this.#word;
    if (capital && this.#stream.length === word.start) word.capitalised = 1;
    if (code <= NINE) word.digits += 1;
    else word.letters += 1;
    this.#stream.push(code);
  }

  joiner(code: number): void {
    if (code === AT) this.#word.address = true;
    if (code === POINT) this.#fraction = this.#stream.length;
  }

  /** What is not ASCII: letters of other scripts belong to the word, what is invisible does not end it. */
  foreign(text: string): void {
    const folded = canonical(text);
    if (folded === '' && /[\p{Z}\p{P}\p{S}]/u.test(text)) this.separator(0);
    const capital = /^\p{Lu}/u.test(text);
    for (let index = 0; index < folded.length; index += 1) {
      const code = folded.charCodeAt(index);
      this.character(code, capital);
      if (code >= 0x2e80) this.#word.wide += 1;
    }
  }

  separator(code: number): void {
    this.#endWord();
    this.#group.gap += 1;
    if (CELL_ENDS.has(code)) this.#endCell();
  }

  end(): void {
    this.#endWord();
    this.#endCell();
    const end = this.#stream.length;
    if (end > this.#whole.start && tellsEnough(this.#telling(this.#whole, end))) {
      this.#stream.note(this.#whole.start, end, false);
    }
  }

  #endWord(): void {
    const { length: end } = this.#stream;
    const word = this.#word;
    if (end === word.start) return;
    word.words = 1;
    if (word.digits > 0) [word.mixed, word.letters] = [word.letters - word.wide, word.wide];
    if ((word.digits > 0 || word.address) && tellsEnough(this.#telling(word, end))) {
      this.#stream.note(word.start, end, true);
    }
    if (word.digits === end - word.start) this.#endNumber(word, end);
    else this.#endGroup();
    add(this.#cell, word);
    this.#word = begun(end);
    this.#fraction = -1;
  }

  /** By value, a decimal number is the same without zeros around it. */
  #endNumber({ start, digits }: Stretch, end: number): void {
    const { codes } = this.#stream;
    if (this.#fraction > start) {
      let [first, last] = [start, end];
      while (last > this.#fraction && codes[last - 1] === ZERO) last -= 1;
      while (first < last && codes[first] === ZERO) first += 1;
      if (this.#digitsIn(first, last) >= SHORTEST) this.#stream.note(first, last, true);
    }
    if (this.#group.words > 0 && this.#group.gap > GAP) this.#endGroup();
    if (this.#group.words === 0) this.#group = { start, words: 0, digits: 0, end, gap: 0 };
    this.#group.words += 1;
    this.#group.digits += digits;
    this.#group.end = end;
    this.#group.gap = 0;
  }

  #endGroup(): void {
    const { start, end, words } = this.#group;
    if (words > 1 && this.#digitsIn(start, end) >= SHORTEST) this.#stream.note(start, end, true);
    this.#group = { start: 0, words: 0, digits: 0, end: 0, gap: 0 };
  }

  #endCell(): void {
    this.#endGroup();
    const { length: end } = this.#stream;
    const cell = this.#cell;
    const isName = cell.words > 1 && cell.words <= NAME_WORDS && cell.capitalised === cell.words && cell.digits === 0;
    if (isName && tellsEnough(cell)) this.#stream.note(cell.start, end, false);
    add(this.#whole, cell);
    this.#cell = begun(end);
  }

  /** How many tell something; of very many, the first do. */
  #digitsIn(start: number, end: number): number {
    return tellingDigits(this.#stream.text(start, Math.min(end, start + MAX_DIGITS)));
  }

  /** The zeros around a number, and what names a day, tell nothing. */
  #telling(stretch: Stretch, end: number): Makeup {
    if (stretch.digits !== end - stretch.start) return stretch;
    return { ...stretch, digits: this.#digitsIn(stretch.start, end) };
  }
}

function add(to: Stretch, part: Stretch): void {
  to.digits += part.digits;
  to.mixed += part.mixed;
  to.letters += part.letters;
  to.wide += part.wide;
  to.words += part.words;
  to.capitalised += part.capitalised;
}
