import { type Inspecting, inspecting } from '../inspector.ts';
import { type Finding, MATCH_SPAN, type TextFinding } from '../types.ts';
import type { SaidText } from './said.ts';

/** A text in a view, and whose it is; null: it was passed on, and is kept for what follows it. */
interface Segment<Holder> {
  holder: Holder | null;
  path: SaidText['path'];
  text: string;
}

/** Texts of several notices read as one. What was passed on is kept as far as a match may reach back. */
export class View<Holder> {
  readonly #between: string;
  #segments: Segment<Holder>[] = [];
  #found: { holder: Holder; finding: Finding }[] = [];

  constructor(between: string) {
    this.#between = between;
  }

  add(holder: Holder, { path, text }: SaidText): void {
    this.#segments.push({ holder, path, text });
  }

  /** Looks through all of it again. */
  *inspect(how: Inspecting): Generator<void, void> {
    const text = this.#segments.map((segment) => segment.text).join(this.#between);
    const { findings } = yield* inspecting(text, how);
    this.#found = findings.flatMap((finding) => this.#placed(finding));
  }

  /** What the last look found in texts of `holder`, wherever it begins and ends. */
  foundIn(holder: Holder): Finding[] {
    return this.#found.filter((found) => found.holder === holder).map(({ finding }) => finding);
  }

  /** What the last look found that reaches into anything not yet passed on. */
  found(): Finding[] {
    return this.#found.map(({ finding }) => finding);
  }

  /** Characters after the last text of `holder`, and the beginning of them. */
  after(holder: Holder): string {
    const last = this.#segments.findLastIndex((segment) => segment.holder === holder);
    return this.#segments
      .slice(last + 1)
      .map((segment) => segment.text)
      .join(this.#between);
  }

  /** The texts of `holder` are passed on. */
  pass(holder: Holder): void {
    for (const segment of this.#segments) if (segment.holder === holder) segment.holder = null;
    this.#found = this.#found.filter((found) => found.holder !== holder);
    const firstHeld = this.#segments.findIndex((segment) => segment.holder !== null);
    let first = firstHeld < 0 ? this.#segments.length : firstHeld;
    for (let kept = 0; first > 0 && kept < MATCH_SPAN; first -= 1) kept += this.#segments[first - 1]?.text.length ?? 0;
    if (first > 0) this.#segments = this.#segments.slice(first);
  }

  #placed(finding: TextFinding): { holder: Holder; finding: Finding }[] {
    const placed: { holder: Holder; finding: Finding }[] = [];
    let start = 0;
    for (const { holder, path, text } of this.#segments) {
      const end = start + text.length;
      if (holder !== null && finding.start < end && finding.end > start) {
        const passage = { path, kind: 'text', text } as const;
        const part = { start: Math.max(finding.start, start) - start, end: Math.min(finding.end, end) - start };
        placed.push({ holder, finding: { ...finding, ...part, passage } });
      }
      start = end + this.#between.length;
    }
    return placed;
  }
}
