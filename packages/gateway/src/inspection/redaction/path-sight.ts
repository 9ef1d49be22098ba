import type { Step } from '../../policy/redaction.ts';
import type { Sight } from './apply.ts';

/** Sees along paths. */
export class PathSight implements Sight {
  /** What is left of each path here. */
  readonly #paths: readonly (readonly Step[])[];

  constructor(paths: readonly (readonly Step[])[]) {
    this.#paths = paths;
  }

  get takes(): boolean {
    return this.#paths.some(({ length }) => length === 0);
  }

  member(name: string): PathSight {
    return this.#along((step) => step.kind === 'all' || ('name' in step && step.name === name));
  }

  item(index: number): PathSight {
    return this.#along((step) => step.kind === 'all' || (step.kind === 'index' && step.index === index));
  }

  #along(leads: (step: Step) => boolean): PathSight {
    const further = this.#paths.flatMap((path) => {
      const [step, ...rest] = path;
      if (step === undefined) return [];
      return [...(leads(step) ? [rest] : []), ...(step.kind === 'anywhere' ? [path] : [])];
    });
    return new PathSight(further);
  }
}
