/** The revisions whose requirements are run. */
export const REVISIONS = ['2025-11-25', '2026-07-28'] as const;
export type Revision = (typeof REVISIONS)[number];

/** A check that did not succeed. */
export interface FailedCheck {
  readonly check: string;
  readonly message: string;
}

/** What came out of one scenario. It passed when nothing failed. */
export interface ScenarioResult {
  readonly scenario: string;
  /** Whether the revision requires it; the others are extensions and what was added later. */
  readonly required: boolean;
  readonly failed: readonly FailedCheck[];
}

/** What came out of one leg at one revision. */
export interface LegResult {
  readonly leg: string;
  readonly revision: Revision;
  readonly scenarios: readonly ScenarioResult[];
}
