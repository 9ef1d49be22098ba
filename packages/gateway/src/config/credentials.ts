import { readInstant } from './instant.ts';
import { list, nullable, type Reader, required, section, setting, text } from './readers.ts';
import type { AgentCredential, Credential } from './types.ts';

const SUBJECT = /^[\x21-\x7e](?:[\x20-\x7e]{0,126}[\x21-\x7e])?$/;

/** What somebody is called. */
export const subject = text('a name of 1 to 128 printable ASCII characters, such as research-agent', (given) =>
  SUBJECT.test(given) ? given : undefined,
);

/** RFC 6749 section 3.3. */
export const scope = text('a scope: printable ASCII without spaces and quotes, such as mcp:tools:read', (given) =>
  /^[\x21\x23-\x5b\x5d-\x7e]{1,128}$/.test(given) ? given : undefined,
);

export const tokenDigest = text(
  'the SHA-256 of the token as 64 lower-case hexadecimal digits (printf %s "$TOKEN" | sha256sum)',
  (given) => (/^[0-9a-f]{64}$/.test(given) ? given : undefined),
  // Somebody will paste the token itself.
  true,
);

const instant = text('a time with its zone (RFC 3339), such as 2026-12-31T00:00:00Z', (given) => {
  return readInstant(given) ?? undefined;
});

/** One value, or a list of at least one. */
function oneOrSeveral<T>(item: Reader<T>): Reader<T[]> {
  const several = list(item);
  return {
    expected: `${item.expected}, or a list of such`,
    rows: () => [],
    read(tree, path, context) {
      if (tree.kind !== 'list') {
        const value = item.read(tree, path, context);
        return value === undefined ? undefined : [value];
      }
      if (tree.items.length > 0) return several.read(tree, path, context);
      context.problems.push({ at: tree.at, path, message: `expected ${item.expected}, found an empty list` });
      return undefined;
    },
  };
}

/** One of `agents`. */
export const agentCredential = section('an agent', {
  subject: required(subject, 'Who the bearer of the token is: the Cedar principal.'),
  token_sha256: required(
    oneOrSeveral(tokenDigest),
    'Digest of the bearer token; the token itself is never written here. A list while tokens change: each of them is good.',
  ),
  expires: setting(nullable(instant), 'null', 'From then on the token is refused. Null: it does not expire.'),
  scopes: setting(
    nullable(list(scope)),
    'null',
    'What the token was issued for (`identity.scopes`). Null: it says nothing of scopes, and policy alone decides.',
  ),
  groups: setting(list(subject), '[]', 'Groups that the agent is in: parents of the Cedar principal.'),
});

type GivenAgent = NonNullable<ReturnType<(typeof agentCredential)['read']>>;

export function agentOf({ subject, token_sha256, expires, scopes, groups }: GivenAgent): AgentCredential {
  return { subject, tokenSha256: token_sha256, expiresMicros: expires, scopes, groups };
}

type Report = (key: string, message: string) => void;

/** A token opens one door: two agents would be one to the audit, an operator's would let an agent operate (D-51). */
export function checkCredentials(agents: AgentCredential[], operators: Credential[], report: Report): void {
  const holders = new Map<string, string>();
  const visit = (path: string, digest: string): void => {
    const holder = holders.get(digest);
    if (holder === undefined) holders.set(digest, path);
    else report(path, `the same token as ${holder}; each credential needs its own`);
  };
  for (const [index, { tokenSha256 }] of agents.entries())
    for (const digest of tokenSha256) visit(`agents[${index}].token_sha256`, digest);
  for (const [index, { tokenSha256 }] of operators.entries())
    visit(`operator.credentials[${index}].token_sha256`, tokenSha256);
}
