import type { Config } from '../../config/types.ts';
import { type Approved, loadApproved } from '../../load-authority.ts';
import { sensitivityRanks } from '../../policy/sensitivity.ts';
import type { CodeMeasurement } from './code.ts';
import { type ApprovedHashes, type GatewayMeasurement, measureGateway } from './gateway-measurement.ts';

/**
 * The measurement that a gateway with this configuration has, without starting one.
 * @throws GatewayError when policy, catalog or inspection rules would not load, or are not the pinned ones
 */
export async function measureConfigured(config: Config, code: CodeMeasurement): Promise<GatewayMeasurement> {
  const approved = await loadApproved(config, sensitivityRanks(config.vocabulary), null);
  approved.policy.close();
  return measureGateway({ code, config, approved: approvedHashes(config, approved) });
}

/** What was loaded, as it is measured. */
export function approvedHashes(
  config: Pick<Config, 'inspection'>,
  { policy, catalog, inspection }: Pick<Approved, 'policy' | 'catalog' | 'inspection'>,
): ApprovedHashes {
  const rulesHash = config.inspection.path === null ? null : inspection.hash;
  return { bundleHash: policy.bundleHash, catalogHash: catalog.hash, rulesHash };
}
