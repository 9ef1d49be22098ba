import { scanValues } from './detectors/scan-values.ts';
import type { Inspecting } from './inspector.ts';
import type { InspectionRules, Scan } from './types.ts';

/** Every scan that there is, for a rule set; `more`: scans of whoever builds the gateway. */
export function composed(more: readonly Scan[]): (rules: InspectionRules) => Inspecting {
  return ({ scans }) => ({
    normalised: (text) => ({ text, via: [], at: (offset) => offset }),
    encodedRuns: () => [],
    scans: [scanValues, ...scans, ...more],
    rawScans: [],
  });
}
