/** A SPIFFE ID, taken apart (SPIFFE-ID section 2). */
export interface SpiffeId {
  /** The whole of it, which is its only spelling. */
  readonly text: string;
  readonly trustDomain: string;
  /** With its leading slash; empty for the ID of the trust domain itself. */
  readonly path: string;
}

/** SPIFFE-ID section 2.3. */
const MAX_ID = 2048;
const TRUST_DOMAIN = /^[a-z0-9._-]{1,255}$/;
/** No segment is empty, `.` or `..`; nothing is escaped, so that one workload has one spelling. */
const SEGMENTS = /^(?:\/(?!\.{1,2}(?:\/|$))[A-Za-z0-9._-]+)*$/;
const SCHEME = 'spiffe://';

/** The parts of a SPIFFE ID; null for anything else: another scheme, a port, a query, a fragment, a user, an escaped character. */
export function parseSpiffeId(text: string): SpiffeId | null {
  if (text.length > MAX_ID || !text.startsWith(SCHEME)) return null;
  const rest = text.slice(SCHEME.length);
  const slash = rest.indexOf('/');
  const [trustDomain, path] = slash < 0 ? [rest, ''] : [rest.slice(0, slash), rest.slice(slash)];
  if (!isTrustDomain(trustDomain) || !SEGMENTS.test(path)) return null;
  return { text, trustDomain, path };
}

/** Whether a text is the name of a trust domain. */
function isTrustDomain(text: string): boolean {
  return TRUST_DOMAIN.test(text);
}

/** The trust domain that a pattern of IDs is about, one whole ID or everything below a path that ends in `/*`; null for no pattern. */
export function patternDomain(pattern: string): string | null {
  const id = parseSpiffeId(pattern.endsWith('/*') ? pattern.slice(0, -2) : pattern);
  if (id === null || (id.path === '' && !pattern.endsWith('/*'))) return null;
  return id.trustDomain;
}

/** Whether a pattern is about an ID. A path is matched by whole segments: `/agents/*` is not about `/agents-of-others`. */
export function isAbout(pattern: string, { text }: SpiffeId): boolean {
  return pattern.endsWith('/*') ? text.startsWith(pattern.slice(0, -1)) : text === pattern;
}
