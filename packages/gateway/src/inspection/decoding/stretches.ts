import { LOOKALIKES } from '../normal/lookalikes.ts';

/** Which UTF-16 units belong to an alphabet; look-alikes of its letters do too. */
export type Alphabet = Uint8Array;

export function alphabetOf(characters: string): Alphabet {
  const units = new Uint8Array(0x10000);
  for (const character of characters) units[character.charCodeAt(0)] = 1;
  for (const [other, letter] of LOOKALIKES) units[other.charCodeAt(0)] = units[letter.charCodeAt(0)] ?? 0;
  return units;
}

/**
 * The longest stretches of an alphabet that are `least` long or longer. Looks at every `least`th unit and goes back from there, so
 * that a text without any is hardly read.
 */
export function stretches(text: string, alphabet: Alphabet, least: number): { start: number; end: number }[] {
  const found: { start: number; end: number }[] = [];
  let from = 0;
  while (from + least <= text.length) {
    let index = from + least - 1;
    while (index >= from && alphabet[text.charCodeAt(index)] === 1) index -= 1;
    if (index >= from) {
      from = index + 1;
      continue;
    }
    const start = from;
    from += least;
    while (from < text.length && alphabet[text.charCodeAt(from)] === 1) from += 1;
    found.push({ start, end: from });
  }
  return found;
}
