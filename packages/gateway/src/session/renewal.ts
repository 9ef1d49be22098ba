import type { GatewayChain } from '../audit/gateway-chain.ts';
import type { AuditLog } from '../audit/types.ts';
import { GatewayError } from '../errors.ts';
import type { Freshness } from './freshness.ts';

export interface RenewalDeps {
  log: AuditLog;
  freshness: Freshness;
  chain: GatewayChain;
  /** For operators: a code or event name, and what happened. */
  report: (event: string, detail: string) => void;
}

/** Renews the evidence of open chains before its validity ends, without closing any (W-25). */
export class Renewal {
  readonly #deps: RenewalDeps;

  constructor(deps: RenewalDeps) {
    this.#deps = deps;
  }

  /** To be called every second or so. Resolves when what was due has been tried. */
  async sweep(): Promise<void> {
    const { freshness, chain, report } = this.#deps;
    const back = freshness.steppedBack();
    if (back > 0) {
      report('clock.stepped_back', `the clock of this machine went back by ${back / 1e6} s; all evidence is renewed`);
      await chain.enter('clock.stepped_back', null, { microseconds: back });
    }
    // All in one turn: one operation of the device may serve them together.
    await Promise.all(freshness.due().map((chainId) => this.#renew(chainId)));
  }

  async #renew(chainId: string): Promise<void> {
    const { log, freshness, chain, report } = this.#deps;
    const asked = freshness.now();
    try {
      await log.refreshEvidence(chainId);
      freshness.renewed(chainId, asked);
    } catch (error) {
      if (!(error instanceof GatewayError) || error.code !== 'ATTESTATION_FAILED') throw error;
      const stale = freshness.isStale(chainId) ? 1 : 0;
      report('attestation.renewal_failed', `${chainId}: ${error.detail}; it is tried again`);
      await chain.enter('attestation.renewal_failed', null, { session_id: chainId, stale });
    }
  }
}
