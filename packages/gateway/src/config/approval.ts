import { encodeBase64Url, type JsonValue, jwkThumbprint, type Quorum, readKeyText } from '@cmcp/evidence';
import { integer, list, nullable, oneOf, required, section, setting, text } from './readers.ts';

/** Who has to approve a catalog or a bundle before it is in force. */
export interface ApprovalConfig extends Quorum {
  /** The name that records call the catalog or the bundle by. */
  subjectId: string;
  /** Records with a lower sequence are refused: what was replaced does not come back. */
  leastSequence: number;
}

const NAME = /^[\x21-\x7e](?:[\x20-\x7e]{0,126}[\x21-\x7e])?$/;

const name = text('a name of 1 to 128 printable ASCII characters', (given) => (NAME.test(given) ? given : undefined));

const publicKey = text(
  'an Ed25519 public key: its x in base64url, as `cmcp catalog reviewer-key` prints it',
  (given) => {
    return readKeyText(given) ?? undefined;
  },
);

const flag = (standard: 'true' | 'false', meaning: string) => setting(oneOf('true', 'false'), standard, meaning);

const reviewer = section('a reviewer', {
  key: required(publicKey, 'Their public key.'),
  principal: required(name, 'Who they are.'),
  issuer: setting(name, 'local', 'Who vouches that the key is theirs.'),
  role: setting(
    nullable(name),
    'null',
    'The one role in which they approve. Null: any, and none where roles have to differ.',
  ),
  key_id: setting(nullable(name), 'null', 'What records call the key. Null: its RFC 7638 thumbprint.'),
});

/** `catalog.approval` and `policy.approval`. `what` is a catalog or a bundle, `id` the name of the only one there is. */
export function approvalReader(what: string, id: string) {
  return nullable(
    section('an approval quorum', {
      threshold: required(integer(1, 64), 'How many reviewers have to approve.'),
      reviewers: required(list(reviewer), 'Whose approvals count.'),
      distinct_principals: flag('true', 'Whether two keys of one person count as one.'),
      distinct_roles: flag('false', 'Whether those who approve must each have another role.'),
      revoked: setting(list(name), '[]', `Ids of keys whose approvals void a record.`),
      policy_id: setting(name, 'default', 'Name of these rules, which records repeat.'),
      id: setting(name, id, `What records call this ${what}.`),
      least_sequence: setting(
        integer(1, Number.MAX_SAFE_INTEGER),
        '1',
        `Records with a lower sequence are refused, so that a ${what} that was replaced does not come back.`,
      ),
    }),
  );
}

type Given = Exclude<ReturnType<ReturnType<typeof approvalReader>['read']>, undefined | null>;

/** The quorum of a section that was read; what is wrong with it goes to `report`, by path below the section. */
export function approvalConfig(
  given: Given | null,
  key: string,
  report: (key: string, message: string) => void,
): ApprovalConfig | null {
  if (given === null) return null;
  const distinctRoles = given.distinct_roles === 'true';
  const reviewers = given.reviewers.map((each) => ({
    keyId: each.key_id ?? encodeBase64Url(jwkThumbprint(each.key)),
    key: each.key,
    principal: each.principal,
    issuer: each.issuer,
    role: each.role,
  }));
  for (const [index, each] of reviewers.entries()) {
    const path = `${key}.reviewers[${index}]`;
    const before = reviewers.slice(0, index);
    if (before.some((other) => other.key === each.key || other.keyId === each.keyId))
      report(path, 'the same key as a reviewer before; each approves with a key of their own');
    if (distinctRoles && each.role === null) report(path, 'needs a `role`: `distinct_roles` is set');
  }
  const quorum = {
    policyId: given.policy_id,
    threshold: given.threshold,
    distinctPrincipals: given.distinct_principals === 'true',
    distinctRoles,
    reviewers,
    revoked: given.revoked,
  };
  const most = mostApprovals(quorum);
  if (given.threshold > most)
    report(`${key}.threshold`, `can never be reached: at most ${most} of these reviewers can approve together`);
  return { ...quorum, subjectId: given.id, leastSequence: given.least_sequence };
}

/** A quorum that nobody can reach is a mistake to name before anybody tries. */
function mostApprovals({ reviewers, revoked, distinctPrincipals, distinctRoles }: Quorum): number {
  const able = reviewers.filter(({ keyId }) => !revoked.includes(keyId));
  const principals = new Set(able.map(({ principal }) => principal)).size;
  const roles = new Set(able.map(({ role }) => role)).size;
  return Math.min(able.length, distinctPrincipals ? principals : able.length, distinctRoles ? roles : able.length);
}

/** The same as hashes of the configuration cover it. */
export function approvalSettings(config: ApprovalConfig | null): JsonValue {
  return config === null
    ? null
    : { ...config, reviewers: config.reviewers.map((each) => ({ ...each })), revoked: [...config.revoked] };
}
