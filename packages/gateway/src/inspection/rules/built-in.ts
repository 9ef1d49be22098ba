import type { JsonObject } from '@cmcp/evidence';
import { DETECTORS_DESCRIPTION } from '../detectors/description.ts';
import { LABELS } from '../detectors/rule.ts';
import { VALUE_RULES } from '../detectors/rules.ts';
import { HIDDEN_RULES, HIDDEN_VERSION } from '../hidden/scan-hidden.ts';
import { INJECTION_DESCRIPTION, INJECTION_RULES } from '../injection/rules.ts';
import { LINK_RULES, LINKS_VERSION } from '../links/scan-links.ts';
import type { FindingKind } from '../types.ts';

/** A built-in rule, as it is listed. */
export interface BuiltInRule {
  id: string;
  kind: FindingKind;
  label: string | null;
  /** What it looks for, for people. */
  what: string;
}

/** Every built-in rule. Several forms of a rule are one here, as they are in entries. */
export function builtInList(): BuiltInRule[] {
  const byId = new Map<string, BuiltInRule>();
  for (const { id, kind, what } of VALUE_RULES)
    if (!byId.has(id)) byId.set(id, { id, kind, label: LABELS[kind], what });
  for (const rule of [...LINK_RULES, ...HIDDEN_RULES]) byId.set(rule.id, rule);
  for (const { id, what } of INJECTION_RULES)
    if (!byId.has(id)) byId.set(id, { id, kind: 'injection', label: null, what });
  return [...byId.values()];
}

/** Raised whenever texts are joined, normalised, decoded or cut otherwise before rules see them. */
const READING_VERSION = '1.0.0';

/** Everything that decides what the built-in rules find, for the hash. */
export const BUILT_IN_DESCRIPTION: JsonObject = {
  reading: READING_VERSION,
  detectors: DETECTORS_DESCRIPTION,
  injection: INJECTION_DESCRIPTION,
  links: LINKS_VERSION,
  hidden: HIDDEN_VERSION,
};
