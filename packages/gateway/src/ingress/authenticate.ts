import { createHash, timingSafeEqual } from 'node:crypto';
import type { Credential } from '../config/types.ts';
import { GatewayError } from '../errors.ts';

/** Says who holds a bearer token. */
export interface Authenticator {
  /**
   * The subject whose token the `Authorization` header carries, or null: no header, another scheme, a header that is
   * malformed, oversize or not ASCII, or a token that nobody holds.
   */
  authenticate(authorization: string | undefined): string | null;
}

/** The scheme in any case, then a token of visible ASCII (RFC 6750 section 2.1 allows less, never more). */
const BEARER = /^bearer +([\x21-\x7e]+)$/i;
const MAX_HEADER = 4096;
const DIGEST_BYTES = 32;

/**
 * @param credentials tokens at rest, by digest
 * @throws GatewayError CONFIG_INVALID when a digest is not 32 bytes of hex
 */
export function createAuthenticator(credentials: Credential[]): Authenticator {
  const known = credentials.map(({ subject, tokenSha256 }) => {
    const digest = Buffer.from(tokenSha256, 'hex');
    if (digest.length !== DIGEST_BYTES || digest.toString('hex') !== tokenSha256) {
      throw new GatewayError('CONFIG_INVALID', `the token digest of \`${subject}\` is not 64 lower-case hex digits`);
    }
    return { subject, digest };
  });
  return {
    authenticate(authorization) {
      if (authorization === undefined || authorization.length > MAX_HEADER) return null;
      const token = BEARER.exec(authorization)?.[1];
      if (token === undefined) return null;
      const digest = createHash('sha256').update(token, 'latin1').digest();
      let subject: string | null = null;
      // AUTHZ-14: every credential is compared, in constant time, so that time tells nothing about any of them.
      for (const each of known) if (timingSafeEqual(digest, each.digest)) subject = each.subject;
      return subject;
    },
  };
}
