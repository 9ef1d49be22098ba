import type { JsonObject } from '@cmcp/evidence';
import type { Clued } from './clues.ts';
import { FOREIGN_RULES } from './foreign-rules.ts';
import { MARKUP_RULES } from './markup-rules.ts';
import { ORDER_RULES } from './order-rules.ts';
import { OVERRIDE_RULES } from './override-rules.ts';
import { PERSONA_RULES } from './persona-rules.ts';
import type { MarkupRule, PhraseRule, ScriptRule } from './rule.ts';
import { SCRIPT_RULES } from './script-rules.ts';

/** Raised whenever something beside the rules (spellings, windows, what is hidden) changes what is found. */
const INJECTION_VERSION = '1.0.0';

export const PHRASE_RULES: readonly PhraseRule[] = [
  ...OVERRIDE_RULES,
  ...FOREIGN_RULES,
  ...PERSONA_RULES,
  ...ORDER_RULES,
];
export { MARKUP_RULES, SCRIPT_RULES };

/** Every rule by which an instruction is found. */
export const INJECTION_RULES: readonly (PhraseRule | MarkupRule | ScriptRule)[] = [
  ...PHRASE_RULES,
  ...MARKUP_RULES,
  ...SCRIPT_RULES,
];

/** Everything that decides what is found, for `rules_hash`. */
export const INJECTION_DESCRIPTION: JsonObject = {
  version: INJECTION_VERSION,
  rules: INJECTION_RULES.map((rule) => ({
    id: rule.id,
    family: rule.family,
    ...('stems' in rule ? cluesOf(rule) : {}),
    ...('signs' in rule ? { signs: [...(rule.signs ?? [])] } : {}),
    ...('pattern' in rule ? { pattern: `${rule.pattern}` } : wordsOf(rule)),
  })),
};

function cluesOf({ stems, pairs = [] }: Clued): JsonObject {
  return { stems: [...stems], pairs: pairs.map(({ one, other }) => ({ one: [...one], other: [...other] })) };
}

function wordsOf({ patterns, unlessAfter }: PhraseRule): JsonObject {
  return { patterns: [...patterns], unless_after: unlessAfter === undefined ? null : `${unlessAfter}` };
}
