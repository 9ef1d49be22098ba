import { type JsonObject, type JsonValue, member } from '@cmcp/evidence';
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
import { labelsOf, lookAt, raisedBy, refusalOf, settingsOf, takeOut } from './look.ts';
import { payloadDigest } from './payload-digest.ts';
import type { Plan } from './plan.ts';
import { hold } from './quarantine.ts';
import type { CallRecord } from './record.ts';
import { redact } from './redact.ts';
import { labelsIn, requireFits, structured } from './structure.ts';

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
  const looked = await stagesOf(deps, record, plan, answer);
  const [refusal] = looked.refusals;
  record.lap('inspect');
  const denied = failureIn(() => decideAnswer(deps, record, plan, request, looked));
  record.lap('decide-answer');
  // What policy withholds is not held for a release that would come to nothing.
  if (refusal?.code === 'RESPONSE_QUARANTINED' && denied !== null) throw denied;
  if (refusal !== undefined)
    await withhold(deps, record, refusal, () => hold(deps, record, plan, request, answer, looked.judged));
  if (denied !== null) throw denied;
  const left = await released(deps, record, plan, looked);
  if (left !== answer && left.kind === 'result') record.responseHash = payloadDigest(record.salt, left.text);
  return left;
}

/** Defect D-47: an operator's reset in the meantime began a new generation, which must not be shown this answer. */
export function requireGeneration(deps: PathDeps, { exposed, generation }: CallRecord): void {
  if (deps.exposures.row(exposed).generation === generation) return;
  throw new GatewayError('EGRESS_DENIED', 'the exposure was reset during the call');
}

const NOTHING: Judged = { findings: [], removed: [], kept: [], outcome: 'off', gravest: null };

/** What the stages made of an answer. */
interface Looked {
  /** Without what no one approved. */
  answer: Answer;
  judged: Judged;
  /** The classes that its schema says are in it. */
  labels: readonly string[];
  /** Each reason to withhold it, by stage. */
  refusals: readonly GatewayError[];
}

async function stagesOf(deps: PathDeps, record: CallRecord, plan: Plan, came: Answer): Promise<Looked> {
  const settings = settingsOf(record);
  const tooLarge = sizeRefusal(record, came, settings.maxBytes);
  const { answer, refusal } = structured(record, plan, came, settings.schema);
  const { judged, failure } = await seen(deps, record, plan, answer);
  const refusals = [tooLarge, refusal, failure, refusalOf(judged, true)].filter((each) => each !== null);
  return { answer, judged, labels: labelsIn(plan, answer), refusals };
}

function sizeRefusal({ inspected }: CallRecord, { sizeBytes }: Answer, maxBytes: number | null): GatewayError | null {
  inspected.ran('size');
  if (maxBytes === null || sizeBytes <= maxBytes) return null;
  inspected.came('size_exceeded');
  return new GatewayError('RESPONSE_SIZE_EXCEEDED', `more than ${maxBytes} bytes`);
}

async function seen(
  deps: PathDeps,
  record: CallRecord,
  plan: Plan,
  answer: Answer,
): Promise<{ judged: Judged; failure: GatewayError | null }> {
  const content = contentOf(plan, answer);
  // What a server asks was looked at, decided and entered by itself.
  if (content === null) record.inspected.came('pass');
  try {
    return { judged: content === null ? NOTHING : await lookAt(deps, record, content), failure: null };
  } catch (failure) {
    if (!(failure instanceof GatewayError)) throw failure;
    record.inspected.came('not_inspected');
    return { judged: NOTHING, failure };
  }
}

/** What of an answer its reader is given. A task's id is not: what the agent gets is a handle. */
function contentOf(plan: Plan, answer: Answer): JsonObject | null {
  if (answer.kind === 'asks') return null;
  if (answer.kind === 'error') return answer.upstream;
  return taskIdIn(plan, answer) === undefined ? answer.result : { ...answer.result, taskId: '' };
}

/** Of an answer about a task. In any other one a member of that name is the server's, like every member. */
function taskIdIn({ method }: Plan, { type, result }: Extract<Answer, { kind: 'result' }>): JsonValue | undefined {
  return type === 'task' || method.startsWith('tasks/') ? member(result, 'taskId') : undefined;
}

/** @throws GatewayError the refusal, except where the mode does not enforce: then the call is marked */
async function withhold(
  deps: PathDeps,
  record: CallRecord,
  refusal: GatewayError,
  keep: () => Promise<void>,
): Promise<void> {
  const { mode } = deps.config;
  if (!enforces(mode)) {
    record.wouldHaveDenied = true;
    if (speaks(mode)) deps.report('call.would_deny', record.callId, `${refusal.code}: ${refusal.detail}`);
    return;
  }
  if (refusal.code === 'RESPONSE_QUARANTINED') await keep();
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
  { answer, judged, labels }: Looked,
): void {
  const decision = decided(deps, record, {
    ...decisionInput(deps, record, plan.asked, request.workflow),
    response: responseView(deps, record, answer.sizeBytes, judged, labels),
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
  labels: readonly string[] = [],
): ResponseView {
  const found = labelsOf(inspected.applied ? kept : findings);
  const shown = raisedBy(ranks, effective ?? before, [...labels, ...found]);
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
  { answer, judged: { removed, kept, findings }, labels }: Looked,
): Promise<Answer> {
  const isTaken = (label: string | null): boolean => isRedacted(deps, record, label);
  const left = await without(deps, record, plan, answer, [...removed, ...kept.filter(({ label }) => isTaken(label))]);
  if (left !== answer) requireFits(record, plan, left);
  const found = labelsOf(record.inspected.applied ? kept : findings);
  const stays = [...labels, ...found].filter((label) => !(record.inspected.applied && isTaken(label)));
  record.effective = raisedBy(deps.ranks, record.effective ?? record.before, stays);
  const redacted = redact(deps, record, plan, left);
  return redacted.kind === 'result' ? linksChecked(deps, record, plan, redacted) : redacted;
}

/** Whether a policy's redaction of a class speaks of a label: it ranks as high, or higher. */
function isRedacted({ ranks }: PathDeps, { redactions }: CallRecord, label: string | null): boolean {
  const rank = label === null ? -1 : (ranks.get(label) ?? Number.POSITIVE_INFINITY);
  return redactions.some((redaction) => redaction.kind === 'class' && rank >= (ranks.get(redaction.label) ?? 0));
}

async function without(
  deps: PathDeps,
  record: CallRecord,
  plan: Plan,
  answer: Answer,
  findings: readonly Finding[],
): Promise<Answer> {
  const content = contentOf(plan, answer);
  if (content === null || answer.kind === 'asks') return answer;
  const left = await takeOut(deps, record, content, findings);
  if (left === content) return answer;
  if (answer.kind === 'error') return { ...answer, upstream: left };
  const id = taskIdIn(plan, answer);
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
