import type { Credential } from '../config/types.ts';
import { createAuthenticator } from '../ingress/authenticate.ts';
import { type Operator, ROLES } from './route.ts';

/** Says which operator holds the credential of a request; null: none. */
export type Recognise = (authorization: string | undefined) => Operator | null;

/** Operators by the tokens of the configuration. */
export function operatorsByToken(credentials: Credential[]): Recognise {
  const tokens = createAuthenticator(credentials);
  return (authorization) => {
    const subject = tokens.authenticate(authorization);
    return subject === null ? null : { subject, source: 'bearer', roles: ROLES };
  };
}
