const TAGS = /[\u{E0020}-\u{E007E}]/u;
const FIRST_TAG = 0xe0000;

/**
 * What is written in tag characters by itself: they are seen by nobody, and would else run into the word before. As long as the
 * original; null where there are none.
 */
export function tagTextAlone(text: string): string | null {
  if (!TAGS.test(text)) return null;
  // Each takes two units, of which the second is an invisible character.
  return text.replaceAll(/[\s\S]/gu, (char) =>
    TAGS.test(char) ? `${String.fromCharCode((char.codePointAt(0) ?? 0) - FIRST_TAG)}\u200b` : ' '.repeat(char.length),
  );
}
