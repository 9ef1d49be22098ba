import { isObject, member } from '@cmcp/evidence';
import type { Reply } from '../mcp/reply.ts';

/** A refusal for what the credential is (401), or for what it was not issued for (403), with the scopes that would do. */
export interface CredentialRefusal {
  code: 'UNAUTHENTICATED' | 'INSUFFICIENT_SCOPE';
  /** From `data.scope`, where they are separated by spaces; null: none is named. */
  scopes: readonly string[] | null;
}

/** What of that kind an answer says, or null. */
export function refusalIn({ body }: Reply): CredentialRefusal | null {
  const error = isObject(body) ? member(body, 'error') : undefined;
  const data = isObject(error) ? member(error, 'data') : undefined;
  if (!isObject(data)) return null;
  const code = member(data, 'error_code');
  if (code !== 'UNAUTHENTICATED' && code !== 'INSUFFICIENT_SCOPE') return null;
  const scope = member(data, 'scope');
  return { code, scopes: typeof scope === 'string' && scope !== '' ? scope.split(' ') : null };
}
