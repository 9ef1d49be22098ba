/** Words that stand where a secret will be. */
const WORDS =
  /example|placeholder|change-?_?me|dummy|sample|redacted|your[-_]|[-_]here$|insert|replace|x{6}|\*{4}|\.{4}|<[^>]*>|\$\{?\(?[a-z_]|\{\{|%[a-z_]+%|process\.env|os\.environ|getenv|^\$/i;

/** Whether a value stands for a secret that is not there: `<your-key>`, `${TOKEN}`, `xxxxxxxx`, `AKIA…EXAMPLE`. */
export function isPlaceholder(value: string): boolean {
  return WORDS.test(value) || repeats(value) || climbs(value);
}

/** Whether it could have been drawn at random: no placeholder, and many different characters for its length. */
export function looksRandom(value: string): boolean {
  return !isPlaceholder(value) && entropy(value) >= Math.min(3, 0.75 * Math.log2(value.length));
}

/** Shannon's, of single characters, in bits each. */
function entropy(value: string): number {
  const counts = new Map<string, number>();
  for (const char of value) counts.set(char, (counts.get(char) ?? 0) + 1);
  let sum = 0;
  for (const count of counts.values()) sum -= (count / value.length) * Math.log2(count / value.length);
  return sum;
}

const LONGEST_PERIOD = 12;

/** Whether the greater part of it is one short text over and over. */
function repeats(value: string): boolean {
  for (let period = 1; period <= LONGEST_PERIOD && 3 * period <= value.length; period++) {
    let same = 0;
    for (let at = period; at < value.length; at++) if (value[at] === value[at - period]) same++;
    if (3 * same >= 2 * value.length) return true;
  }
  return false;
}

const LONGEST_CLIMB = 16;

/** Whether the alphabet or the digits stand in it in their order. */
function climbs(value: string): boolean {
  for (let at = 1, run = 1; at < value.length; at++) {
    run = value.charCodeAt(at) - value.charCodeAt(at - 1) === 1 ? run + 1 : 1;
    if (run >= LONGEST_CLIMB) return true;
  }
  return false;
}
