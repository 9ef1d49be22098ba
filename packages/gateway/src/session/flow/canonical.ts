/** Canonical code of each ASCII character: letters in lower case and digits; 0 for what does not count. */
const ASCII = Uint16Array.from({ length: 128 }, (_, code) => {
  const character = String.fromCharCode(code).toLowerCase();
  return /[a-z0-9]/.test(character) ? character.charCodeAt(0) : 0;
});

/** The canonical code of an ASCII character; 0 for what is left out. */
export function asciiCode(code: number): number {
  return ASCII[code] ?? 0;
}

/**
 * What is compared of a text: letters and digits, compatibility forms resolved (NFKD), without accents and case. Marks, separators,
 * punctuation and what is invisible are left out. Applying it twice changes nothing, and that of two texts is that of both joined.
 */
export function canonical(text: string): string {
  return text
    .normalize('NFKD')
    .toUpperCase()
    .toLowerCase()
    .normalize('NFKD')
    .replaceAll(/[^\p{L}\p{N}]+/gu, '')
    .replaceAll('ς', 'σ');
}

/** A number by its value, as digits: without sign and point, and without the zeros that a point or an exponent may bring along. */
export function numberDigits(lexeme: string): string {
  const [, whole = '', fraction = '', exponent = '0'] = /^-?(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(lexeme) ?? [];
  const digits = `${whole}${fraction}`;
  const point = whole.length + Number(exponent);
  const zeros = Math.min(Math.max(0, point - digits.length), MAX_ZEROS);
  const written = digits + '0'.repeat(zeros);
  const afterPoint = Math.max(0, Math.min(written.length, written.length - point));
  const trimmed =
    written.slice(0, written.length - afterPoint) + written.slice(written.length - afterPoint).replace(/0+$/, '');
  return trimmed.replace(/^0+/, '');
}

/** More zeros than a number has digits say nothing more. */
const MAX_ZEROS = 24;
