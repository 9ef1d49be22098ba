import type { Clock } from '../clock.ts';
import type { AgentCredential } from '../config/types.ts';
import { GatewayError } from '../errors.ts';
import { bearerChallenge } from './challenge.ts';
import type { KnownAgents } from './known-agents.ts';
import { TokenDigests } from './token-digests.ts';
import type { IdentitySource } from './types.ts';

/**
 * Tokens that are known by digest.
 * @throws GatewayError CONFIG_INVALID when a digest is not 32 bytes of hex
 */
export function bearerSource(known: Pick<KnownAgents, 'now'>, clock: Clock): IdentitySource {
  let agents = known.now;
  let digests = digestsOf(agents);
  return {
    async identify({ headers }) {
      if (known.now !== agents) {
        agents = known.now;
        digests = digestsOf(agents);
      }
      const agent = digests.holderOf(headers('authorization')[0]);
      if (agent === null) return null;
      const { subject, expiresMicros, scopes, groups } = agent;
      if (expiresMicros !== null && clock.nowMicros() >= expiresMicros) {
        throw new GatewayError('UNAUTHENTICATED', `the token of ${subject} has expired`);
      }
      return {
        subject,
        source: 'bearer',
        ...(scopes !== null && { scopes }),
        ...(groups.length > 0 && { groups }),
        ...(expiresMicros !== null && { expiresMicros }),
      };
    },
    challenge(code, { shown, scopes }) {
      const error = code === 'INSUFFICIENT_SCOPE' ? 'insufficient_scope' : shown ? 'invalid_token' : null;
      return bearerChallenge({ realm: 'cmcp', error, scope: scopes?.join(' ') ?? null });
    },
  };
}

function digestsOf(agents: readonly AgentCredential[]): TokenDigests<AgentCredential> {
  return new TokenDigests(agents.flatMap((agent) => agent.tokenSha256.map((sha256) => ({ sha256, holder: agent }))));
}
