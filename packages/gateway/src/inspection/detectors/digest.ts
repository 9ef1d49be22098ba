/** A digest in hexadecimal digits, by its length, or a UUID. */
const DIGEST = /^(?:[0-9a-f]{32}|[0-9a-f]{40}|[0-9a-f]{56}|[0-9a-f]{64}|[0-9a-f]{96}|[0-9a-f]{128})$/i;
const UUID = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/i;
const LONGEST = 128;
const HEX = /[0-9A-Fa-f]/;
const HEX_OR_HYPHEN = /[0-9A-Fa-f-]/;
const WORD = /\w/;

/**
 * Whether what looks like a number of somebody's is a part of a digest, a UUID or an encoding: one digest in a hundred has somewhere in it
 * what passes for an account number.
 */
export function isPartOfAnother(text: string, start: number, end: number): boolean {
  return (
    isWithin(text, start, end, HEX, DIGEST) ||
    isWithin(text, start, end, HEX_OR_HYPHEN, UUID) ||
    isWithinEncoded(text, start, end)
  );
}

function isWithin(text: string, start: number, end: number, unit: RegExp, form: RegExp): boolean {
  let first = start;
  let last = end;
  while (first > 0 && last - first <= LONGEST && unit.test(text.charAt(first - 1))) first -= 1;
  while (last < text.length && last - first <= LONGEST && unit.test(text.charAt(last))) last += 1;
  const run = text.slice(first, last);
  const isWord = !WORD.test(text.charAt(first - 1)) && !WORD.test(text.charAt(last));
  // Digits alone are no digest, however many.
  return run.length > end - start && isWord && form.test(run) && /[a-f]/i.test(run);
}

/** Nobody writes a number in both cases within a word. */
function isWithinEncoded(text: string, start: number, end: number): boolean {
  const value = text.slice(start, end);
  const inWord = WORD.test(text.charAt(start - 1)) || WORD.test(text.charAt(end));
  return inWord && /[a-z]/.test(value) && /[A-Z]/.test(value);
}
