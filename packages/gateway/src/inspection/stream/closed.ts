/** Longer messages are read with what follows them. */
const MAX_LENGTH = 512;
/** What names, spaces, figures and plain punctuation are written with: nothing that something can be encoded in or hidden by. */
const PLAIN = /^[\p{L}\p{M}\p{N} .,:;!?'"()/+%*_…‘’“”–—-]*$/u;
/** A word, or a small figure, and what may stand around it: what no value of anybody's ends with. */
const LAST = /(?:^|\s)["'(“‘]*(?:\p{L}{1,16}(?:['’_-]\p{L}{1,16}){0,3}|\d{1,3}(?:\/\d{1,3})?\s?%?)["')”’.!?…,:;]*\s*$/u;
/** Figures in groups go on with the next group. */
const GROUPS = /\d[\s.-]+\d{1,3}\s*$/;
/** A word begins what follows, so that nothing goes on into it that is not one. */
const BEGINS_WITH_WORD = /^\s*\p{L}{1,16}(?:\s|[.,:;!?…](?:\s|$))/u;
/** Words that instructions to a model begin with, and words that say that a value follows. */
const LEADS_ON = new RegExp(
  `\\b(?:${[
    'ignor(?:e|ing)|disregard|forget|overrid(?:e|ing)|bypass|pretend|reveal|exfiltrat(?:e|ing)|instead|obey|jailbreak|unrestricted',
    'you (?:are|must|should|will|can)|your|do not|don.?t|never|always|must|without|from now on|act as|new instructions?|previous|prior',
    'system|assistant|developer|prompt|begin|important|instructions?|tool|send|forward|upload',
    'pass(?:word|wd|phrase|code)?|secret|token|key|credentials?|bearer|authorization|login|ssn|social security|iban|account|card|pin|cvv|cvc',
  ].join('|')})\\b`,
  'i',
);

/**
 * Whether nothing that is looked for can begin in a short message and go on in the next: it is plain, it ends with a word or a small
 * figure, and it holds no word that leads on. Such messages are what progress mostly is, and need not wait for what follows.
 */
export function isClosed(text: string): boolean {
  if (text.length > MAX_LENGTH || !PLAIN.test(text) || LEADS_ON.test(text)) return false;
  return LAST.test(text) && !GROUPS.test(text);
}

/** Whether a message that could have gone on does not, because of what was said next. */
export function isClosedBy(text: string, next: string): boolean {
  return text.length <= MAX_LENGTH && !LEADS_ON.test(text) && BEGINS_WITH_WORD.test(next);
}
