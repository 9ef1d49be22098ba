import type { JsonObject } from '@cmcp/evidence';
import { CONTEXT_REACH, GLUE_REACH, type ValueRule } from './rule.ts';
import { VALUE_RULES } from './rules.ts';

/** Raised whenever a check beside the patterns (check digits, placeholders, ranges) changes what is found. */
const DETECTORS_VERSION = '1.0.2';

/** Everything that decides what the detectors find, for `rules_hash`. */
export const DETECTORS_DESCRIPTION: JsonObject = {
  version: DETECTORS_VERSION,
  context_reach: CONTEXT_REACH,
  glue_reach: GLUE_REACH,
  rules: VALUE_RULES.map(described),
};

function described({
  id,
  kind,
  trigger,
  pattern,
  valid,
  context,
  before,
  unless,
  glued,
  contact,
  yields,
}: ValueRule): JsonObject {
  return {
    id,
    kind,
    trigger: describedTrigger(trigger),
    pattern: `${pattern}`,
    valid: valid?.name ?? null,
    context: context === undefined ? null : `${context}`,
    before: describedBefore(before),
    unless: describedBefore(unless),
    glued: glued ?? false,
    contact: contact ?? false,
    yields: yields ?? false,
  };
}

function describedBefore(before: ValueRule['before']): JsonObject | null {
  return before === undefined
    ? null
    : { words: `${before.words}`, reach: before.reach, same_line: before.sameLine ?? false };
}

function describedTrigger(trigger: ValueRule['trigger']): JsonObject {
  if ('digits' in trigger) {
    return { digits: [...trigger.digits], letters: trigger.letters ?? 0, back: trigger.back ?? 0 };
  }
  const { anchors, back = 0, lead } = trigger;
  return { anchors: [...anchors], back, lead: lead === undefined ? null : { chars: `${lead.chars}`, most: lead.most } };
}
