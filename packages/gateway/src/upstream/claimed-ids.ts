const EXCERPT = 1024;
const ID = /"id"\s*:\s*"([^"\\]{1,256})"/g;

/**
 * The request ids that a message which cannot be read names near its start or end. Only used to fail those calls at once
 * instead of at their time-out; a quoted `"id"` inside a JSON string is escaped there and does not match.
 */
export function claimedIds(message: Buffer): string[] {
  const head = message.toString('latin1', 0, EXCERPT);
  const tail = message.length > EXCERPT ? message.toString('latin1', Math.max(EXCERPT, message.length - EXCERPT)) : '';
  return [head, tail].flatMap((text) => [...text.matchAll(ID)].map((match) => match[1] ?? ''));
}
