/** What no reader sees: default-ignorable characters (zero width, tags, variation selectors, soft hyphens) and bidi controls. */
export const IGNORABLE = /[\p{Default_Ignorable_Code_Point}\p{Bidi_Control}]/u;

/** Marks that stack over and under any letter. Those of living scripts (vowel signs, points, harakat) are others. */
const MARKS: readonly (readonly [from: number, to: number])[] = [
  [0x300, 0x36f],
  [0x1ab0, 0x1aff],
  [0x1dc0, 0x1dff],
  [0x20d0, 0x20ff],
  [0xfe20, 0xfe2f],
];
/** Letters in boxes that NFKC leaves as they are: negative circled, negative squared, regional indicators. */
const BOXED_LETTERS = [0x1f150, 0x1f170, 0x1f1e6];

/** What is longer is a phrase or a word of some script in one character, with which nothing is spelled. */
const LONGEST_FORM = 4;

const LETTER = /^[a-z]$/i;

/** Whether a text of other than ASCII may hold something for the rewriter beside what NFKC changes. */
export const UNUSUAL = new RegExp(
  String.raw`[\p{Default_Ignorable_Code_Point}\p{Bidi_Control}${classOf(MARKS)}${classOf(boxes())}\u0080-\u009f\u2028\u2029]`,
  'u',
);

export function isMark(codePoint: number): boolean {
  return codePoint >= 0x300 && MARKS.some(([from, to]) => codePoint >= from && codePoint <= to);
}

/** The compatibility form of one character other than ASCII; white space that breaks a line is a line feed. */
export function formOf(codePoint: number): string {
  if (codePoint === 0x2028 || codePoint === 0x2029 || codePoint === 0x85) return '\n';
  const box = BOXED_LETTERS.find((first) => codePoint >= first && codePoint < first + 26);
  if (box !== undefined) return String.fromCharCode(0x41 + codePoint - box);
  const character = String.fromCodePoint(codePoint);
  const form = character.normalize('NFKC');
  return form.length > LONGEST_FORM ? character : form;
}

/** Whether the form disguises a letter: whoever types a ligature, a fraction or a hard space hides nothing. */
export function isDisguise(form: string): boolean {
  return LETTER.test(form);
}

/** The byte that a variation selector can be made to carry; null: it is none. */
export function selectorByte(codePoint: number): number | null {
  if (codePoint >= 0xfe00 && codePoint <= 0xfe0f) return codePoint - 0xfe00;
  return codePoint >= 0xe0100 && codePoint <= 0xe01ef ? codePoint - 0xe0100 + 16 : null;
}

/** The ASCII character that a tag character stands for; null: it is none, or stands for nothing. */
export function taggedCode(codePoint: number): number | null {
  return codePoint >= 0xe0020 && codePoint <= 0xe007e ? codePoint - 0xe0000 : null;
}

function boxes(): (readonly [from: number, to: number])[] {
  return BOXED_LETTERS.map((first) => [first, first + 25]);
}

function classOf(ranges: readonly (readonly [from: number, to: number])[]): string {
  return ranges.map((range) => range.map((end) => `\\u{${end.toString(16)}}`).join('-')).join('');
}
