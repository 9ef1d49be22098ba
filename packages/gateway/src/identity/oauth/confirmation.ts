import { encodeBase64Url, isObject, type JsonObject, member, sha256 } from '@cmcp/evidence';
import { GatewayError } from '../../errors.ts';
import type { Presented } from '../types.ts';
import { type ProofDeps, requireProof } from './dpop.ts';

export type Scheme = 'Bearer' | 'DPoP';

const KNOWN = new Set(['jkt', 'x5t#S256']);

/**
 * Holds a token against what it is bound to (RFC 7800 `cnf`): the key of a DPoP proof, the certificate of the connection (RFC 8705).
 * One that is bound to something else, or to nothing but is shown as if it were, is refused.
 *
 * @throws GatewayError UNAUTHENTICATED, OVERLOADED
 */
export async function confirmHolder(
  { scheme, token, claims }: { scheme: Scheme; token: string; claims: JsonObject },
  presented: Presented,
  required: boolean,
  deps: ProofDeps,
  nowMicros: number,
): Promise<void> {
  const bound = boundTo(claims);
  if (bound.certificate !== null && bound.certificate !== shownCertificate(presented)) {
    throw refuse('is bound to a certificate that this connection does not show');
  }
  if (bound.key === null) {
    if (scheme === 'DPoP') throw refuse('is not bound to the key of a proof');
    if (required) throw refuse('is not bound to a key, and this issuer’s tokens have to be');
    return;
  }
  // RFC 9449 section 7.1: a bound token that is shown like one that is not has lost its protection.
  if (scheme !== 'DPoP') throw refuse('is bound to a key, and shown without a proof');
  await requireProof(presented, { token, key: bound.key }, deps, nowMicros);
}

function boundTo(claims: JsonObject): { key: string | null; certificate: string | null } {
  const cnf = member(claims, 'cnf');
  if (cnf === undefined) return { key: null, certificate: null };
  const names = isObject(cnf) ? Object.keys(cnf) : [];
  if (!isObject(cnf) || names.length === 0 || names.some((name) => !KNOWN.has(name))) {
    throw refuse('is bound to something that cannot be checked here');
  }
  return { key: textIn(cnf, 'jkt'), certificate: textIn(cnf, 'x5t#S256') };
}

function textIn(cnf: JsonObject, name: string): string | null {
  const value = member(cnf, name);
  if (value === undefined) return null;
  if (typeof value !== 'string') throw refuse('is bound to something that cannot be checked here');
  return value;
}

function shownCertificate({ certificates }: Presented): string | null {
  const [leaf] = certificates ?? [];
  return leaf === undefined ? null : encodeBase64Url(sha256(leaf));
}

function refuse(why: string): GatewayError {
  return new GatewayError('UNAUTHENTICATED', `the access token ${why}`);
}
