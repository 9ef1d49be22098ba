import { JsonError, parseJson } from '@cmcp/evidence';

/**
 * Who is calling, as established by the transport and never by the message. `bearer`: a token of the configuration. `stdio`: whoever
 * started the gateway. `oauth`: an access token of an authorization server. `svid`: the certificate of a live TLS handshake.
 * `jwt-svid`: a token of the trust domain.
 */
export const CALLER_SOURCES = ['bearer', 'stdio', 'oauth', 'svid', 'jwt-svid'] as const;
export type CallerSource = (typeof CALLER_SOURCES)[number];

export interface Caller {
  /** The Cedar principal's id. Printable ASCII. */
  readonly subject: string;
  readonly source: CallerSource;
  /** The user who delegated to the subject, as a signed credential names them. Printable ASCII. */
  readonly onBehalfOf?: string;
  /** What the credential was issued for; undefined: it says nothing of scopes, and policy alone decides. */
  readonly scopes?: readonly string[];
  /** Parents of the principal in Cedar. */
  readonly groups?: readonly string[];
  /** `sha256:` and the hex of the SHA-256 over the SPKI of the key that a live handshake showed. Of source `svid` only. */
  readonly keyThumbprint?: string;
  /** Named by a signed credential. It beats whatever a request says. */
  readonly workflow?: string;
  /** When the credential ends, microseconds since the epoch: whatever is held open with it ends then too. Left out: it does not say. */
  readonly expiresMicros?: number;
}

/** What a request is part of, and who says so: `signed` by the credential, or `asserted` by the request alone. */
export interface Workflow {
  readonly id: string;
  readonly source: 'asserted' | 'signed';
}

/** `asserted`: what the request says. It counts only where the credential says nothing. */
export function workflowOf({ workflow }: Caller, asserted: string | null): Workflow | null {
  if (workflow !== undefined) return { id: workflow, source: 'signed' };
  return asserted === null ? null : { id: asserted, source: 'asserted' };
}

/** Whoever has the same key owns the same sessions: AUTHZ-11, possession of a handle is not authentication. */
export function ownerOf({ subject, source, onBehalfOf, workflow }: Caller): string {
  return JSON.stringify([source, subject, onBehalfOf ?? null, workflow ?? null]);
}

/**
 * Whose exposure a call counts to (contracts section 1): the subject's, and the workflow's only where a signed credential names it.
 * Delegating users are apart as well: what one of them was shown, another was not. Whoever sets a subject cannot make it look like
 * the key of another.
 */
export function exposedAs({ subject, onBehalfOf, workflow }: Caller): string {
  if (onBehalfOf === undefined && workflow === undefined && !subject.startsWith('[')) return subject;
  return JSON.stringify([subject, onBehalfOf ?? null, workflow ?? null]);
}

/** The subject of a key that {@link exposedAs} made. */
export function subjectOf(exposed: string): string {
  if (!exposed.startsWith('[')) return exposed;
  try {
    const key = parseJson(exposed);
    const subject = Array.isArray(key) ? key[0] : undefined;
    return typeof subject === 'string' ? subject : exposed;
  } catch (error) {
    // Of a store that nobody but this gateway writes; what is not such a key was a subject of before.
    if (error instanceof JsonError) return exposed;
    throw error;
  }
}
