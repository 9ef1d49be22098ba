/** Part of a text that is taken out. */
export interface Span {
  start: number;
  end: number;
  rule: string;
  /** What stands there afterwards; null: a note that names the rule. */
  instead: string | null;
}

/** The text without spans that are in order and apart, each replaced by a note. */
export function without(text: string, spans: readonly Span[]): string {
  let left = '';
  let from = 0;
  for (const span of spans) {
    left += text.slice(from, span.start) + (span.instead ?? `[redacted: ${span.rule}]`);
    from = span.end;
  }
  return left + text.slice(from);
}

/** Spans in order; those that reach into each other are one. */
export function joined(spans: readonly Span[]): Span[] {
  const ordered = [...spans].sort((a, b) => a.start - b.start || b.end - a.end);
  const apart: Span[] = [];
  for (const span of ordered) {
    const last = apart.at(-1);
    if (last === undefined || span.start >= last.end) apart.push({ ...span });
    else if (span.end > last.end || (span.instead === null && last.instead !== null)) {
      // Two are not put together from what would have stood for each.
      last.rule = last.instead === null ? last.rule : span.rule;
      last.instead = null;
      last.end = Math.max(last.end, span.end);
    }
  }
  return apart;
}
