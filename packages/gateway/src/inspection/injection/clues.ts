import { type StemHit, Stems, TURNS } from './stems.ts';

/** Words that stand near one another in every match of a rule, in either order. */
export interface Pair {
  one: readonly string[];
  other: readonly string[];
}

/** What has to stand in a text before a rule is tried on it: letters alone. */
export interface Clued {
  /** Each is enough by itself. */
  stems: readonly string[];
  pairs?: readonly Pair[];
  /** One of these characters stands close to the stem. */
  beside?: string;
}

/** Part of a text in which a rule is worth trying, in one turn. */
export interface Place {
  rule: number;
  turn: number;
  from: number;
  to: number;
  /** Whether something other than letters stands between the letters of a word. */
  isSplit: boolean;
}

/** Letters that two words of a pair may be apart. */
const APART = 160;
/** Places that are nearer to one another are one. */
const NEAR = 400;
/** How close a sign stands beside a stem. */
const BESIDE = 3;

/** What a stem is to a rule: enough, or one side of a pair. */
interface Role {
  rule: number;
  /** Number of the pair among all; -1: the stem is enough. */
  pair: number;
  side: 0 | 1;
}

/** Finds where rules are worth trying, in one pass over a text. */
export class Clues {
  readonly #stems: Stems;
  readonly #roles: readonly (readonly Role[])[];
  readonly #beside: readonly (string | null)[];
  readonly #pairs: number;

  constructor(rules: readonly Clued[]) {
    const roles = new Map<string, Role[]>();
    let pairs = 0;
    for (const [rule, { stems, pairs: ownPairs = [] }] of rules.entries()) {
      for (const stem of stems) push(roles, stem, { rule, pair: -1, side: 0 });
      for (const { one, other } of ownPairs) {
        for (const stem of one) push(roles, stem, { rule, pair: pairs, side: 0 });
        for (const stem of other) push(roles, stem, { rule, pair: pairs, side: 1 });
        pairs += 1;
      }
    }
    this.#stems = new Stems([...roles.keys()]);
    this.#roles = [...roles.values()];
    this.#pairs = pairs;
    this.#beside = rules.map(({ beside = null }) => beside);
  }

  places(text: string, letters: Uint8Array): Place[] {
    const hits = this.#stems.hits(text, letters);
    if (hits.length === 0) return [];
    const places = new Places();
    // Of each side of each pair in each turn the last hit.
    const last: (StemHit | undefined)[] = new Array(this.#pairs * 2 * TURNS.length);
    for (const hit of hits) {
      for (const { rule, pair, side } of this.#roles[hit.stem] ?? []) {
        if (pair === -1) {
          if (isBeside(text, hit, this.#beside[rule] ?? null)) places.add(rule, hit, hit);
          continue;
        }
        const at = (hit.turn * this.#pairs + pair) * 2;
        last[at + side] = hit;
        const other = last[at + 1 - side];
        if (other !== undefined && hit.letters - other.letters <= APART) places.add(rule, other, hit);
      }
    }
    return places.all;
  }
}

function isBeside(text: string, { start, end }: StemHit, signs: string | null): boolean {
  if (signs === null) return true;
  for (let at = 1; at <= BESIDE; at += 1) {
    if (signs.includes(text.charAt(start - at) || ' ') || signs.includes(text.charAt(end + at - 1) || ' ')) return true;
  }
  return false;
}

class Places {
  readonly all: Place[] = [];
  readonly #open = new Map<number, Place>();

  add(rule: number, first: StemHit, last: StemHit): void {
    const key = rule * TURNS.length + last.turn;
    const from = Math.min(first.start, last.start);
    const isSplit = first.isSplit || last.isSplit;
    const open = this.#open.get(key);
    if (open !== undefined && from - open.to <= NEAR) {
      open.from = Math.min(open.from, from);
      open.to = Math.max(open.to, last.end);
      open.isSplit ||= isSplit;
      return;
    }
    const place = { rule, turn: last.turn, from, to: last.end, isSplit };
    this.#open.set(key, place);
    this.all.push(place);
  }
}

function push(roles: Map<string, Role[]>, stem: string, role: Role): void {
  const known = roles.get(stem);
  if (known === undefined) roles.set(stem, [role]);
  else known.push(role);
}
