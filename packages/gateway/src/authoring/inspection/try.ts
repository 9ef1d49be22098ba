import { JsonError, type JsonValue, parseJson } from '@cmcp/evidence';
import type { Config } from '../../config/types.ts';
import { GatewayError } from '../../errors.ts';
import { composed } from '../../inspection/composed.ts';
import { inspecting } from '../../inspection/inspector.ts';
import { judge } from '../../inspection/judge.ts';
import { rewriting } from '../../inspection/rewrite.ts';
import { hint, namesIn } from '../../inspection/rules/names.ts';
import { inTurns, type Turns } from '../../inspection/turns.ts';
import type { Finding, FindingKind, Outcome, Transform } from '../../inspection/types.ts';
import type { PathInspection } from '../../pipeline/deps.ts';
import { openRules } from './rule-list.ts';

/** Something that the gateway would find. */
export interface TriedFinding {
  rule: string;
  kind: FindingKind;
  /** What the settings make of it. */
  outcome: Outcome;
  label: string | null;
  /** Where: names and numbers from the root, empty for a text by itself. */
  path: readonly (string | number)[];
  /** What it is, as it stands there. */
  text: string;
  via: readonly Transform[];
}

/** What would become of an answer. */
export interface Tried {
  /** The gravest outcome; `off`: nothing is found. */
  outcome: Outcome;
  findings: TriedFinding[];
  /** Bodies that hold something else than text. */
  bodiesNotScanned: number;
  /** What would be passed on; null: nothing, the answer is withheld. */
  released: JsonValue | null;
}

/**
 * Looks through a text, or an answer in JSON, with the scans and settings that a gateway would use. Of what `tool` answers; null: by the
 * file's defaults. @throws GatewayError INSPECTION_INVALID, CATALOG_INVALID,
 * TOOL_NOT_IN_CATALOG, INSPECTION_FAILED
 */
export async function tryInspection(config: Config, input: string, tool: string | null, turns: Turns): Promise<Tried> {
  const { rules, catalog } = await openRules(config);
  if (tool !== null) requireNamed(tool, namesIn(catalog));
  const settings = tool === null ? rules.defaults : rules.settingsFor(tool);
  const answer = asJson(input);
  const how: PathInspection['how'] = composed([]);
  const look = inspecting(answer, how(rules, settings));
  const { findings, notScanned } = await inTurns(look, settings.budgetMs, turns);
  const { findings: counted, removed, outcome } = judge(findings, settings, rules);
  const isWithheld = outcome === 'deny' || outcome === 'quarantine';
  const left = isWithheld ? null : await inTurns(rewriting(answer, removed), settings.budgetMs, turns);
  return {
    outcome,
    findings: counted.map((finding) => tried(finding, settings.outcomes[finding.kind])),
    bodiesNotScanned: notScanned,
    released: left?.value ?? null,
  };
}

function requireNamed(tool: string, names: readonly string[]): void {
  if (names.includes(tool)) return;
  throw new GatewayError(
    'TOOL_NOT_IN_CATALOG',
    `${tool} is no tool, resource or prompt of the catalog${hint(tool, names)}`,
  );
}

function tried({ rule, kind, label, passage, start, end, via }: Finding, outcome: Outcome): TriedFinding {
  return { rule, kind, outcome, label, path: passage.path, text: passage.text.slice(start, end), via };
}

/** An answer, where the input is an object or a list in JSON; any other input is a text. */
function asJson(input: string): JsonValue {
  if (!/^\s*[[{]/.test(input)) return input;
  try {
    return parseJson(new TextEncoder().encode(input));
  } catch (error) {
    if (error instanceof JsonError) return input;
    throw error;
  }
}
