/** What is not seen, moves the cursor or turns the writing round. */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu;

/**
 * JSON as it is safe to look at (ASI-09): each such character is written as `\u{…}`. In JSON a backslash is written twice, so that what is
 * written here cannot be forged by the text.
 */
export function plainly(json: string): string {
  return json.replace(UNSEEN, (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`);
}
