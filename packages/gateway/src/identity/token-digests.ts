import { createHash, timingSafeEqual } from 'node:crypto';
import { GatewayError } from '../errors.ts';

/** The scheme in any case, then a token of visible ASCII (RFC 6750 section 2.1 allows less, never more). */
const BEARER = /^bearer +([\x21-\x7e]+)$/i;
const MAX_HEADER = 4096;
const DIGEST_BYTES = 32;

/** Tokens at rest: who holds the one with which digest. */
export class TokenDigests<T> {
  readonly #known: { digest: Buffer; holder: T }[];

  /**
   * @param known SHA-256 of each token, lower-case hex
   * @throws GatewayError CONFIG_INVALID when a digest is not 32 bytes of hex
   */
  constructor(known: readonly { sha256: string; holder: T }[]) {
    this.#known = known.map(({ sha256, holder }) => ({ digest: readDigest(sha256), holder }));
  }

  /**
   * Who holds the token that an `Authorization` header carries, or null: no header, another scheme, a header that is malformed,
   * oversize or not ASCII, or a token that nobody holds.
   */
  holderOf(authorization: string | undefined): T | null {
    if (authorization === undefined || authorization.length > MAX_HEADER) return null;
    const token = BEARER.exec(authorization)?.[1];
    if (token === undefined) return null;
    const digest = createHash('sha256').update(token, 'latin1').digest();
    let found: T | null = null;
    // AUTHZ-14: every one is compared, in constant time, so that time tells nothing about any of them.
    for (const each of this.#known) if (timingSafeEqual(digest, each.digest)) found = each.holder;
    return found;
  }
}

function readDigest(sha256: string): Buffer {
  const digest = Buffer.from(sha256, 'hex');
  if (digest.length === DIGEST_BYTES && digest.toString('hex') === sha256) return digest;
  throw new GatewayError('CONFIG_INVALID', 'the digest of a token is not 64 lower-case hex digits');
}
