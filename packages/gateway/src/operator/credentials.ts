import { X509Certificate } from 'node:crypto';
import { digest } from '@cmcp/evidence';
import type { Clock } from '../clock.ts';
import type { OperatorCertificate, OperatorConfig } from '../config/operator.ts';
import type { OperatorOidc } from '../config/operator-oidc.ts';
import { GatewayError } from '../errors.ts';
import { TokenDigests } from '../identity/token-digests.ts';
import type { IdentitySource, Presented } from '../identity/types.ts';
import { type Operator, ROLES } from './route.ts';

/** Says which operator a request is of; null: of none. */
export type Recognise = (presented: Presented) => Promise<Operator | null>;

/** Operators by the tokens and certificates of the configuration, and by tokens of its issuer. */
export function recogniser(
  { credentials, certificates, oidc }: Pick<OperatorConfig, 'credentials' | 'certificates' | 'oidc'>,
  issuer: Pick<IdentitySource, 'identify'> | null,
  clock: Clock,
): Recognise {
  const tokens = new TokenDigests(credentials.map((holder) => ({ sha256: holder.tokenSha256, holder })));
  const byToken = async (presented: Presented): Promise<Operator | null> => {
    const [value, ...more] = presented.headers('authorization');
    const holder = more.length === 0 ? tokens.holderOf(value) : null;
    if (holder !== null) return { subject: holder.subject, source: 'bearer', roles: holder.roles };
    // No other scheme: a token that is bound to a key opens nothing here, with a proof or without.
    if (more.length > 0 || !/^bearer /i.test(value ?? '') || issuer === null || oidc === null) return null;
    return byIssuer(oidc, issuer, presented);
  };
  return async (presented) => {
    const leaf = presented.certificates?.[0];
    const byCertificate = leaf === undefined ? null : holderOf(certificates, leaf, clock.nowMicros());
    if (presented.headers('authorization').length === 0) return byCertificate;
    const holder = await byToken(presented);
    if (holder === null || byCertificate === null) return holder;
    // Whoever shows both has to be one person, and may what both say.
    if (byCertificate.subject !== holder.subject) return null;
    const ends = [byCertificate, holder].map(({ expiresMicros = Number.POSITIVE_INFINITY }) => expiresMicros);
    const roles = holder.roles.filter((role) => byCertificate.roles.includes(role));
    return { ...byCertificate, roles, expiresMicros: Math.min(...ends) };
  };
}

/** @throws GatewayError IDENTITY_UNAVAILABLE */
async function byIssuer(
  { issuer: { subjectPrefix }, grants }: OperatorOidc,
  issuer: Pick<IdentitySource, 'identify'>,
  presented: Presented,
): Promise<Operator | null> {
  try {
    const caller = await issuer.identify(presented);
    // What acts for somebody is an agent.
    if (caller === null || caller.onBehalfOf !== undefined) return null;
    const granted = grants.filter(({ group }) => caller.groups?.includes(subjectPrefix + group));
    const roles = ROLES.filter((role) => granted.some((each) => each.roles.includes(role)));
    const { subject, expiresMicros } = caller;
    return { subject, source: 'oidc', roles, ...(expiresMicros !== undefined && { expiresMicros }) };
  } catch (error) {
    if (error instanceof GatewayError && error.code !== 'IDENTITY_UNAVAILABLE') return null;
    throw error;
  }
}

/** The handshake looked at the authority and the time once: a connection may outlast the certificate. */
function holderOf(known: readonly OperatorCertificate[], leaf: Uint8Array, nowMicros: number): Operator | null {
  const { subjectAltName, validToDate } = new X509Certificate(leaf);
  const expiresMicros = validToDate.getTime() * 1000;
  if (nowMicros >= expiresMicros) return null;
  const names = alternativeNames(subjectAltName ?? '');
  const print = digest(leaf);
  const found = known.filter(({ match: { kind, value } }) =>
    kind === 'san' ? names.includes(value) : value === print,
  );
  const [first] = found;
  // A certificate of two people is nobody's.
  if (first === undefined || found.some(({ subject }) => subject !== first.subject)) return null;
  const roles = first.roles.filter((role) => found.every((each) => each.roles.includes(role)));
  return { subject: first.subject, source: 'mtls', roles, expiresMicros };
}

/** As Node writes them: separated by commas, and quoted where one holds a comma or a quote itself, so that no name hides another. */
export function alternativeNames(text: string): string[] {
  return (text.match(/(?:[^",]|"(?:[^"\\]|\\.)*")+/g) ?? []).map((name) => name.trim());
}
