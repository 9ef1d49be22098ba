import { type Lead, LONGEST_RUN, type ValueRule } from './rule.ts';

/** Says which rules are to be tried where. */
export type Visit = (rule: number, at: number) => void;

/**
 * One pass over a text that finds where rules are to be tried: their literals, by a table of three folded characters, and the
 * beginnings of runs of digits. What makes a text without any of them cost next to nothing.
 */
export function triggerFinder(rules: readonly ValueRule[]): (text: string, visit: Visit) => void {
  const table = new Uint16Array(1 << (3 * CODE_BITS));
  const singles = new Map<number, Anchor[]>();
  const buckets = anchorBuckets(rules, table, singles);
  const byRun = digitRules(rules);
  return (text, visit) => {
    let window = 0;
    let run = 0;
    for (let at = 0; at <= text.length; at++) {
      const unit = at < text.length ? text.charCodeAt(at) : 0;
      const code = unit < 128 ? (CODES[unit] as number) : 0;
      if (code > LAST_LETTER && code <= LAST_DIGIT) run++;
      else if (run > 0) {
        visitRun(text, at - run, run, byRun, visit);
        run = 0;
      }
      window = ((window << CODE_BITS) | code) & WINDOW;
      const bucket = table[window] as number;
      if (bucket !== 0) visitAnchors(text, at - 2, buckets[bucket] as Anchor[], visit);
      if (code >= FIRST_SINGLE) visitAnchors(text, at, singles.get(unit) as Anchor[], visit);
    }
  };
}

interface Anchor {
  literal: string;
  rule: number;
  /** How far in the literal the characters stand that it is looked up by. */
  offset: number;
}

const CODE_BITS = 6;
const WINDOW = (1 << (3 * CODE_BITS)) - 1;
const LAST_LETTER = 26;
const LAST_DIGIT = LAST_LETTER + 10;
const SINGLES = '@+';
const FOLDED = `abcdefghijklmnopqrstuvwxyz0123456789-_:/.~="'#,; \t<%&()[]$|${SINGLES}`;
const FIRST_SINGLE = FOLDED.length - SINGLES.length + 1;

/** A small number for each ASCII character that a literal may have, the same for both cases; 0: any other. */
const CODES = Uint8Array.from(
  { length: 128 },
  (_, unit) => FOLDED.indexOf(String.fromCharCode(unit).toLowerCase()) + 1,
);

function anchorBuckets(rules: readonly ValueRule[], table: Uint16Array, singles: Map<number, Anchor[]>): Anchor[][] {
  const buckets: Anchor[][] = [[]];
  for (const single of SINGLES) singles.set(single.charCodeAt(0), []);
  for (const [rule, { trigger }] of rules.entries()) {
    for (const literal of 'anchors' in trigger ? trigger.anchors : []) {
      const single = singles.get(literal.charCodeAt(0));
      const offset = single === undefined ? rarestIn(literal) : 0;
      (single ?? bucketOf(literal, offset, table, buckets)).push({ literal, rule, offset });
    }
  }
  return buckets;
}

function bucketOf(literal: string, offset: number, table: Uint16Array, buckets: Anchor[][]): Anchor[] {
  const codes = [0, 1, 2].map((index) => CODES[literal.charCodeAt(offset + index)] ?? 0);
  if (codes.includes(0)) throw new RangeError(`a literal of a rule cannot be looked for: ${literal}`);
  const key = codes.reduce((window, code) => (window << CODE_BITS) | code, 0);
  if (table[key] === 0) table[key] = buckets.push([]) - 1;
  return buckets[table[key] as number] as Anchor[];
}

/** Letters of English from the most frequent; what is no letter is rarer than any. */
const FREQUENT = ' etaoinshrdlcumwfgypbvkjxqz';

/** Where the three characters of a literal begin that prose has the least. */
function rarestIn(literal: string): number {
  const rarities = [...literal].map(
    (char) => (FREQUENT.includes(char) ? FREQUENT.indexOf(char) : FREQUENT.length) ** 2,
  );
  let rarest = 0;
  let most = -1;
  for (let offset = 0; offset + 3 <= literal.length; offset++) {
    const sum = (rarities[offset] ?? 0) + (rarities[offset + 1] ?? 0) + (rarities[offset + 2] ?? 0);
    if (sum > most) [rarest, most] = [offset, sum];
  }
  return rarest;
}

/** Rules by the length of a run of digits: those that begin with it, and those that begin with letters before it. */
interface RunRules {
  plain: number[][];
  lettered: number[][];
}

function digitRules(rules: readonly ValueRule[]): RunRules {
  const none = (): number[][] => Array.from({ length: LONGEST_RUN + 1 }, () => []);
  const byRun = { plain: none(), lettered: none() };
  for (const [index, { trigger }] of rules.entries()) {
    if (!('digits' in trigger)) continue;
    for (const length of trigger.digits) byRun[trigger.letters ? 'lettered' : 'plain'][length]?.push(index);
  }
  return byRun;
}

/** Runs this long may be a value by themselves; a shorter one is a part of it at most. */
const WHOLE_RUN = 6;

function visitRun(text: string, at: number, run: number, { plain, lettered }: RunRules, visit: Visit): void {
  const length = Math.min(run, LONGEST_RUN);
  if (run >= WHOLE_RUN || goesOn(text, at + run)) for (const rule of plain[length] as number[]) visit(rule, at);
  if (at > 0 && isLetter(text.charCodeAt(at - 1))) for (const rule of lettered[length] as number[]) visit(rule, at);
}

const GROUP_SIGNS = ' .-()/';

/** Whether digits in groups may go on at `at`. */
function goesOn(text: string, at: number): boolean {
  if (!GROUP_SIGNS.includes(text.charAt(at)) || at + 1 >= text.length) return false;
  const next = text.charCodeAt(at + 1);
  return (next >= 48 && next <= 57) || GROUP_SIGNS.includes(text.charAt(at + 1));
}

function isLetter(unit: number): boolean {
  return (unit | 32) >= 97 && (unit | 32) <= 122;
}

function visitAnchors(text: string, at: number, anchors: readonly Anchor[], visit: Visit): void {
  for (const { literal, rule, offset } of anchors) {
    if (standsAt(text, at - offset, literal)) visit(rule, at - offset);
  }
}

function standsAt(text: string, at: number, literal: string): boolean {
  for (let index = 0; index < literal.length; index++) {
    const unit = text.charCodeAt(at + index);
    const folded = unit >= 65 && unit <= 90 ? unit + 32 : unit;
    if (folded !== literal.charCodeAt(index)) return false;
  }
  return true;
}

/** Says where the pattern of a rule begins whose trigger stands at `at`; negative: before the text. */
export function patternStarts(rules: readonly ValueRule[]): (text: string, at: number, rule: number) => number {
  const backs = rules.map(
    ({ trigger }) => ('digits' in trigger ? (trigger.letters ?? trigger.back) : trigger.back) ?? 0,
  );
  const leads = rules.map(({ trigger }) => ('anchors' in trigger && trigger.lead ? leading(trigger.lead) : null));
  return (text, at, rule) => leads[rule]?.(text, at) ?? at - (backs[rule] as number);
}

/** Walks back over what may stand before a literal. */
function leading({ chars, most }: Lead): (text: string, at: number) => number {
  const ascii = Array.from({ length: 128 }, (_, unit) => chars.test(String.fromCharCode(unit)));
  return (text, at) => {
    let start = at;
    for (; start > 0 && at - start < most; start--) {
      const unit = text.charCodeAt(start - 1);
      if (!(unit < 128 ? ascii[unit] : chars.test(text.charAt(start - 1)))) break;
    }
    return start;
  };
}
