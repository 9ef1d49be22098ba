import { resolve } from 'node:path';
import { scope } from './credentials.ts';
import { duration, list, nullable, oneOf, required, section, setting, text } from './readers.ts';

/** Algorithms of tokens: those with a public key alone, so that nobody who can check a token can make one. */
export const TOKEN_ALGORITHMS = [
  'ES256',
  'ES384',
  'ES512',
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'EdDSA',
] as const;
export type TokenAlgorithm = (typeof TOKEN_ALGORITHMS)[number];

/** An authorization server whose access tokens are accepted. */
export interface OAuthIssuer {
  /** As `iss` of its tokens, to the letter. */
  issuer: string;
  /** What `aud` has to hold, to the letter. Empty only where `identity.resource` is missing, which is refused. */
  audience: string;
  /** Where its keys are; null: where its metadata says. */
  jwksUri: string | null;
  /** Absolute path of a PEM file with the authority of its certificate; null: those of Node. */
  ca: string | null;
  algorithms: TokenAlgorithm[];
  /** `any`: tokens need not be marked as access tokens (RFC 9068), for servers that do not mark them. */
  tokenType: 'at+jwt' | 'any';
  subjectClaim: string;
  /** Begins every subject, user and group of this issuer. */
  subjectPrefix: string;
  /** Names the user where the subject is the client; null: none does. A token with `act` names both anyway. */
  userClaim: string | null;
  groupsClaim: string | null;
  workflowClaim: string | null;
  requiredScopes: string[];
  /** Whether a token without scopes may nothing, or scopes say nothing and policy alone decides. */
  scopes: 'enforced' | 'ignored';
  clockToleranceMs: number;
  /** Whether every token has to be bound to a key of its holder (RFC 9449). */
  dpop: 'required' | 'optional';
  /** How old the keys may be while the issuer cannot be reached. */
  outageMs: number;
}

const url = text('a URL without query, fragment and credentials, such as https://login.example', (given) => {
  const parsed = URL.parse(given);
  if (parsed === null || parsed.username !== '' || parsed.password !== '' || /[?#]/.test(given)) return undefined;
  return /^https?:$/.test(parsed.protocol) ? given : undefined;
});

const keysUrl = text('a URL, such as https://login.example/jwks', (given) => {
  const parsed = URL.parse(given);
  if (parsed === null || parsed.username !== '' || parsed.password !== '' || given.includes('#')) return undefined;
  return /^https?:$/.test(parsed.protocol) ? given : undefined;
});

const claim = text('the name of a claim, such as sub', (given) =>
  /^[\x21-\x7e]{1,128}$/.test(given) ? given : undefined,
);

const printable = text('printable ASCII', (given) => (/^[\x21-\x7e]{1,512}$/.test(given) ? given : undefined));
const prefix = text('up to 128 printable ASCII characters, such as login.example/', (given) =>
  /^[\x21-\x7e]{0,128}$/.test(given) ? given : undefined,
);
const file = text('a path without `..`, such as ./tls/login-ca.pem', (given) =>
  given === '' || given.includes('\0') || given.split(/[/\\]/).includes('..') ? undefined : given,
);

/** Keys of one of `identity.oauth`. */
export const ISSUER_SETTINGS = {
  issuer: required(url, 'Its issuer identifier, exactly as its tokens have it.'),
  audience: setting(
    nullable(printable),
    'null',
    'What its tokens must be issued for, where that is not `identity.resource`.',
  ),
  jwks_uri: setting(
    nullable(keysUrl),
    'null',
    'Where its keys are. Null: where its metadata says (RFC 8414, OpenID Connect Discovery), on the issuer’s own host.',
  ),
  ca: setting(nullable(file), 'null', 'PEM file of the private authority of its certificate. Null: public ones.'),
  algorithms: setting(
    list(oneOf(...TOKEN_ALGORITHMS)),
    '[]',
    'Signature algorithms that are accepted. None named: ES256, PS256, RS256 and EdDSA.',
  ),
  token_type: setting(
    oneOf('at+jwt', 'any'),
    'at+jwt',
    '`at+jwt`: tokens must be marked as access tokens (RFC 9068). `any`: for servers that do not mark them; ID tokens are then told apart by their claims.',
  ),
  subject_claim: setting(claim, 'sub', 'The claim that names the agent.'),
  subject_prefix: setting(
    nullable(prefix),
    'null',
    'Begins every subject, user and group of this issuer, so that it cannot name those of another. Null: its host and a slash.',
  ),
  user_claim: setting(
    nullable(claim),
    'null',
    'The claim that names the user on whose behalf the agent acts, such as sub where `subject_claim` is client_id. A token with `act` (RFC 8693) names both by itself.',
  ),
  groups_claim: setting(nullable(claim), 'null', 'The claim with the agent’s groups.'),
  workflow_claim: setting(
    nullable(claim),
    'null',
    'The claim with the id of the workflow; it beats what a request says.',
  ),
  required_scopes: setting(list(scope), '[]', 'Scopes without which no token is accepted.'),
  scopes: setting(
    oneOf('enforced', 'ignored'),
    'enforced',
    '`enforced`: a token may do what its scopes allow (`identity.scopes`), and nothing without any. `ignored`: policy alone decides.',
  ),
  clock_tolerance: setting(duration('0s', '5m'), '30s', 'How far its clock may be off.'),
  dpop: setting(
    oneOf('required', 'optional'),
    'optional',
    'Whether every token has to be bound to a key of its holder (RFC 9449). A token that is bound needs its proof either way.',
  ),
  outage: setting(
    duration('1m', '7d'),
    '12h',
    'How old its keys may be while it cannot be reached. After that nobody of this issuer is let in until it answers.',
  ),
};

/** One of `identity.oauth`. */
export const oauthIssuer = section('an authorization server', ISSUER_SETTINGS);

type Given = NonNullable<ReturnType<(typeof oauthIssuer)['read']>>;

const USUAL: TokenAlgorithm[] = ['ES256', 'PS256', 'RS256', 'EdDSA'];

/** @param resource the gateway's name, which tokens are for unless the issuer calls it something else */
export function oauthIssuerOf(folder: string, resource: string | null, given: Given): OAuthIssuer {
  return {
    issuer: given.issuer,
    audience: given.audience ?? resource ?? '',
    jwksUri: given.jwks_uri,
    ca: given.ca === null ? null : resolve(folder, given.ca),
    algorithms: given.algorithms.length === 0 ? USUAL : given.algorithms,
    tokenType: given.token_type,
    subjectClaim: given.subject_claim,
    subjectPrefix: given.subject_prefix ?? `${new URL(given.issuer).host}/`,
    userClaim: given.user_claim,
    groupsClaim: given.groups_claim,
    workflowClaim: given.workflow_claim,
    requiredScopes: given.required_scopes,
    scopes: given.scopes,
    clockToleranceMs: given.clock_tolerance,
    dpop: given.dpop,
    outageMs: given.outage,
  };
}
