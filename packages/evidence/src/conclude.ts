import type { Residue } from './audit/residue.ts';
import type { SessionCaller } from './audit/session-callers.ts';
import type { SessionFlow } from './audit/value-flows.ts';
import { partsBehind } from './behind.ts';
import { claimDigest } from './claim/hash.ts';
import type { WireClaim } from './claim/wire.ts';
import { type Expectations, relaxationsOf } from './expectations.ts';
import type { Check, Report, Verdict } from './report.ts';

/** What was read of a file, as far as it could be read. */
export interface Subject {
  claim: WireClaim | null;
  residue: Residue;
  /** Null, or absent: there is nothing to say of it. */
  flow?: SessionFlow | null;
  callers?: SessionCaller[] | null;
}

/** The report on `checks`: one failure refuses, and only a file whose required checks are all proven is verified. */
export function conclude(checks: Check[], subject: Subject, expectations: Expectations): Report {
  const relaxations = relaxationsOf(expectations);
  const { verdict, summary, open } = verdictOf(checks, relaxations);
  // UX-09: a software session is never told in the words of another.
  const software = verdict === 'verified' && subject.claim?.trace.runtime.platform === 'software-only';
  const flags = open.flatMap((check) => check.remedy ?? []).filter((remedy) => remedy.startsWith('--'));
  return {
    verdict,
    summary: software ? `${summary} This is a software session.` : summary,
    session_id: subject.claim?.gateway.session_id ?? null,
    claim: subject.claim === null ? null : placeOf(subject.claim),
    checks: checks.map((check) => ({ ...check, evidence: partsBehind(check.id) })),
    relaxations,
    lacking: [...new Set(flags)],
    residual: residualOf(subject, expectations),
    ...(subject.flow ? { flow: subject.flow } : {}),
    ...(subject.callers ? { callers: subject.callers } : {}),
  };
}

function placeOf(claim: WireClaim): NonNullable<Report['claim']> {
  const { session_id, sequence_number, prev_claim_hash } = claim.gateway;
  const previous = prev_claim_hash ?? null;
  return { session_id, number: sequence_number, digest: claimDigest(claim), previous, key: claim.trace.cnf.jwk.x };
}

/** The verdict on `checks` with a sentence for a person, and the required checks that keep it open. */
export function verdictOf(
  checks: readonly Check[],
  relaxations: readonly string[],
): { verdict: Verdict; summary: string; open: Check[] } {
  const open = checks.filter((check) => check.required && check.outcome !== 'proven');
  const failures = checks.filter((check) => check.outcome === 'failed');
  if (failures.length > 0) return { verdict: 'refused', summary: `Refused: ${firstOf(failures)}.`, open };
  if (open.length > 0) return { verdict: 'unverified', summary: `Consistent, not verified: ${firstOf(open)}.`, open };
  // UX-09: what was relaxed is never told in the words of what needed nothing relaxed.
  const rest =
    relaxations.length > 0 ? `Accepted with ${relaxations.join(' ')}: everything else` : 'Verified: everything';
  return { verdict: 'verified', summary: `${rest} that was required is proven.`, open };
}

function firstOf(checks: readonly Check[]): string {
  const more = checks.length > 1 ? ` (and ${checks.length - 1} more)` : '';
  return `${checks[0]?.detail ?? ''}${more}`;
}

/** What a reader might take a verified report to say, and what it does not (contracts section 4). */
function residualOf({ claim, residue }: Subject, { now }: Expectations): string[] {
  const { uninspectedCalls: unread } = residue;
  return [
    'Other sessions: not checked. Whether the same agent had sessions that are not in this file cannot be seen from it.',
    "Times are the gateway's clock: asserted.",
    unread > 0
      ? `Response content was not inspected in ${unread} calls: size and encoding were checked, what the answers say was not.`
      : 'Response content was not inspected by this verifier, which sees digests only; what an entry says of it is the gateway’s word.',
    'What the tools did is not in the record, only what they were asked and whether their answers were passed on.',
    ...(claim?.trace.runtime.platform === 'software-only'
      ? ['The key was a software key: whoever controlled the machine could have signed anything with it.']
      : ['Hardware makers, their firmware, and physical attacks on the machine are trusted or left out of account.']),
    ...(claim !== null && claim.trace.runtime.platform !== 'software-only' && now === undefined
      ? [
          'Certificates, revocations and collateral were judged at the time that the claim names, since no clock was given.',
        ]
      : []),
  ];
}
