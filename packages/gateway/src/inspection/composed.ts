import { encodedRuns } from './decoding/encoded-runs.ts';
import { scanValues } from './detectors/scan-values.ts';
import { scanHidden } from './hidden/scan-hidden.ts';
import { scanInjection } from './injection/scan-injection.ts';
import type { Inspecting } from './inspector.ts';
import { scanLinks } from './links/scan-links.ts';
import { normalised } from './normal/normalised.ts';
import type { InspectionRules, InspectionSettings, Scan } from './types.ts';

/** Every scan that there is, for a rule set and the settings of what is looked at; `more`: scans of whoever builds the gateway. */
export function composed(
  more: readonly Scan[],
): (rules: InspectionRules, settings: Pick<InspectionSettings, 'linkHosts'>) => Inspecting {
  return ({ scans }, { linkHosts }) => ({
    normalised,
    encodedRuns,
    scans: [scanValues, scanInjection, ...scans, ...more],
    rawScans: [(text) => scanLinks(text, linkHosts), scanHidden],
  });
}
