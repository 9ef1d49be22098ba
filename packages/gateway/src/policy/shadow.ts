import type { Asked, Decision, DecisionInput, PolicyEngine } from './types.ts';

/** Decisions that wait to be made again; what comes while so many wait is counted and left out. */
const WAITING = 256;
/** Kinds of difference that are told apart; the rest are counted together. */
const KINDS = 200;
/** An evaluation that held the thread this long was the last one. */
const SLOW_MS = 1_000;

/** Decisions that would have been others, all alike. Names and ids only, nothing of what was sent. */
export interface Difference {
  action: string;
  name: string;
  stage: 'ingress' | 'egress';
  from: string;
  to: string;
  before: readonly string[];
  after: readonly string[];
  count: number;
  firstCallId: string | null;
}

export interface ShadowCounts {
  /** Decisions that were made again. */
  compared: number;
  differing: number;
  /** Not made again, because too many waited. */
  dropped: number;
  /** The bundle threw instead of deciding. */
  failed: number;
  /** It took so long that it was stopped. */
  halted: boolean;
}

/** What a shadow needs of the world. */
export interface ShadowDeps {
  /** Runs a task after the turn of whoever asks. */
  soon: (task: () => void) => void;
  /** Milliseconds since an arbitrary moment. */
  now: () => number;
}

/** A bundle that decides what another one decided, after the fact and without effect, and keeps where they differ. */
export class Shadow {
  readonly #engine: PolicyEngine;
  readonly #deps: ShadowDeps;
  readonly #differences = new Map<string, Difference>();
  readonly #counts: ShadowCounts = { compared: 0, differing: 0, dropped: 0, failed: 0, halted: false };
  #waiting: { input: DecisionInput; decision: Decision }[] = [];
  #running = false;
  /** How many were taken from those that waited, and who waits for how many. */
  #taken = 0;
  #watchers: { until: number; resolve: () => void }[] = [];

  constructor(engine: PolicyEngine, deps: ShadowDeps) {
    this.#engine = engine;
    this.#deps = deps;
  }

  /** Takes note of a decision. Never fails, and evaluates nothing in the turn of a call. */
  offer(input: DecisionInput, decision: Decision): void {
    if (this.#counts.halted || this.#waiting.length >= WAITING) {
      this.#counts.dropped += 1;
      return;
    }
    this.#waiting.push({ input, decision });
    if (this.#running) return;
    this.#running = true;
    this.#deps.soon(() => this.#next());
  }

  /** The counts, once what waits now is decided; more may be offered meanwhile. */
  async counts(): Promise<ShadowCounts> {
    const until = this.#taken + this.#waiting.length;
    if (this.#taken < until) await new Promise<void>((resolve) => this.#watchers.push({ until, resolve }));
    return { ...this.#counts };
  }

  /** The most frequent first. */
  differences(): Difference[] {
    return [...this.#differences.values()].sort((a, b) => b.count - a.count);
  }

  /** Lets the bundle go. Whoever wants the counts asks before. */
  close(): void {
    this.#engine.close();
  }

  #next(): void {
    const one = this.#waiting.shift();
    if (one === undefined) {
      this.#running = false;
      return;
    }
    const began = this.#deps.now();
    this.#compare(one.input, one.decision);
    this.#taken += 1;
    if (this.#deps.now() - began > SLOW_MS) this.#halt();
    this.#tell();
    this.#deps.soon(() => this.#next());
  }

  #halt(): void {
    this.#counts.halted = true;
    this.#counts.dropped += this.#waiting.length;
    this.#taken += this.#waiting.length;
    this.#waiting = [];
  }

  #tell(): void {
    for (const { until, resolve } of this.#watchers) if (until <= this.#taken) resolve();
    this.#watchers = this.#watchers.filter(({ until }) => until > this.#taken);
  }

  #compare(input: DecisionInput, before: Decision): void {
    const after = this.#decide(input);
    if (after === null) {
      this.#counts.failed += 1;
      return;
    }
    this.#counts.compared += 1;
    if (toldAs(after) === toldAs(before)) return;
    this.#counts.differing += 1;
    this.#note(input, before, after);
  }

  /** Whatever a bundle on trial throws is its own affair: this is the one place where nothing may reach a call. */
  #decide(input: DecisionInput): Decision | null {
    try {
      return this.#engine.decide(input);
    } catch {
      return null;
    }
  }

  #note(input: DecisionInput, decided: Decision, otherwise: Decision): void {
    const { action } = input.asked;
    const [from, to] = [toldAs(decided), toldAs(otherwise)];
    const [before, after] = [decided.policyIds, otherwise.policyIds];
    const name = nameOf(input.asked);
    const stage = input.response === undefined ? 'ingress' : 'egress';
    const key = JSON.stringify([action, name, stage, from, to, before, after]);
    const known = this.#differences.get(key);
    if (known !== undefined) known.count += 1;
    else if (this.#differences.size < KINDS) {
      this.#differences.set(key, {
        action,
        name,
        stage,
        from,
        to,
        before,
        after,
        count: 1,
        firstCallId: input.callId ?? null,
      });
    }
  }
}

/** A deny that no rule asked for is an error of the bundle, and told as one; a redaction is told with what it removes. */
function toldAs({ effect, redactions, error }: Decision): string {
  if (error !== null) return 'error';
  return effect === 'redact' ? `redact ${redactions.map(({ text }) => text).join(', ')}` : effect;
}

/** Name in the catalog of what was asked for. */
function nameOf(asked: Asked): string {
  if ('tool' in asked) return asked.tool.name;
  if ('resource' in asked) return asked.resource.name;
  if ('prompt' in asked) return asked.prompt.name;
  if ('server' in asked) return asked.server.id;
  return asked.of.name;
}
