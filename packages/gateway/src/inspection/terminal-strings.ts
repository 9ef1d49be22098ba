/** Escape, and the controls that stand for it with the character that follows. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
const SOME = /[\x1b\x90\x98\x9b-\x9f]/;
/** Sequences that say how something looks, what opens and closes a string for the terminal itself, and escape alone. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
const SEQUENCES = /(?:\x1b\[|\x9b)[0-?]{0,64}[ -/]{0,8}[@-~]|\x1b[\]PX^_\\]|[\x1b\x90\x98\x9c-\x9f\x07]/g;

/**
 * A text as it reads to whoever is shown no terminal: a title that a terminal would set, or a string that it would swallow, is text to a
 * model. As long as the original, with invisible characters where sequences stand; null where there are none.
 */
export function withTerminalStrings(text: string): string | null {
  return SOME.test(text) ? text.replaceAll(SEQUENCES, (sequence) => '\u200b'.repeat(sequence.length)) : null;
}
