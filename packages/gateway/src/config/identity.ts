import { isLoopback } from './address.ts';
import { type OAuthIssuer, oauthIssuer, oauthIssuerOf } from './identity-oauth.ts';
import { type ScopeTable, scopesSection, USUAL_SCOPES } from './identity-scopes.ts';
import type { OperatorOidc } from './operator-oidc.ts';
import { list, nullable, section, setting, text } from './readers.ts';
import { type SpiffeConfig, spiffeConfig, spiffeReader } from './spiffe.ts';

/** Who may call besides those of `agents`. */
export interface IdentityConfig {
  /** The URL at which agents reach the gateway, also from behind a proxy; null: none is named. */
  resource: string | null;
  oauth: OAuthIssuer[];
  /** Workloads of trust domains; null: none. */
  spiffe: SpiffeConfig | null;
  /** What a credential with scopes may be used for. */
  scopes: ScopeTable;
}

const resource = text('a URL without query and fragment, such as https://gateway.example/mcp', (given) => {
  const url = URL.parse(given);
  if (url === null || url.username !== '' || url.password !== '' || /[?#]/.test(given)) return undefined;
  return url.protocol === 'https:' || url.protocol === 'http:' ? given : undefined;
});

/** `identity`. */
export const identitySection = section('who may call, besides `agents`', {
  resource: setting(
    nullable(resource),
    'null',
    'The URL of `/mcp` as agents know it: what access tokens must be issued for (RFC 8707), and what the metadata for clients names (RFC 9728). Behind a proxy it is the proxy’s.',
  ),
  oauth: setting(list(oauthIssuer), '[]', 'Authorization servers whose access tokens are accepted (docs/identity.md).'),
  spiffe: setting(
    spiffeReader,
    'null',
    'Workloads by their X509-SVID or JWT-SVID (docs/spiffe.md). Needs `tls`. Null: none.',
  ),
  scopes: setting(
    scopesSection,
    '{}',
    'What each scope lets be used: `tools`, `tools:read` (those that only read), `resources`, `prompts`, `tool:<name>`, `server:<id>`. It is for credentials that have scopes: what none of theirs lets be used is refused and not listed, before any policy is asked. Where nothing is set, these are `mcp:tools`, `mcp:tools:read`, `mcp:resources` and `mcp:prompts`.',
  ),
});

type Given = NonNullable<ReturnType<(typeof identitySection)['read']>>;
type Report = (key: string, message: string) => void;

/** The section that was read; what is wrong with it goes to `report`. `tls`: the listener has it. */
export function identityOf(folder: string, given: Given, tls: boolean, report: Report): IdentityConfig {
  const { resource, oauth, spiffe, scopes } = given;
  return {
    resource,
    scopes: Object.keys(scopes).length === 0 ? USUAL_SCOPES : scopes,
    oauth: oauth.map((each) => oauthIssuerOf(folder, resource, each)),
    spiffe: spiffeConfig(folder, spiffe, tls, report),
  };
}

/** What no single setting shows: whether issuers can be told apart, and may be asked. */
export function checkIdentity(
  { resource, oauth }: IdentityConfig,
  operators: OperatorOidc | null,
  dev: boolean,
  report: Report,
): void {
  if (operators !== null) checkOperators(operators, oauth, dev, report);
  if (resource === null && oauth.length > 0) {
    report('identity.resource', 'is missing: access tokens are for one gateway, and this is its name');
  }
  if (resource !== null && !isSecure(resource, dev)) report('identity.resource', SECURE);
  for (const [index, each] of oauth.entries()) {
    const key = `identity.oauth[${index}]`;
    if (!isSecure(each.issuer, dev)) report(`${key}.issuer`, SECURE);
    if (each.jwksUri !== null && !isSecure(each.jwksUri, dev)) report(`${key}.jwks_uri`, SECURE);
    checkPrefix(each, oauth.slice(0, index), `${key}.subject_prefix`, report);
    if (oauth.slice(0, index).some(({ issuer }) => issuer === each.issuer)) {
      report(`${key}.issuer`, 'is there already; one issuer has one row');
    }
  }
}

/** Whom the configuration names, no issuer can name: its users choose some of what follows the prefix. */
export function checkSubjects(
  named: readonly { subject: string }[],
  issuers: readonly Pick<OAuthIssuer, 'issuer' | 'subjectPrefix'>[],
  key: string,
  report: Report,
): void {
  for (const [index, { subject }] of named.entries()) {
    const other = issuers.find(({ subjectPrefix }) => subject.startsWith(subjectPrefix));
    if (other === undefined) continue;
    report(
      `${key}[${index}].subject`,
      `begins as those that ${other.issuer} names, who could name it; set another, or another \`subject_prefix\` there`,
    );
  }
}

/** A token opens one door (D-51): what an agent is issued never operates. */
function checkOperators({ issuer }: OperatorOidc, oauth: OAuthIssuer[], dev: boolean, report: Report): void {
  if (!isSecure(issuer.issuer, dev)) report('operator.oidc.issuer', SECURE);
  if (issuer.jwksUri !== null && !isSecure(issuer.jwksUri, dev)) report('operator.oidc.jwks_uri', SECURE);
  if (oauth.some((each) => each.issuer === issuer.issuer && each.audience === issuer.audience))
    report('operator.oidc.audience', 'is that of agents’ tokens of this issuer: operators need another one');
}

const SECURE = 'must be https: whoever is between could take its place (plain http on this machine in dev mode only)';

function isSecure(text: string, dev: boolean): boolean {
  const url = new URL(text);
  const host = url.hostname.replace(/^\[|\]$/g, '');
  return url.protocol === 'https:' || (dev && (host === 'localhost' || isLoopback(host)));
}

/** No issuer can name another's agents, nor the workload of a certificate. */
function checkPrefix({ subjectPrefix }: OAuthIssuer, before: OAuthIssuer[], key: string, report: Report): void {
  const overlaps = (other: string): boolean => other.startsWith(subjectPrefix) || subjectPrefix.startsWith(other);
  const other = before.find((each) => overlaps(each.subjectPrefix));
  if (other !== undefined) {
    report(key, `begins as that of ${other.issuer}: set one that is not, so that neither can name the other’s agents`);
  }
  if (subjectPrefix.startsWith('spiffe:')) report(key, 'is how workloads of a trust domain are named');
}
