/** Between two words: space, line break, quotes, dashes, markup; no end of a sentence. */
const BETWEEN = '[^a-z0-9.!?]{1,4}';
/** Up to four words, and what is between them. */
const WORDS = `(?:${BETWEEN}[^\\s.!?]{1,24}){0,4}${BETWEEN}`;
const PERHAPS = '[^a-z0-9.!?]{0,4}';
const WORDS_SQUEEZED = '[a-z]{0,24}';

/** A pattern for a text as it is read, and one for its letters alone. */
export interface Compiled {
  words: RegExp;
  letters: RegExp;
}

/**
 * The notation of rules: a regular expression over lower-case ASCII in which a space stands for what is between two words (` ?` where
 * there may be nothing), `[:]` for a colon, and `~` for up to four words.
 */
export function compiled(notation: string): Compiled {
  const words = notation.replaceAll('~', WORDS).replaceAll(' ?', PERHAPS).replaceAll(' ', BETWEEN);
  const letters = notation.replaceAll('~', WORDS_SQUEEZED).replaceAll(/ \??|@|'\??|\[:\]|\\b/g, '');
  return { words: new RegExp(`\\b${words}`, 'g'), letters: new RegExp(letters, 'g') };
}
