import { isIPv6 } from 'node:net';
import { canonicalSorted, digest } from '@cmcp/evidence';
import type { Catalog, CatalogServer } from './catalog/types.ts';
import type { OAuthIssuer } from './config/identity-oauth.ts';
import type { Config } from './config/types.ts';
import type { CredentialSettings } from './upstream/credential/types.ts';

/** Where the gateway itself may connect to: host and port, in the form of {@link destinationOf}. */
export type Destination = string;

/**
 * The one allow-list of every connection that the gateway itself opens: upstream servers, token endpoints, the classifier, the callback of
 * approvals and issuers of callers' tokens. What is not on it is not connected to, not even looked up. Children of the gateway are not
 * behind it.
 */
export class Egress {
  /** Committed to by every session (contracts section 3). */
  readonly digest: string;
  readonly #allowed: ReadonlySet<Destination>;

  constructor(allowed: Iterable<Destination>) {
    this.#allowed = new Set(allowed);
    this.digest = digest(canonicalSorted([...this.#allowed].sort()));
  }

  /** Why nothing is to be sent there, or null. */
  refuse(destination: Destination): Error | null {
    return this.#allowed.has(destination) ? null : new Error(`${destination} is not on the egress allow-list`);
  }
}

/**
 * What the catalog's servers, the configured token endpoints, the classifier, the callback and the issuers of callers' and operators' tokens
 * need, and no more; where the configuration has a list of its own, only what is on both.
 */
export function egressOf(
  { egress, upstreams, inspection: { classifier }, approvals: { callback }, identity, operator: { oidc } }: EgressSettings,
  catalog: Catalog,
): Egress {
  const credentials = Object.values(upstreams).map(({ credential }) => credential);
  const services = [classifier, callback].flatMap((service) => service?.url ?? []);
  const issuers = [...identity.oauth, ...(oidc === null ? [] : [oidc.issuer])];
  return egressFor(catalog.servers, credentials, egress.allow, [...services, ...issuers.map(keysOf)]);
}

type EgressSettings = Pick<Config, 'egress' | 'upstreams' | 'inspection' | 'approvals' | 'identity' | 'operator'>;

/** Where an issuer is asked for its keys: on its own host, unless the configuration names another. */
export function keysOf({ issuer, jwksUri }: Pick<OAuthIssuer, 'issuer' | 'jwksUri'>): string {
  return jwksUri ?? issuer;
}

/** The same for servers and credentials by themselves; `more`: other URLs that are needed. */
export function egressFor(
  servers: readonly Pick<CatalogServer, 'transport'>[],
  credentials: readonly (CredentialSettings | null)[],
  allow: readonly Destination[] | null,
  more: readonly string[] = [],
): Egress {
  const urls = servers.flatMap(({ transport }) => (transport.kind === 'http' ? [transport.url] : []));
  const endpoints = credentials.flatMap((each) => (each?.source.kind === 'oauth' ? [each.source.tokenUrl] : []));
  const needed = [...urls, ...endpoints, ...more].flatMap((text) => {
    const url = URL.parse(text);
    return url === null ? [] : [destinationOf(url)];
  });
  return new Egress(allow === null ? needed : needed.filter((destination) => allow.includes(destination)));
}

/** `host:port`, lower case, brackets around IPv6. */
export function destinationOf({ hostname, port, protocol }: Pick<URL, 'hostname' | 'port' | 'protocol'>): Destination {
  const host = isIPv6(hostname) ? `[${hostname}]` : hostname.toLowerCase();
  return `${host}:${port || (protocol === 'https:' ? '443' : '80')}`;
}
