import type { Caller, CallerSource } from '../../caller.ts';
import type { SpiffeConfig } from '../../config/spiffe.ts';
import { GatewayError } from '../../errors.ts';
import { isAbout, parseSpiffeId, type SpiffeId } from './id.ts';

/** Which workloads may call, and what groups they are in. */
export class Workloads {
  readonly #config: Pick<SpiffeConfig, 'trustDomains' | 'allowed' | 'groups'>;

  constructor(config: Pick<SpiffeConfig, 'trustDomains' | 'allowed' | 'groups'>) {
    this.#config = config;
  }

  /** Whether callers of this trust domain are known at all. */
  knows(trustDomain: string): boolean {
    return Object.hasOwn(this.#config.trustDomains, trustDomain);
  }

  /**
   * The workload that a credential names, if it may call. Patterns are of configured trust domains, and of IDs with a path.
   *
   * @throws GatewayError UNAUTHENTICATED
   */
  admit(text: string): SpiffeId {
    const id = parseSpiffeId(text);
    if (id === null) throw refused('it does not name a workload by a SPIFFE ID');
    if (!this.#config.allowed.some((pattern) => isAbout(pattern, id)))
      throw refused(`${id.text} is not among the allowed IDs`);
    return id;
  }

  /** @param shown what else the credential says of its holder */
  callerOf(
    id: SpiffeId,
    source: Extract<CallerSource, 'svid' | 'jwt-svid'>,
    shown: Required<Pick<Caller, 'expiresMicros'>> & Pick<Caller, 'keyThumbprint'>,
  ): Caller {
    const groups = Object.entries(this.#config.groups)
      .filter(([, patterns]) => patterns.some((pattern) => isAbout(pattern, id)))
      .map(([name]) => name)
      .sort();
    return { subject: id.text, source, ...(groups.length === 0 ? {} : { groups }), ...shown };
  }
}

/** Why a credential of a workload is refused; the reason is for operators. */
export function refused(why: string): GatewayError {
  return new GatewayError('UNAUTHENTICATED', `the credential of the workload is refused: ${why}`);
}
