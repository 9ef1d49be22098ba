import { encodedRuns } from './decoding/encoded-runs.ts';
import { scanValues } from './detectors/scan-values.ts';
import type { Inspecting } from './inspector.ts';
import { normalised } from './normal/normalised.ts';
import type { InspectionRules, Scan } from './types.ts';

/** Every scan that there is, for a rule set; `more`: scans of whoever builds the gateway. */
export function composed(more: readonly Scan[]): (rules: InspectionRules) => Inspecting {
  return ({ scans }) => ({
    normalised,
    encodedRuns,
    scans: [scanValues, ...scans, ...more],
    rawScans: [],
  });
}
