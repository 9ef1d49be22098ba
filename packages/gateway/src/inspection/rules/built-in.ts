import type { FindingKind } from '../types.ts';

/** A built-in rule, as it is listed and hashed. */
export interface BuiltInRule {
  id: string;
  kind: FindingKind;
  label: string | null;
  /** What it looks for: changes with it. */
  what: string;
}

/** Every built-in rule, by the detectors' and the injection rules' own account. */
export const BUILT_IN_RULES: readonly BuiltInRule[] = [];
