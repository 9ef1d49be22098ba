import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { FormatError, readCertificates } from '@cmcp/evidence';
import type { OAuthIssuer } from '../../config/identity-oauth.ts';
import type { Config } from '../../config/types.ts';
import { egressFor, keysOf } from '../../egress.ts';
import { GatewayError } from '../../errors.ts';
import { pinnedPeer } from '../../upstream/pinned-peer.ts';
import type { IdentityDeps } from '../open.ts';
import { getJson } from './get-json.ts';
import { IssuerKeys } from './issuer-keys.ts';
import { resourceMetadata } from './metadata.ts';
import { UsedProofs } from './replays.ts';
import { OAuthSource } from './source.ts';

/**
 * The authorization servers of the configuration; null: it names none. None of them is asked anything before a token needs it.
 * @throws GatewayError CONFIG_INVALID when the file of an authority cannot be used
 */
export async function openIssuers(config: Config, deps: IdentityDeps): Promise<OAuthSource | null> {
  const { resource, oauth, scopes: table } = config.identity;
  if (resource === null || oauth.length === 0) return null;
  const rows = oauth.map((settings, index) => ({ settings, key: `identity.oauth[${index}]` }));
  return openSource(config, { resource, rows, scopes: Object.keys(table) }, deps);
}

/** The issuer of operators' tokens; null: the configuration names none. @throws as above */
export async function openOperatorIssuer(config: Config, deps: IdentityDeps): Promise<OAuthSource | null> {
  const { oidc } = config.operator;
  if (oidc === null) return null;
  const rows = [{ settings: oidc.issuer, key: 'operator.oidc' }];
  return openSource(config, { resource: oidc.resource, rows, scopes: [] }, deps);
}

interface SourceSettings {
  resource: string;
  /** Each with its key in the configuration. */
  rows: readonly { settings: OAuthIssuer; key: string }[];
  /** That tokens may be asked for, besides those that are required. */
  scopes: readonly string[];
}

async function openSource(
  config: Config,
  { resource, rows, scopes }: SourceSettings,
  deps: IdentityDeps,
): Promise<OAuthSource> {
  const oauth = rows.map(({ settings }) => settings);
  const issuers = rows.map(async ({ settings, key }) => {
    const authorities = await authoritiesOf(config.file, settings, key);
    const egress = egressFor([], [], config.egress.allow, [keysOf(settings)]);
    const peer = pinnedPeer({ tlsFingerprint: null }, { authorities, client: null }, egress, () => {});
    const get = getJson(peer, { lookup: deps.lookup }, deps.timers);
    return { settings, keys: new IssuerKeys(settings, { ...deps, get }) };
  });
  const required = oauth.flatMap(({ requiredScopes }) => requiredScopes);
  return new OAuthSource({
    resource,
    used: new UsedProofs(),
    issuers: await Promise.all(issuers),
    metadata: resourceMetadata(resource, oauth, [...new Set([...scopes, ...required])]),
    clock: deps.clock,
  });
}

async function authoritiesOf(file: string, { ca }: OAuthIssuer, key: string): Promise<string[] | null> {
  if (ca === null) return null;
  try {
    const certificates = readCertificates(await readFile(ca));
    return certificates.map(({ der }) => new X509Certificate(der).toString());
  } catch (error) {
    if (!(error instanceof FormatError) && !(error instanceof Error && 'code' in error)) throw error;
    throw new GatewayError('CONFIG_INVALID', `${file}: ${key}.ca: ${ca}: ${error.message}`, {
      cause: error,
    });
  }
}
