import type { AgentCredential, Credential } from '../config/types.ts';
import { TokenDigests } from '../identity/token-digests.ts';

/** Says who holds a bearer token. */
export interface Authenticator {
  /** The subject whose token the `Authorization` header carries, or null. */
  authenticate(authorization: string | undefined): string | null;
}

/**
 * @param credentials tokens at rest, by digest
 * @throws GatewayError CONFIG_INVALID when a digest is not 32 bytes of hex
 */
export function createAuthenticator(credentials: readonly (Credential | AgentCredential)[]): Authenticator {
  const known = credentials.flatMap(({ subject, tokenSha256 }) =>
    [tokenSha256].flat().map((sha256) => ({ sha256, holder: subject })),
  );
  const digests = new TokenDigests(known);
  return { authenticate: (authorization) => digests.holderOf(authorization) };
}
