/** Characters of one text that are read in one go. */
export const SLICE = 16_384;
const MAX_WORD = 1024;

/** A text in slices. Not within a word where that can be helped, and never between the halves of one character. */
export function* slicesOf(text: string): Generator<string> {
  if (text.length <= SLICE) {
    yield text;
    return;
  }
  for (let from = 0; from < text.length; ) {
    const space = text.lastIndexOf(' ', from + SLICE) + 1;
    const pair = (text.charCodeAt(from + SLICE - 1) & 0xfc00) === 0xd800;
    const to = space > from + SLICE - MAX_WORD ? space : from + SLICE + (pair ? 1 : 0);
    yield text.slice(from, to);
    from = to;
  }
}
