import type { RE2JS } from 're2js';

/** As re2js compiles them (its `Inst`): what may come next, and which characters an instruction consumes. */
interface Instruction {
  op: number;
  out: number;
  arg: number;
  runes: ArrayLike<number>;
}

const ALTERNATIVES = [1, 2];
const FAIL = 5;
const MATCH = 6;
const SOME_CHARACTERS = [8, 9];
const ANY_CHARACTER = [10, 11];
const LAST_OF_ONE_UNIT = 0xffff;

/** UTF-16 units of the shortest and the longest text that a pattern matches; `longest` is Infinity where nothing bounds it. */
export interface MatchLength {
  shortest: number;
  longest: number;
}

const NOTHING: MatchLength = { shortest: Number.POSITIVE_INFINITY, longest: Number.NEGATIVE_INFINITY };

/** Read off the compiled program: it is a graph, and what bounds a match is that no way through it comes back. */
export function matchLength(pattern: RE2JS): MatchLength {
  const { inst: program, start }: { inst: Instruction[]; start: number } = pattern.re2().prog;
  const known = new Map<number, MatchLength | 'on the way'>();
  const from = (index: number): MatchLength => {
    const before = known.get(index);
    if (before === 'on the way') return { shortest: Number.POSITIVE_INFINITY, longest: Number.POSITIVE_INFINITY };
    if (before !== undefined) return before;
    known.set(index, 'on the way');
    const length = lengthOf(program[index], from);
    known.set(index, length);
    return length;
  };
  return from(start);
}

function lengthOf(step: Instruction | undefined, from: (index: number) => MatchLength): MatchLength {
  if (step === undefined || step.op === FAIL) return NOTHING;
  if (step.op === MATCH) return { shortest: 0, longest: 0 };
  if (ALTERNATIVES.includes(step.op)) {
    const [one, other] = [from(step.out), from(step.arg)];
    return { shortest: Math.min(one.shortest, other.shortest), longest: Math.max(one.longest, other.longest) };
  }
  const rest = from(step.out);
  const [least, most] = unitsOf(step);
  return { shortest: rest.shortest + least, longest: rest.longest + most };
}

/** UTF-16 units that an instruction consumes, at least and at most. */
function unitsOf({ op, runes }: Instruction): [number, number] {
  if (ANY_CHARACTER.includes(op)) return [1, 2];
  if (!SOME_CHARACTERS.includes(op)) return [0, 0];
  const wide = Array.from(runes).some((rune) => rune > LAST_OF_ONE_UNIT);
  return [1, wide ? 2 : 1];
}
