import { durationMs } from '../config/duration.ts';
import { nearest } from '../config/nearest.ts';
import { CHANNELS } from '../escalation/types.ts';
import { deniedAs } from './advice.ts';
import { annotationLine, type BundlePolicy } from './parse.ts';
import { redactionsOf } from './redaction.ts';
import { refuseBundle } from './text.ts';

/** What an annotation may be given, and on which policies it does anything. */
interface Annotation {
  on: 'permit' | 'forbid' | 'both';
  /** What is wrong with a value; null: nothing. */
  problem?: (value: string) => string | null;
}

/** Longer than this no client waits for an answer. */
const MAX_HOLD_MS = 600_000;
/** What says how something is approved. */
const ASKING: readonly string[] = ['via', 'hold'];
const DECISIONS: readonly string[] = ['deny', 'step_up', 'defer'];
const SEVERITIES: readonly string[] = ['low', 'medium', 'high', 'critical'];

/** Every annotation that means something here (docs/policy.md, "Decisions and advice"). Others are the author's own. */
export const ANNOTATIONS: Readonly<Record<string, Annotation>> = {
  id: { on: 'both' },
  advice: { on: 'forbid' },
  aarm_decision: { on: 'forbid', problem: (value) => oneOf(DECISIONS, value.trim().toLowerCase()) },
  approver: { on: 'forbid' },
  escalate: { on: 'forbid' },
  escalation: { on: 'forbid' },
  hitl: { on: 'forbid' },
  via: { on: 'forbid', problem: (value) => oneOf(CHANNELS, value) },
  hold: { on: 'forbid', problem: notAHold },
  ttl: { on: 'forbid', problem: notADuration },
  severity: { on: 'forbid', problem: (value) => oneOf(SEVERITIES, value) },
  // On a forbid it is an error of its own, see below.
  redact: { on: 'both' },
};

/** `id` is left out: one edit from it are words of their own. */
const KNOWN = Object.keys(ANNOTATIONS).filter((key) => key !== 'id');

/**
 * Checks the annotations of native policies: a misspelt one would do nothing, and nobody would notice. Returns warnings about those
 * that stand where they do nothing, each with file and line.
 *
 * @throws GatewayError POLICY_INVALID with file and line
 */
export function checkAnnotations(policies: readonly BundlePolicy[]): string[] {
  return policies.flatMap((policy) =>
    Object.entries(policy.annotations).flatMap(([key, value]) => checkOne(policy, key, value)),
  );
}

function checkOne(policy: BundlePolicy, key: string, value: string): string[] {
  const refuse = (problem: string): Error =>
    refuseBundle(policy.path, `@${key}${problem}`, annotationLine(policy, key));
  const annotation = Object.hasOwn(ANNOTATIONS, key) ? ANNOTATIONS[key] : undefined;
  if (annotation === undefined) {
    const meant = misspelt(key);
    if (meant !== null) throw refuse(` does nothing; did you mean @${meant}?`);
    return [];
  }
  const problem = annotation.problem?.(value) ?? null;
  if (problem !== null) throw refuse(`(${JSON.stringify(value)}): ${problem}`);
  if (key === 'redact') checkRedact(policy, refuse);
  if (key === 'via') checkVia(policy, value, refuse);
  const idle = doesNothing(policy, key, annotation);
  return idle === null ? [] : [`${policy.path}:${annotationLine(policy, key)}: @${key} does nothing on ${idle}`];
}

/** Where the annotation stands to no effect; null: it has one. */
function doesNothing(policy: BundlePolicy, key: string, { on }: Annotation): string | null {
  if (on !== 'both' && on !== policy.effect) return `a ${policy.effect}`;
  const asks = deniedAs(policy.annotations) !== 'deny';
  return ASKING.includes(key) && !asks ? 'a forbid that asks for no approval' : null;
}

/** What a user answers comes through the agent's own client, so it never counts as an approver's word. */
function checkVia(policy: BundlePolicy, via: string, refuse: (problem: string) => Error): void {
  if (via === 'user' && Object.hasOwn(policy.annotations, 'approver'))
    throw refuse('("user"): the user of an agent is never the one that @approver names; leave out one of the two');
}

function checkRedact(policy: BundlePolicy, refuse: (problem: string) => Error): void {
  if (policy.effect === 'forbid') {
    throw refuse(' stands on a forbid, which lets nothing through that could be redacted; write it on a permit');
  }
  redactionsOf(policy);
}

/** The annotation that a key is likely to stand for. A short one is near to words that mean something else. */
function misspelt(key: string): string | null {
  if (/^redact/i.test(key)) return 'redact';
  return nearest(key, ['id'], 0) ?? nearest(key, KNOWN, key.length <= 2 ? 0 : key.length <= 7 ? 1 : 2);
}

function notADuration(value: string): string | null {
  const parsed = durationMs(value);
  if (parsed !== null && parsed >= 1000 && parsed % 1000 === 0) return null;
  return 'write a whole number and a unit, at least a second: "30s", "15m", "4h" or "7d"';
}

function notAHold(value: string): string | null {
  const parsed = durationMs(value);
  if (parsed !== null && parsed >= 1000 && parsed <= MAX_HOLD_MS && parsed % 1000 === 0) return null;
  return 'write a whole number and a unit, from a second to ten minutes: "30s" or "5m"';
}

function oneOf(words: readonly string[], value: string): string | null {
  return words.includes(value) ? null : `write ${words.map((word) => `"${word}"`).join(', ')}`;
}
