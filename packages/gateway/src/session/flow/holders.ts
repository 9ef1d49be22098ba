import type { FlowSource } from './view.ts';

/** Sets of sources that are told apart. */
const MAX_HOLDERS = 65_536;

/** Sets of sources, by numbers from 1 on; 0 is the empty one. */
export class Holders {
  readonly #sets: (readonly FlowSource[])[] = [[]];
  readonly #joined = new Map<string, number>();

  sourcesOf(holder: number): readonly FlowSource[] {
    return this.#sets[holder] ?? [];
  }

  /** The set with a source added; null where there are too many sets to remember another. */
  with(holder: number, source: FlowSource): number | null {
    const key = `${holder} ${source.tool} ${source.server} ${source.sensitivity.class}`;
    const known = this.#joined.get(key);
    if (known !== undefined) return known;
    const set = this.sourcesOf(holder);
    const joined = set.some((each) => isSame(each, source)) ? holder : this.#add([...set, source]);
    if (joined !== null) this.#joined.set(key, joined);
    return joined;
  }

  #add(set: readonly FlowSource[]): number | null {
    if (this.#sets.length >= MAX_HOLDERS) return null;
    this.#sets.push(set);
    return this.#sets.length - 1;
  }
}

function isSame(a: FlowSource, b: FlowSource): boolean {
  return a.tool === b.tool && a.server === b.server && a.sensitivity.class === b.sensitivity.class;
}
