import type { FlowSource } from './view.ts';

/** Sets of sources that are told apart. */
const MAX_HOLDERS = 65_536;

/** Sets of sources, by numbers from 1 on; 0 is the empty one. */
export class Holders {
  readonly #sets: (readonly FlowSource[])[] = [[]];
  /** Of a set and a source that was added to it. */
  readonly #joined = new Map<FlowSource, Map<number, number>>();
  readonly #sources = new Map<string, FlowSource>();

  sourcesOf(holder: number): readonly FlowSource[] {
    return this.#sets[holder] ?? [];
  }

  /** Values of one answer mostly have the same holder. */
  #last: { holder: number; source: FlowSource | null; joined: number | null } = {
    holder: 0,
    source: null,
    joined: null,
  };

  /** The source as it is told apart: to be used for {@link with}. */
  known(source: FlowSource): FlowSource {
    const name = JSON.stringify([source.tool, source.server, source.domain, source.sensitivity.class]);
    const known = this.#sources.get(name) ?? source;
    this.#sources.set(name, known);
    return known;
  }

  /** The set with a source added; null where there are too many sets to remember another. */
  with(holder: number, source: FlowSource): number | null {
    if (holder === this.#last.holder && source === this.#last.source) return this.#last.joined;
    const joined = this.#join(holder, source);
    this.#last = { holder, source, joined };
    return joined;
  }

  #join(holder: number, source: FlowSource): number | null {
    let joined = this.#joined.get(source);
    if (joined === undefined) {
      joined = new Map();
      this.#joined.set(source, joined);
    }
    const known = joined.get(holder);
    if (known !== undefined) return known;
    const set = this.sourcesOf(holder);
    const made = set.includes(source) ? holder : this.#add([...set, source]);
    if (made !== null) joined.set(holder, made);
    return made;
  }

  #add(set: readonly FlowSource[]): number | null {
    if (this.#sets.length >= MAX_HOLDERS) return null;
    this.#sets.push(set);
    return this.#sets.length - 1;
  }
}
