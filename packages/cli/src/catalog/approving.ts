import { readFile } from 'node:fs/promises';
import type { Approving, Finding, SignedOff } from '@cmcp/gateway';
import type { Arguments, Option } from '../arguments.ts';
import { UsageError } from '../io.ts';

const DAY_MS = 86_400_000;
const LONGEST_MS = 366 * DAY_MS;
const STANDARD_DAYS = 90;

/** What approving takes, whatever is approved. */
export const APPROVE_OPTIONS: Record<string, Option> = {
  key: { value: 'FILE', help: 'Your reviewer key, as `cmcp catalog reviewer-key` made it.' },
  role: { value: 'ROLE', help: 'In which role you approve (default: the one of the configuration).' },
  expires: {
    value: 'TIME',
    help: `How long the approval may put it in force, such as 30d (default: ${STANDARD_DAYS}d).`,
  },
  override: { value: 'RULE', multiple: true, help: 'Answer for the errors of a rule; a --reason goes with each.' },
  reason: { value: 'TEXT', multiple: true, help: 'Why, for the record.' },
  restart: { help: 'Begin anew: what others have signed so far is void.' },
  yes: { help: 'Sign. Without it, everything is shown and nothing is signed.' },
};

/** Who approves, and how, by the command line. @throws UsageError */
export async function approvingOf(given: Arguments): Promise<Approving> {
  const file = given.one('key');
  if (file === null) throw new UsageError('give your key with --key');
  const { durationMs, readReviewerKey } = await import('@cmcp/gateway');
  const lasting = durationMs(given.one('expires') ?? `${STANDARD_DAYS}d`);
  if (lasting === null || lasting < 60_000 || lasting > LONGEST_MS)
    throw new UsageError('--expires takes a time from 1m to 366d, such as 30d');
  const now = Math.floor(Date.now() / 1000);
  const key = readReviewerKey(await readFile(file, 'utf8'), file);
  return {
    key,
    role: given.one('role'),
    now,
    expiresAt: now + Math.floor(lasting / 1000),
    overrides: overridesOf(given.many('override'), given.many('reason')),
  };
}

function overridesOf(rules: readonly string[], reasons: readonly string[]): { rule: string; reason: string }[] {
  if (rules.length !== reasons.length || reasons.some((reason) => reason.trim() === ''))
    throw new UsageError('give a --reason for each --override, in the same order');
  return rules.map((rule, index) => ({ rule, reason: reasons[index] ?? '' }));
}

/** What comes next, once somebody has signed. */
export function signedText({ files, principals, threshold, reached, problem }: SignedOff, next: string): string {
  const have = `Approved by ${principals.join(', ')}: ${principals.length} of ${threshold}.`;
  return reached ? `${have}\n${next}\n` : `${have}\nNot enough yet: ${problem}. The record waits in ${files.record}\n`;
}

/** What keeps a person from signing by mistake. */
export function unsignedText(findings: readonly Finding[]): string {
  const errors = findings.filter(({ severity }) => severity === 'error');
  const rules = [...new Set(errors.map(({ rule }) => rule))];
  const blocked =
    rules.length === 0 ? '' : ` To sign you have to answer for: ${rules.join(', ')} (--override RULE --reason TEXT).`;
  return `Nothing was signed.${blocked} Read all of it, then give --yes.\n`;
}
