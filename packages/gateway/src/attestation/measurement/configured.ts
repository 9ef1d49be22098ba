import type { Config } from '../../config/types.ts';
import { loadApproved } from '../../load-authority.ts';
import { sensitivityRanks } from '../../policy/sensitivity.ts';
import type { CodeMeasurement } from './code.ts';
import { type GatewayMeasurement, measureGateway } from './gateway-measurement.ts';

/**
 * The measurement that a gateway with this configuration has, without starting one.
 * @throws GatewayError when policy or catalog would not load, or are not the pinned ones
 */
export async function measureConfigured(config: Config, code: CodeMeasurement): Promise<GatewayMeasurement> {
  const { policy, catalog } = await loadApproved(config, sensitivityRanks(config.vocabulary), null);
  policy.close();
  return measureGateway({ code, config, approved: { bundleHash: policy.bundleHash, catalogHash: catalog.hash } });
}
