import { LOOKALIKES } from '../../../inspection/normal/lookalikes.ts';

/** What no reader sees: default-ignorable characters, and controls other than white space. */
export const UNSEEN = /[\p{Default_Ignorable_Code_Point}\p{Bidi_Control}]|(?![\t\n\r])\p{Cc}/gu;

const WORD = /[\p{L}\p{M}\p{N}]+/gu;
const LATIN = /[a-z]/i;

/** A text as a reader takes it: nothing unseen in it, look-alike letters as the letters that they look like. */
export function plainText(text: string): string {
  const seen = text.normalize('NFKC').replaceAll(UNSEEN, '');
  return [...seen].map((character) => LOOKALIKES.get(character) ?? character).join('');
}

/** The words that mix Latin letters with letters of another script that only look Latin. */
export function disguisedWords(text: string): string[] {
  const words = text.normalize('NFKC').match(WORD) ?? [];
  return words.filter((word) => LATIN.test(word) && [...word].some((letter) => LOOKALIKES.has(letter)));
}

/** A name as words: `readSshKey`, `read_ssh_key` and `read-ssh-key` say the same. */
export function spokenName(name: string): string {
  return name.replaceAll(/([a-z0-9])([A-Z])/g, '$1 $2').replaceAll(/[_\-./:]+/g, ' ');
}

/** The beginning of a text for a message: printable ASCII whatever the text holds, so that a report cannot be forged by it. */
export function excerpt(text: string, length = 60): string {
  const shown = printable(JSON.stringify(text.slice(0, length)));
  return text.length > length ? `${shown.slice(0, -1)}..."` : shown;
}

/** Everything but printable ASCII as in a JSON string. */
export function printable(text: string): string {
  return text.replaceAll(/[^ -~]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
