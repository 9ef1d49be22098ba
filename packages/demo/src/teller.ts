/** The parts of the story, in order. */
export type Chapter = 'set-up' | 'govern' | 'prove';

/** A step before it is taken. */
export interface Plan {
  /** Stable name of the step, for machines. */
  id: string;
  chapter: Chapter;
  title: string;
  /** What is asked, as a person would write it. */
  asked: string;
  /** How the story goes on. Everything named here must come out so. */
  expected: { decided: Decided; by?: string[]; facts?: Facts };
}

export type Decided = 'done' | 'allowed' | 'refused' | 'verified' | 'not verified';
export type Facts = Record<string, string | number | boolean | null | string[]>;

/** What a step came to. */
export interface Outcome {
  decided: Decided;
  /** What decided: policies by their names, else the guard of the gateway or the checks of the verifier. */
  by: string[];
  by_kind: 'policy' | 'guard' | 'check' | null;
  /** Plain words. */
  why: string;
  /** Details under short names: ids, exposure, paths. */
  facts: Facts;
}

/** A step as it happened. */
export interface ToldStep extends Plan, Outcome {
  step: number;
  milliseconds: number;
}

/** Where the story is told. */
export interface Narrator {
  begin(step: number, plan: Plan): void;
  told(step: ToldStep): void;
  /** The last word, when every step went as the story says. */
  end(steps: readonly ToldStep[], ending: Ending): void;
  /** The last word otherwise. `step` is null when the story did not begin. */
  broke(steps: readonly ToldStep[], step: { number: number; id: string } | null, problem: string): void;
}

/** What is left behind, and what to try next. */
export interface Ending {
  seconds: number;
  files: Record<'session_file' | 'config' | 'policies' | 'catalog' | 'key_file', string>;
  next: { why: string; command: string }[];
}

/** A step that did not go as the story says: something is wrong with the product, or with this machine. */
export class StoryDiffers extends Error {
  override readonly name = 'StoryDiffers';
  readonly step: { number: number; id: string };
  constructor(step: { number: number; id: string }, problem: string, options?: { cause: unknown }) {
    super(problem, options);
    this.step = step;
  }
}

/** Takes the steps one by one, and holds each to the story. */
export class Teller {
  readonly steps: ToldStep[] = [];
  readonly #narrator: Narrator;

  constructor(narrator: Narrator) {
    this.#narrator = narrator;
  }

  /**
   * Takes one step and tells it. Resolves with what later steps need of it; rejects with StoryDiffers when it fails or
   * comes out differently.
   */
  async step<T>(plan: Plan, take: () => Promise<Outcome & { result: T }>): Promise<T> {
    const number = this.steps.length + 1;
    this.#narrator.begin(number, plan);
    const startedMs = performance.now();
    const { result, ...outcome } = await take().catch((error: unknown) => {
      const problem = error instanceof Error ? error.message : String(error);
      throw new StoryDiffers({ number, id: plan.id }, problem, { cause: error });
    });
    const told: ToldStep = {
      step: number,
      ...plan,
      ...outcome,
      milliseconds: Math.round(performance.now() - startedMs),
    };
    this.steps.push(told);
    this.#narrator.told(told);
    const differences = differencesOf(plan.expected, outcome);
    if (differences.length > 0) throw new StoryDiffers({ number, id: plan.id }, differences.join('; '));
    return result;
  }
}

function differencesOf(expected: Plan['expected'], found: Outcome): string[] {
  const wanted: Facts = { decided: expected.decided, ...expected.facts };
  const got: Facts = { ...found.facts, decided: found.decided };
  if (expected.by !== undefined) [wanted.by, got.by] = [expected.by, found.by];
  return Object.entries(wanted)
    .filter(([name, value]) => JSON.stringify(got[name]) !== JSON.stringify(value))
    .map(([name, value]) => `${name} should be ${JSON.stringify(value)} and is ${JSON.stringify(got[name] ?? null)}`);
}
