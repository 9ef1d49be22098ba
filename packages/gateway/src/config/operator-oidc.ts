import { ROLES, type Role } from '../operator/route.ts';
import { ISSUER_SETTINGS, type OAuthIssuer, oauthIssuerOf } from './identity-oauth.ts';
import { list, oneOf, required, section, text } from './readers.ts';

/** Whose access tokens are operators', and what a group of theirs may. */
export interface OperatorOidc {
  /** The operator interface as operators know it; what tokens are for unless the issuer calls it something else. */
  resource: string;
  issuer: OAuthIssuer;
  grants: { group: string; roles: readonly Role[] }[];
}

const resource = text('an https URL, such as https://operate.example:9443', (given) => {
  const url = URL.parse(given);
  return url?.protocol === 'https:' && url.username === '' && !/[?#]/.test(given) ? given : undefined;
});

const group = text('a group as the issuer names it: printable ASCII', (given) =>
  /^[\x20-\x7e]{1,256}$/.test(given) ? given : undefined,
);

const grant = section('what a group may', {
  group: required(group, 'A value of the groups claim.'),
  roles: required(list(oneOf(...ROLES)), 'What its members may, as in `operator.credentials`.'),
});

// An operator acts for nobody else, in no workflow, and shows the token at many URLs, so with no proof of possession.
const { user_claim: _user, workflow_claim: _workflow, scopes: _scopes, dpop: _dpop, ...ofIssuer } = ISSUER_SETTINGS;

export const operatorOidc = section('an issuer of operators’ tokens', {
  ...ofIssuer,
  resource: required(
    resource,
    'The URL of the operator API, for which tokens are issued where `audience` says nothing else.',
  ),
  grants: required(
    list(grant),
    'What its users may, by `groups_claim`. Whoever is in none of these groups may nothing.',
  ),
});

type Given = NonNullable<ReturnType<(typeof operatorOidc)['read']>>;
type Report = (key: string, message: string) => void;

/** @param others names of operators who are known otherwise */
export function operatorOidcOf(folder: string, given: Given, others: readonly string[], report: Report): OperatorOidc {
  if (given.groups_claim === null)
    report('operator.oidc.groups_claim', 'is missing: it says which groups an operator is in, and so what they may');
  const unused = { user_claim: null, workflow_claim: null, scopes: 'ignored', dpop: 'optional' } as const;
  const issuer = oauthIssuerOf(folder, given.resource, { ...given, ...unused });
  const other = others.find((name) => name.startsWith(issuer.subjectPrefix));
  if (other !== undefined)
    report(
      'operator.oidc.subject_prefix',
      `begins the name of \`${other}\`, so that the issuer could name that operator`,
    );
  return {
    resource: given.resource,
    issuer,
    grants: given.grants.map(({ group: name, roles }) => ({
      group: name,
      roles: ROLES.filter((role) => roles.includes(role)),
    })),
  };
}
