import type { Caller } from '../caller.ts';
import { GatewayError } from '../errors.ts';
import type { IdentitySource, Presented, Refused } from './types.ts';

/** Every kind of credential that a listener takes, asked in order: one request has one caller. */
export class IdentityChain {
  readonly #sources: readonly IdentitySource[];

  constructor(sources: readonly IdentitySource[]) {
    this.#sources = sources;
  }

  /** @throws GatewayError UNAUTHENTICATED, and whatever a source refuses with */
  async identify(presented: Presented): Promise<Caller> {
    const shown = presented.headers('authorization').length;
    if (shown > 1) throw new GatewayError('UNAUTHENTICATED', 'the request has several Authorization headers');
    const callers: Caller[] = [];
    for (const source of this.#sources) {
      const caller = await source.identify(presented);
      if (caller !== null) callers.push(caller);
    }
    const [caller] = callers;
    if (caller === undefined) throw new GatewayError('UNAUTHENTICATED', 'no valid credential');
    if (callers.some(({ subject }) => subject !== caller.subject)) {
      throw new GatewayError('UNAUTHENTICATED', 'two credentials of one request name different subjects');
    }
    // A certificate does not make up for a token that nobody knows: whoever sent it meant to be somebody.
    if (shown > 0 && callers.every(({ source }) => source === 'svid')) {
      throw new GatewayError('UNAUTHENTICATED', 'the Authorization header names nobody');
    }
    return caller;
  }

  /**
   * Values of `WWW-Authenticate` for a refusal (RFC 9110 section 11.6.1); every kind says how it would be accepted. Of several that
   * begin with one scheme the longest is told, which says most: clients read no other.
   */
  challenges(code: 'UNAUTHENTICATED' | 'INSUFFICIENT_SCOPE', refused: Refused): string[] {
    const told = new Map<string, string>();
    for (const each of this.#sources.flatMap((source) => source.challenge(code, refused) ?? [])) {
      const [scheme = ''] = each.split(' ', 1);
      if (each.length > (told.get(scheme)?.length ?? 0)) told.set(scheme, each);
    }
    return [...told.values()];
  }
}
