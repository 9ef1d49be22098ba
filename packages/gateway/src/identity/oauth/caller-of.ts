import { isObject, type JsonObject, type JsonValue, member } from '@cmcp/evidence';
import type { Caller } from '../../caller.ts';
import type { OAuthIssuer } from '../../config/identity-oauth.ts';
import { GatewayError } from '../../errors.ts';
import { timeOf } from './access-token.ts';

const NAME = /^[\x21-\x7e](?:[\x20-\x7e]{0,254}[\x21-\x7e])?$/;
const SCOPE = /^[\x21\x23-\x5b\x5d-\x7e]{1,128}$/;
const MOST = 128;

/**
 * Whom the claims of a genuine token name. With `act` (RFC 8693 section 4.1) the actor is the agent, and the token's subject the user.
 * @throws GatewayError UNAUTHENTICATED where they name nobody, or something that cannot be written down
 */
export function callerOf(claims: JsonObject, issuer: OAuthIssuer): Caller {
  const scopes = scopesOf(claims);
  const workflow = issuer.workflowClaim === null ? undefined : member(claims, issuer.workflowClaim);
  const groups = issuer.groupsClaim === null ? undefined : member(claims, issuer.groupsClaim);
  return {
    ...named(claims, issuer),
    source: 'oauth',
    ...(issuer.scopes === 'enforced' && { scopes }),
    ...(groups !== undefined && { groups: groupsOf(groups).map((each) => prefixed(issuer, each)) }),
    ...(workflow !== undefined && { workflow: checked(workflow, 'workflow') }),
    expiresMicros: Math.floor(timeOf(claims, 'exp') * 1000),
  };
}

function named(claims: JsonObject, issuer: OAuthIssuer): Pick<Caller, 'subject' | 'onBehalfOf'> {
  const actor = member(claims, 'act');
  if (actor !== undefined) {
    if (!isObject(actor)) throw refuse('its `act` is no object');
    const by = member(actor, 'iss');
    if (by !== undefined && by !== issuer.issuer) throw refuse('its `act` is of another issuer');
    return { subject: prefixed(issuer, member(actor, 'sub')), onBehalfOf: prefixed(issuer, member(claims, 'sub')) };
  }
  const subject = prefixed(issuer, member(claims, issuer.subjectClaim));
  const user = issuer.userClaim === null ? undefined : member(claims, issuer.userClaim);
  if (user === undefined) return { subject };
  const onBehalfOf = prefixed(issuer, user);
  // RFC 9068 section 2.2: with no user, the client is the subject of its own tokens.
  return onBehalfOf === subject ? { subject } : { subject, onBehalfOf };
}

/** RFC 9068 section 2.2.3; some servers write a list, or call it `scp`. */
export function scopesOf(claims: JsonObject): string[] {
  const given = member(claims, 'scope') ?? member(claims, 'scp') ?? [];
  const scopes = typeof given === 'string' ? given.split(' ').filter((each) => each !== '') : given;
  if (!Array.isArray(scopes) || scopes.length > MOST) throw refuse('its scopes are no list of scopes');
  return scopes.map((each) => {
    if (typeof each !== 'string' || !SCOPE.test(each)) throw refuse('one of its scopes is none');
    return each;
  });
}

function groupsOf(given: JsonValue): JsonValue[] {
  if (!Array.isArray(given)) throw refuse('its groups are no list');
  if (given.length > MOST) throw refuse(`it names more than ${MOST} groups`);
  return given;
}

/** Under the issuer's prefix, and never what a workload of a trust domain is called. */
function prefixed({ subjectPrefix }: OAuthIssuer, value: JsonValue | undefined): string {
  const name = checked(typeof value === 'string' && value !== '' ? `${subjectPrefix}${value}` : undefined, 'subject');
  if (/^spiffe:/i.test(name)) throw refuse('its subject is that of a workload');
  return name;
}

function checked(value: JsonValue | undefined, what: string): string {
  if (typeof value === 'string' && NAME.test(value)) return value;
  throw refuse(`its ${what} is missing, or no printable ASCII of at most 256 characters`);
}

function refuse(why: string): GatewayError {
  return new GatewayError('UNAUTHENTICATED', `the access token: ${why}`);
}
