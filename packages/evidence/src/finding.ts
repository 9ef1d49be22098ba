import type { Check, Outcome } from './report.ts';

/** The answer to one question, before it is put beside the question. */
export interface Finding {
  outcome: Outcome;
  detail: string;
  against: string | null;
  remedy: string | null;
}

/** Holds, checked against `against` (null: against the file itself). */
export function proven(detail: string, against: string | null = null): Finding {
  return { outcome: 'proven', detail, against, remedy: null };
}

/** Does not hold. */
export function failed(detail: string, against: string | null = null): Finding {
  return { outcome: 'failed', detail, against, remedy: null };
}

/** Said by the gateway; nothing contradicts it and nothing proves it. */
export function asserted(detail: string, remedy: string | null = null): Finding {
  return { outcome: 'asserted', detail, against: null, remedy };
}

/** Not looked at, or nothing to look at. */
export function notChecked(detail: string, remedy: string | null = null): Finding {
  return { outcome: 'not checked', detail, against: null, remedy };
}

/** `proven` when there is no problem, else `failed` with the problem. */
export function provenUnless(problem: string | null, detail: string, against: string | null = null): Finding {
  return problem === null ? proven(detail, against) : failed(problem, against);
}

/** A question that the verdict depends on, with its answer. */
export function required(id: string, title: string, finding: Finding): Check {
  const { remedy, ...rest } = finding;
  return { id, title, ...rest, required: true, ...(remedy === null ? {} : { remedy }) };
}

/** A question whose answer is reported and does not hold the verdict up, unless it failed. */
export function informative(id: string, title: string, finding: Finding): Check {
  const { remedy: _, ...rest } = finding;
  return { id, title, ...rest, required: false };
}
