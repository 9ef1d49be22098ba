/** What Intel says of a security version, in its words, from good to bad (PCS API v4, tcbStatus). */
export const TCB_STATUSES = [
  'UpToDate',
  'SWHardeningNeeded',
  'ConfigurationNeeded',
  'ConfigurationAndSWHardeningNeeded',
  'OutOfDate',
  'OutOfDateConfigurationNeeded',
  'Revoked',
] as const;

/** A status that Intel publishes, or `NotSupported`: the version is below every one that Intel speaks of. */
export type TcbStatus = (typeof TCB_STATUSES)[number] | 'NotSupported';

/** Statuses that a relying party may accept besides UpToDate; the others no policy waives. */
export const WAIVABLE_STATUSES: readonly TcbStatus[] = [
  'SWHardeningNeeded',
  'ConfigurationNeeded',
  'ConfigurationAndSWHardeningNeeded',
  'OutOfDate',
  'OutOfDateConfigurationNeeded',
];

/** What was found about one part of the TCB. */
export interface TcbFinding {
  status: TcbStatus;
  advisories: readonly string[];
}

/**
 * The status of a whole from those of its parts: what is needed for one part is needed for the whole, out of date covers a need
 * for hardening, and a part that is revoked or not supported makes the whole so. For the pairs that Intel's quote verification
 * rules name (platform with TDX module, platform with quoting enclave) the result is theirs.
 */
export function converge(parts: readonly TcbFinding[]): TcbFinding {
  const advisories = [...new Set(parts.flatMap((part) => part.advisories))].sort();
  return { status: convergeStatus(new Set(parts.map((part) => part.status))), advisories };
}

function convergeStatus(found: ReadonlySet<TcbStatus>): TcbStatus {
  if (found.has('NotSupported') || found.size === 0) return 'NotSupported';
  if (found.has('Revoked')) return 'Revoked';
  const any = (...statuses: TcbStatus[]): boolean => statuses.some((status) => found.has(status));
  const configuration = any('ConfigurationNeeded', 'ConfigurationAndSWHardeningNeeded', 'OutOfDateConfigurationNeeded');
  if (any('OutOfDate', 'OutOfDateConfigurationNeeded')) {
    return configuration ? 'OutOfDateConfigurationNeeded' : 'OutOfDate';
  }
  const hardening = any('SWHardeningNeeded', 'ConfigurationAndSWHardeningNeeded');
  if (configuration) return hardening ? 'ConfigurationAndSWHardeningNeeded' : 'ConfigurationNeeded';
  return hardening ? 'SWHardeningNeeded' : 'UpToDate';
}
