import type { Outcome } from '@cmcp/evidence';

const PATHS: Record<Outcome, string> = {
  proven: 'M3.5 8.5l3 3 6-7',
  failed: 'M4 4l8 8M12 4l-8 8',
  asserted: 'M2.5 9c1.8-3 3.7-3 5.5-1s3.7 2 5.5-1',
  'not checked': 'M4 8h8',
};

/** The sign of an outcome. It never stands alone: its word is beside it, or is the name of what holds it. */
export function OutcomeIcon({ outcome }: { outcome: Outcome }) {
  return (
    <svg class="icon" viewBox="0 0 16 16" aria-hidden="true" data-outcome={outcome}>
      <circle cx="8" cy="8" r="8" class="disc" />
      <path d={PATHS[outcome]} class="sign" />
    </svg>
  );
}

/** Sign and word. */
export function OutcomeWord({ outcome }: { outcome: Outcome }) {
  return (
    <span class="outcome" data-outcome={outcome}>
      <OutcomeIcon outcome={outcome} /> {outcome}
    </span>
  );
}
