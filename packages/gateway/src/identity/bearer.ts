import type { Credential } from '../config/types.ts';
import { TokenDigests } from './token-digests.ts';
import type { IdentitySource } from './types.ts';

/**
 * Tokens that the configuration knows by digest.
 * @throws GatewayError CONFIG_INVALID when a digest is not 32 bytes of hex
 */
export function bearerSource(agents: readonly Credential[]): IdentitySource {
  const digests = new TokenDigests(agents.map((agent) => ({ sha256: agent.tokenSha256, holder: agent })));
  return {
    async identify({ headers }) {
      const agent = digests.holderOf(headers('authorization')[0]);
      return agent === null ? null : { subject: agent.subject, source: 'bearer' };
    },
    challenge: (code) => (code === 'UNAUTHENTICATED' ? 'Bearer realm="cmcp"' : null),
  };
}
