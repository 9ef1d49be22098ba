import { encodeBase64Url } from '../bytes/base64url.ts';
import { jwkThumbprint } from '../claim/key.ts';
import { FormatError } from '../format-error.ts';
import { readJsonObject } from '../json/document.ts';
import { type JsonObject, member } from '../json/value.ts';
import { readKeyText } from '../relying-party.ts';
import { flag, integer, list, object, text } from '../shape.ts';
import type { Quorum, TrustedReviewer } from './quorum.ts';

/** Whose approvals a relying party counts, and what its records call catalog and bundle. */
export interface QuorumFile extends Quorum {
  catalogId: string;
  bundleId: string;
}

const NAME = text(/^[^\p{Cc}]{1,256}$/u);
const QUORUM = object(
  {
    threshold: integer(1, 64),
    reviewers: list(object({ key: text(), principal: NAME }, { issuer: NAME, role: NAME, key_id: NAME })),
  },
  {
    distinct_principals: flag,
    distinct_roles: flag,
    revoked: list(NAME),
    policy_id: NAME,
    catalog_id: NAME,
    bundle_id: NAME,
  },
);

/** Reads a relying party's own quorum: JSON with the members and defaults of `catalog.approval`. @throws FormatError */
export function readQuorum(input: Uint8Array | string): QuorumFile {
  const value = readJsonObject(input, 'the quorum', { bytes: 256 * 1024, depth: 6, items: 4_000 });
  const problem = QUORUM(value, 'quorum');
  if (problem !== null) throw new FormatError(problem);
  const named = (key: string, otherwise: string): string => String(member(value, key) ?? otherwise);
  return {
    policyId: named('policy_id', 'default'),
    threshold: value.threshold as number,
    distinctPrincipals: member(value, 'distinct_principals') !== false,
    distinctRoles: member(value, 'distinct_roles') === true,
    reviewers: (value.reviewers as JsonObject[]).map(reviewerOf),
    revoked: (member(value, 'revoked') ?? []) as string[],
    catalogId: named('catalog_id', 'catalog'),
    bundleId: named('bundle_id', 'policy'),
  };
}

function reviewerOf(value: JsonObject, index: number): TrustedReviewer {
  const key = readKeyText(String(value.key));
  if (key === null) throw new FormatError(`quorum.reviewers[${index}].key is not an Ed25519 public key`);
  const role = member(value, 'role');
  return {
    keyId: String(member(value, 'key_id') ?? encodeBase64Url(jwkThumbprint(key))),
    key,
    principal: String(value.principal),
    issuer: String(member(value, 'issuer') ?? 'local'),
    role: typeof role === 'string' ? role : null,
  };
}
