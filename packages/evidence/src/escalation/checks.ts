import type { ChainEntry } from '../audit/chain-entry.ts';
import { textOf } from '../audit/chain-entry.ts';
import { encodeBase64Url } from '../bytes/base64url.ts';
import { jwkThumbprint } from '../claim/key.ts';
import type { TrustedKey } from '../expectations.ts';
import { asserted, type Finding, failed, informative, proven, required } from '../finding.ts';
import { printable } from '../printable.ts';
import type { Check } from '../report.ts';
import { type Approver, type Approvers, approversDigest } from './approvers.ts';
import type { Approval, ApprovalChain } from './chain.ts';
import type { Answer } from './entries.ts';
import { verifyApprovalSignature } from './statement.ts';

/** Who may approve, as a relying party knows it from elsewhere. */
export interface ApproverExpectation {
  /** Keys of approvers: an approval is proven under one of these, and nothing less will do. */
  keys?: readonly TrustedKey[];
  /** The approvers of the configuration, whose digest session_start commits to. */
  list?: { approvers: Approvers; source: string };
}

/** So many are told of one by one. */
const MAX_TOLD = 100;

/** What the chain shows of approvals; nothing where there was none and nobody asks. */
export async function escalationChecks(
  chain: ApprovalChain,
  start: ChainEntry | null,
  given: ApproverExpectation = {},
): Promise<Check[]> {
  const listed = given.list === undefined ? [] : [listCheck(chain, start, given.list)];
  if (!chain.seen && (given.keys ?? []).length === 0) return listed;
  const used = chain.approvals.filter(({ over }) => over === 'used');
  const keys = keysById(given);
  const wanted = (given.keys ?? []).length > 0 ? required : informative;
  const told = used.slice(0, MAX_TOLD).map(async (approval, i) => {
    const title = `Who let call ${printable(approval.usedBy ?? '')} of ${printable(approval.tool ?? '')} through?`;
    return wanted(`approvals.call.${i + 1}`, title, await wordOf(approval, keys));
  });
  const chained = required('approvals.chain', 'Was every approval asked for, granted and used once?', chain.finding());
  const more = await unread(used.slice(MAX_TOLD), keys);
  return [
    chained,
    ...listed,
    ...(await Promise.all(told)),
    ...more.map((finding) => wanted('approvals.more', 'Who let the other calls through?', finding)),
  ];
}

/** Those that are not told of one by one, in one answer: the gravest. */
async function unread(rest: readonly Approval[], keys: ReadonlyMap<string, TrustedKey>): Promise<Finding[]> {
  if (rest.length === 0) return [];
  const findings = await Promise.all(rest.map((approval) => wordOf(approval, keys)));
  const gravest =
    findings.find(({ outcome }) => outcome === 'failed') ?? findings.find(({ outcome }) => outcome !== 'proven');
  return [gravest ?? proven(`the keys that you gave signed each of ${rest.length} more approvals`)];
}

/** By the id that entries name them by. A key that the list of approvers holds is as good as the list. */
function keysById({ keys = [], list }: ApproverExpectation): Map<string, TrustedKey> {
  const listed = [...(list?.approvers.values() ?? [])].flatMap((approver) =>
    approver.keys.map((x): TrustedKey => ({ x, source: list?.source ?? '' })),
  );
  return new Map([...listed, ...keys].map((key) => [keyIdOf(key.x), key]));
}

const keyIdOf = (x: string): string => encodeBase64Url(jwkThumbprint(x));

/** Whose word it is that an approval was granted: proven by each signature, or as the weakest of those who said so. */
async function wordOf(
  { request, granted, at, usedAt }: Approval,
  keys: ReadonlyMap<string, TrustedKey>,
): Promise<Finding> {
  const words = await Promise.all(granted.map(({ answer }) => word(request.binding, answer, keys)));
  const grants = granted.map((grant, i) => `granted by ${words[i]?.detail} (entry ${grant.at})`).join(', ');
  const detail = `asked for (entry ${at}), ${grants}, used (entry ${usedAt})`;
  if (words.some(({ outcome }) => outcome === 'failed')) return failed(detail);
  if (words.every(({ outcome }) => outcome === 'proven'))
    return proven(detail, words.map(({ against }) => against).join(', '));
  return asserted(detail, '--approver-key FILE, and approvers who sign');
}

async function word(
  binding: Approval['request']['binding'],
  { by, approvers, channel, signature, step, reason }: Answer,
  keys: ReadonlyMap<string, TrustedKey>,
): Promise<Finding> {
  const who = `${printable(by)}${approvers.length === 0 ? '' : ` as ${approvers.join(' and ')}`} through ${channel}`;
  if (channel === 'user') return asserted(`${who}: the word of the agent's own client, which counts for no approver`);
  if (signature === null) return asserted(`${who}: asserted by the gateway`);
  const key = keys.get(signature.keyId);
  if (key === undefined) return asserted(`${who}: signed by ${printable(signature.keyId)}, a key that was not given`);
  switch (await verifyApprovalSignature(key.x, signature.value, binding, { verdict: step, reason, by })) {
    case 'valid':
      return proven(`${who}: signed with the key that was given`, key.source);
    case 'invalid':
      return failed(`${who}: the signature is not valid under the key that it names`, key.source);
    case 'unsupported':
      return asserted(`${who}: signed; this engine has no Ed25519 in WebCrypto`);
  }
}

/** Whether those who are said to have approved are on the list that the session was opened with. */
function listCheck(
  { approvals }: ApprovalChain,
  start: ChainEntry | null,
  { approvers, source }: NonNullable<ApproverExpectation['list']>,
): Check {
  const ask = (finding: Finding): Check =>
    required('approvals.approvers', 'Are the approvers those of the list?', finding);
  const committed = textOf(start?.detail ?? {}, 'approvers_hash');
  if (committed !== approversDigest(approvers))
    return ask(failed(`the session was opened with other approvers: ${printable(committed ?? 'none named')}`, source));
  const stranger = approvals.flatMap(({ granted }) => granted).find(({ answer }) => !isOn(approvers, answer));
  if (stranger !== undefined)
    return ask(
      failed(`entry ${stranger.at} counts ${printable(stranger.answer.by)} as whom the list does not name`, source),
    );
  return ask(proven('session_start commits to the list, and whoever is said to have approved is on it', source));
}

function isOn(approvers: Approvers, { by, approvers: names, signature }: Answer): boolean {
  const counts = ({ operators, keys, requiredSignature }: Approver): boolean => {
    const signed = signature !== null && keys.some((x) => keyIdOf(x) === signature.keyId);
    return operators.includes(by) && (signed || !requiredSignature);
  };
  return names.every((name) => {
    const approver = approvers.get(name);
    return approver !== undefined && counts(approver);
  });
}
