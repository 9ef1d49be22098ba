/** One thing that was looked at, in plain words. */
export interface Condition {
  /** What was looked at. */
  about: string;
  status: 'ok' | 'warning' | 'problem';
  found: string;
  /** What to do about it; null when there is nothing to do. */
  fix: string | null;
}

export function ok(about: string, found: string): Condition {
  return { about, status: 'ok', found, fix: null };
}

/** Something that a person should know, and that does not keep the gateway from serving. */
export function warning(about: string, found: string, fix: string | null): Condition {
  return { about, status: 'warning', found, fix };
}

export function problem(about: string, found: string, fix: string): Condition {
  return { about, status: 'problem', found, fix };
}
