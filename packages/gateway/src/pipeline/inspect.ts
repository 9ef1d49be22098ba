import { type JsonObject, member } from '@cmcp/evidence';
import { GatewayError } from '../errors.ts';
import type { Judged } from '../inspection/judge.ts';
import { isInjection } from '../inspection/judge.ts';
import { type Answer, releasable } from '../inspection/response.ts';
import type { Finding } from '../inspection/types.ts';
import type { GovernedRequest } from '../mcp/types.ts';
import { enforces, speaks } from '../policy/mode.ts';
import type { Decision, ResponseView } from '../policy/types.ts';
import { decisionInput, enforce } from './decide.ts';
import { decided } from './decided.ts';
import type { PathDeps } from './deps.ts';
import { requirePinnedContent } from './drift.ts';
import { withoutForbiddenLinks } from './links.ts';
import { lookAt, raisedBy, refusalOf, settingsOf, takeOut } from './look.ts';
import { payloadDigest } from './payload-digest.ts';
import type { Plan } from './plan.ts';
import type { CallRecord } from './record.ts';
import { redact } from './redact.ts';

/**
 * Looks through the answer, decides on it, and gives what may be released of it. Every stage runs and is recorded before any refusal
 * counts (D-28). The digest of what came is recorded also when it is withheld; where something was taken out, that of what is left.
 */
export async function inspect(
  deps: PathDeps,
  record: CallRecord,
  plan: Plan,
  request: GovernedRequest,
  answer: Answer,
): Promise<Answer> {
  record.responseHash = payloadDigest(record.salt, answer.text);
  requireGeneration(deps, record);
  if (answer.kind === 'result' && answer.type === 'complete') requirePinnedContent(record, plan, answer.result);
  const { judged, refusals } = await stagesOf(deps, record, answer);
  requireGeneration(deps, record);
  const refused = refusals[0] ?? null;
  const denied = failureIn(() => decideAnswer(deps, record, plan, request, answer, judged));
  if (refused !== null) await withhold(deps, record, answer, refused);
  if (denied !== null) throw denied;
  const left = await released(deps, record, plan, answer, judged);
  requireGeneration(deps, record);
  if (left !== answer && left.kind === 'result') record.responseHash = payloadDigest(record.salt, left.text);
  return left;
}

/** Defect D-47: an operator's reset in the meantime began a new generation, which must not be shown this answer. */
export function requireGeneration(deps: PathDeps, { session, generation }: CallRecord): void {
  if (deps.exposures.row(session.caller.subject).generation === generation) return;
  throw new GatewayError('EGRESS_DENIED', 'the exposure was reset during the call');
}

const NOTHING: Judged = { findings: [], removed: [], kept: [], outcome: 'off', gravest: null };

/** What the stages found, and each reason to withhold the answer. */
async function stagesOf(
  deps: PathDeps,
  record: CallRecord,
  answer: Answer,
): Promise<{ judged: Judged; refusals: GatewayError[] }> {
  const { inspected } = record;
  const { maxBytes } = settingsOf(record);
  const refusals: GatewayError[] = [];
  inspected.ran('size');
  if (maxBytes !== null && answer.sizeBytes > maxBytes) {
    inspected.came('size_exceeded');
    refusals.push(new GatewayError('RESPONSE_SIZE_EXCEEDED', `more than ${maxBytes} bytes`));
  }
  try {
    const judged = await seen(deps, record, answer);
    const refusal = refusalOf(judged);
    return { judged, refusals: refusal === null ? refusals : [...refusals, refusal] };
  } catch (failure) {
    if (!(failure instanceof GatewayError)) throw failure;
    inspected.came('not_inspected');
    return { judged: NOTHING, refusals: [...refusals, failure] };
  }
}

async function seen(deps: PathDeps, record: CallRecord, answer: Answer): Promise<Judged> {
  const content = contentOf(answer);
  if (content !== null) return await lookAt(deps, record, content);
  // What a server asks was looked at, decided and entered by itself.
  record.inspected.came('pass');
  return NOTHING;
}

/** What of an answer its reader is given. A task's id is not: what the agent gets is a handle. */
function contentOf(answer: Answer): JsonObject | null {
  if (answer.kind === 'asks') return null;
  if (answer.kind === 'error') return answer.upstream;
  return Object.hasOwn(answer.result, 'taskId') ? { ...answer.result, taskId: '' } : answer.result;
}

/** @throws GatewayError the refusal, except where the mode does not enforce: then the call is marked */
async function withhold(deps: PathDeps, record: CallRecord, answer: Answer, refusal: GatewayError): Promise<void> {
  const { mode } = deps.config;
  if (!enforces(mode)) {
    record.wouldHaveDenied = true;
    if (speaks(mode)) deps.report('call.would_deny', record.callId, `${refusal.code}: ${refusal.detail}`);
    return;
  }
  if (refusal.code !== 'RESPONSE_QUARANTINED') throw refusal;
  if (deps.inspection.keep === null) throw new GatewayError('RESPONSE_CONTENT_REFUSED', refusal.detail);
  await deps.inspection.keep(record, answer);
  throw refusal;
}

function failureIn(work: () => void): GatewayError | null {
  try {
    work();
    return null;
  } catch (failure) {
    if (failure instanceof GatewayError) return failure;
    throw failure;
  }
}

function decideAnswer(
  deps: PathDeps,
  record: CallRecord,
  plan: Plan,
  request: GovernedRequest,
  { sizeBytes }: Answer,
  judged: Judged,
): void {
  const decision = decided(deps, record, {
    ...decisionInput(deps, record, plan.asked, request.workflow),
    response: responseView(deps, record, sizeBytes, judged),
  });
  record.decision = graver(record.decision, decision);
  enforce(deps, record, decision, 'egress');
}

/** An answer, or part of one, as policy sees it: with the class that what stays in it gives. */
export function responseView(
  { ranks }: PathDeps,
  { effective, before, inspected }: CallRecord,
  sizeBytes: number,
  { findings, kept }: Judged,
): ResponseView {
  const shown = raisedBy(ranks, effective ?? before, inspected.applied ? kept : findings);
  return {
    sizeBytes,
    findings: findings.length,
    kinds: [...new Set(findings.map(({ kind }) => kind))].sort(),
    injection: findings.filter(isInjection).length,
    class: shown.class,
    classRank: shown.rank,
  };
}

const GRAVITY: Readonly<Record<Decision['effect'], number>> = { allow: 0, redact: 1, deny: 2, step_up: 2, defer: 2 };

/** The decision that the entry speaks of: the graver of the two, and of two denials the later. Two redactions are one. */
function graver(first: Decision | null, second: Decision): Decision {
  if (first === null) return second;
  if (GRAVITY[second.effect] < GRAVITY[first.effect] || second.effect === 'allow') return first;
  if (first.effect !== 'redact' || second.effect !== 'redact') return second;
  return { ...second, policyIds: [...new Set([...first.policyIds, ...second.policyIds])] };
}

/** What is left of the answer once inspection and policy have taken out what they will. What stays gives its class. */
async function released(
  deps: PathDeps,
  record: CallRecord,
  plan: Plan,
  answer: Answer,
  { removed, kept, findings }: Judged,
): Promise<Answer> {
  const byClass = kept.filter((finding) => isRedacted(deps, record, finding));
  const left = await without(deps, record, answer, [...removed, ...byClass]);
  const stays = record.inspected.applied ? kept.filter((finding) => !byClass.includes(finding)) : findings;
  record.effective = raisedBy(deps.ranks, record.effective ?? record.before, stays);
  const redacted = redact(deps, record, plan, left);
  return redacted.kind === 'result' ? linksChecked(deps, record, plan, redacted) : redacted;
}

/** Whether a policy's redaction of a class speaks of a finding: its label ranks as high, or higher. */
function isRedacted({ ranks }: PathDeps, { redactions }: CallRecord, { label }: Finding): boolean {
  const rank = label === null ? -1 : (ranks.get(label) ?? Number.POSITIVE_INFINITY);
  return redactions.some((redaction) => redaction.kind === 'class' && rank >= (ranks.get(redaction.label) ?? 0));
}

async function without(
  deps: PathDeps,
  record: CallRecord,
  answer: Answer,
  findings: readonly Finding[],
): Promise<Answer> {
  const content = contentOf(answer);
  if (content === null || answer.kind === 'asks') return answer;
  const left = await takeOut(deps, record, content, findings);
  if (left === content) return answer;
  if (answer.kind === 'error') return { ...answer, upstream: left };
  const id = member(answer.result, 'taskId');
  return releasable(id === undefined ? left : { ...left, taskId: id }, answer.type);
}

function linksChecked(
  deps: PathDeps,
  record: CallRecord,
  plan: Plan,
  answer: Extract<Answer, { kind: 'result' }>,
): Answer {
  record.inspected.ran('links');
  const passed = withoutForbiddenLinks(deps, record, plan, answer.result);
  if (passed === answer.result) return answer;
  return releasable(passed, answer.type);
}
