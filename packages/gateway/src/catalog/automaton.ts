/** Characters that a step may take. One that is percent-encoded counts as encoded, whatever it stands for. */
export interface CharacterSet {
  readonly plain: string;
  readonly encoded: boolean;
  /** An encoded slash, which a server may take for a slash. */
  readonly encodedSlash: boolean;
}

interface Move {
  /** One character as written, or a set. */
  on: string | CharacterSet;
  to: number;
}

/**
 * A state machine over the characters of a URI, without memory of how it came to a state: whatever is built with it, reading
 * costs at most one visit of each state per character (ATK-21).
 */
export class Automaton {
  readonly #moves: Move[][] = [[]];
  readonly #skips: number[][] = [[]];

  /** Number of states; the first is 0, and reading begins there. */
  get size(): number {
    return this.#moves.length;
  }

  add(): number {
    this.#skips.push([]);
    return this.#moves.push([]) - 1;
  }

  move(from: number, on: string | CharacterSet, to: number): void {
    this.#moves[from]?.push({ on, to });
  }

  /** From one state to another without a character. */
  skip(from: number, to: number): void {
    this.#skips[from]?.push(to);
  }

  /** Whether all of `characters` lead to the state `end`, and how many visits of states it took to know. */
  read(characters: readonly string[], end: number): { accepted: boolean; visits: number } {
    let visits = 0;
    let current = new Set<number>();
    const visit = (state: number, into: Set<number>): void => {
      const open = [state];
      for (let next = open.pop(); next !== undefined; next = open.pop()) {
        if (into.has(next)) continue;
        into.add(next);
        visits += 1;
        open.push(...(this.#skips[next] ?? []));
      }
    };
    visit(0, current);
    for (const character of characters) {
      const reached = new Set<number>();
      for (const state of current) {
        for (const { on, to } of this.#moves[state] ?? []) if (takes(on, character)) visit(to, reached);
      }
      if (reached.size === 0) return { accepted: false, visits };
      current = reached;
    }
    return { accepted: current.has(end), visits };
  }
}

function takes(on: string | CharacterSet, character: string): boolean {
  if (typeof on === 'string') return on === character;
  if (character.length === 1) return on.plain.includes(character);
  return /^%2f$/i.test(character) ? on.encodedSlash : on.encoded;
}
