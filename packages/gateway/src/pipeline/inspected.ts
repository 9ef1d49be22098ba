import type { EntryDraft, JsonObject } from '@cmcp/evidence';
import { isInjection, type Judged } from '../inspection/judge.ts';
import type { FindingKind } from '../inspection/types.ts';

type Result = EntryDraft['response_inspection_result'];
/** From the mildest to the gravest: whatever the order of the stages, the gravest is entered (D-28). */
const GRAVITY: readonly Result[] = [
  'n/a',
  'pass',
  'surplus_stripped',
  'injection_detected',
  'schema_violation',
  'size_exceeded',
  'not_inspected',
];

/** Stages of inspection, in the order in which entries name them. */
const STAGES = ['size', 'schema', 'classification', 'injection', 'redaction', 'links'] as const;
export type Stage = (typeof STAGES)[number];

/** What inspecting everything that a server gave in one call came to, from its notices to its answer. */
export class InspectedCall {
  /** Whether what is to be taken out is taken out; false where the mode passes everything. */
  readonly applied: boolean;
  readonly #stages = new Set<Stage>();
  readonly #found = new Map<string, number>();
  readonly #removed = new Map<string, number>();
  readonly #kinds = new Set<FindingKind>();
  #result: Result | null = null;
  #notScanned = 0;
  #surplus = 0;
  #stripped = false;
  #injection = false;
  #classifier: 'ok' | 'failed' | null = null;

  constructor(applied: boolean) {
    this.applied = applied;
  }

  ran(...stages: readonly Stage[]): void {
    for (const stage of stages) this.#stages.add(stage);
  }

  /** What a look at an answer, or at a part of it, found. */
  saw({ findings }: Judged, notScanned: number): void {
    this.ran('classification', 'injection');
    for (const finding of findings) {
      count(this.#found, finding.rule, 1);
      this.#kinds.add(finding.kind);
    }
    this.#notScanned += notScanned;
    const injection = findings.some(isInjection);
    this.#injection ||= injection;
    this.came(injection ? 'injection_detected' : 'pass');
  }

  /** Members that no one approved. */
  surplus(members: number, stripped: boolean): void {
    this.#surplus += members;
    this.#stripped ||= stripped;
    if (stripped) this.came('surplus_stripped');
  }

  took(removed: ReadonlyMap<string, number>): void {
    for (const [rule, times] of removed) count(this.#removed, rule, times);
  }

  /** A classifier was asked; whoever it failed once has not been told everything. */
  classified(outcome: 'ok' | 'failed'): void {
    if (this.#classifier !== 'failed') this.#classifier = outcome;
  }

  came(result: Result): void {
    if (this.#result === null || GRAVITY.indexOf(result) > GRAVITY.indexOf(this.#result)) this.#result = result;
  }

  /** Whatever else was found that is graver. */
  get foundInstructions(): boolean {
    return this.#injection;
  }

  /** Null where there was nothing to inspect. */
  get result(): Result | null {
    return this.#result;
  }

  get tookSomething(): boolean {
    return this.applied && (this.#removed.size > 0 || this.#stripped);
  }

  /** For the call's entry: our words and counts alone. */
  get detail(): JsonObject {
    const removed = written(this.#removed);
    return {
      ...(this.#stages.size > 0 ? { stages: STAGES.filter((stage) => this.#stages.has(stage)).join(',') } : {}),
      ...(this.#classifier === null ? {} : { classifier: this.#classifier }),
      ...(this.#found.size > 0 ? { found: written(this.#found), kinds: [...this.#kinds].sort().join(',') } : {}),
      ...(removed === '' ? {} : { [this.applied ? 'taken_out' : 'would_have_taken_out']: removed }),
      ...(this.#surplus > 0
        ? { [this.#stripped && this.applied ? 'surplus_stripped' : 'surplus']: this.#surplus }
        : {}),
      ...(this.#notScanned > 0 ? { bodies_not_scanned: this.#notScanned } : {}),
    };
  }

  /** For the caller: how much was taken out of what it is given, by rule. */
  get told(): JsonObject {
    const what = { ...Object.fromEntries(this.#removed), ...(this.#stripped ? { surplus: this.#surplus } : {}) };
    if (Object.keys(what).length === 0) return {};
    return this.applied ? { removed: what } : { would_have_removed: what };
  }
}

/** More rules than this are counted together: an entry is of bounded size. */
const MAX_RULES = 32;

function written(counts: ReadonlyMap<string, number>): string {
  const sorted = [...counts].sort(([a], [b]) => (a < b ? -1 : 1));
  const more = sorted.slice(MAX_RULES).reduce((sum, [, times]) => sum + times, 0);
  const shown = sorted.slice(0, MAX_RULES).map(([rule, times]) => `${rule}:${times}`);
  return [...shown, ...(more > 0 ? [`others:${more}`] : [])].join(',');
}

function count(counts: Map<string, number>, rule: string, times: number): void {
  counts.set(rule, (counts.get(rule) ?? 0) + times);
}
