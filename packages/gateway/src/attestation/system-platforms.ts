import type { Config } from '../config/types.ts';
import { GatewayError } from '../errors.ts';
import type { Platforms } from './choose.ts';

/** The platforms of this machine, as the configuration points to them. `report` is told what was left out, in plain words. */
export function systemPlatforms(_config: Config, _report: (detail: string) => void): Platforms {
  return {
    detect: async (kind) => ({ kind, available: false, reason: 'no device was found', remedy: null }),
    open: async (kind) => {
      throw new GatewayError('ATTESTATION_FAILED', `${kind} is not here`);
    },
  };
}
