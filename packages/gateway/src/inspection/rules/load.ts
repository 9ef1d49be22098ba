import { canonicalSorted, digest, type JsonObject } from '@cmcp/evidence';
import type { ClassifierConfig } from '../../config/types.ts';
import type { Ranks } from '../../policy/sensitivity.ts';
import { FINDING_KINDS, type FindingKind, type InspectionRules, type InspectionSettings } from '../types.ts';
import { BUILT_IN_DESCRIPTION, type BuiltInRule, builtInList } from './built-in.ts';
import type { RulesFile } from './file-schema.ts';
import { hint, type Named, namesIn } from './names.ts';
import { type OwnRule, ownRule } from './own-rule.ts';
import { type ReadRules, type Report, readRulesFile } from './read-file.ts';
import { BUILT_IN_LABELS, BUILT_IN_SETTINGS, withWritten } from './settings.ts';

export { BUILT_IN_SETTINGS } from './settings.ts';

/** What the rules are checked against. */
export interface RulesAround {
  ranks: Ranks;
  /** Null: not there, so that names of tools are not checked. */
  catalog: Named | null;
  /** Who is asked besides; null: nobody. */
  classifier: Pick<ClassifierConfig, 'url' | 'onFailure'> | null;
}

/** The rule set in force, and what it was made from. */
export interface LoadedRules extends InspectionRules {
  /** Of what the file says nothing of. */
  readonly defaults: InspectionSettings;
  readonly own: readonly OwnRule[];
  /** Built-in rules that are in use, with the labels that they give. */
  readonly builtIn: readonly BuiltInRule[];
}

type Labels = Readonly<Record<FindingKind, string | null>>;

/**
 * The built-in rules and settings, with what an operator's file says in their place. `path` null: there is none.
 * @throws GatewayError INSPECTION_INVALID: nothing is half loaded
 */
export async function loadRules(path: string | null, around: RulesAround): Promise<LoadedRules> {
  return path === null ? builtInRules(around.classifier) : rulesFrom(await readRulesFile(path), around);
}

/** What is in force where there is no operator's file. */
export function builtInRules(classifier: RulesAround['classifier'] = null): LoadedRules {
  return assembled(null, BUILT_IN_SETTINGS, new Map(), [], [], BUILT_IN_LABELS, classifier);
}

/** @throws GatewayError INSPECTION_INVALID */
export function rulesFrom(
  { written, report, requireSound }: ReadRules,
  { ranks, catalog, classifier }: RulesAround,
): LoadedRules {
  checkLabels(written, ranks, report);
  checkIds(written, report);
  if (catalog !== null) checkNames(written, catalog, report);
  const labels = { ...BUILT_IN_LABELS, ...given(written.labels) };
  const own = written.rules.map((rule, index) => ownRule(rule, `rules[${index}]`, labels[rule.kind], report));
  requireSound();
  const defaults = withWritten(BUILT_IN_SETTINGS, written.defaults);
  const tools = Object.entries(written.tools).map(([name, settings]): [string, InspectionSettings] => [
    name,
    withWritten(defaults, settings),
  ]);
  return assembled(
    written,
    defaults,
    new Map(tools),
    own.filter((rule) => rule !== null),
    written.off,
    labels,
    classifier,
  );
}

function assembled(
  written: RulesFile | null,
  defaults: InspectionSettings,
  tools: ReadonlyMap<string, InspectionSettings>,
  own: readonly OwnRule[],
  off: readonly string[],
  labels: Labels,
  classifier: RulesAround['classifier'],
): LoadedRules {
  const ownIds = new Set(own.map(({ id }) => id));
  const builtIn = builtInList()
    .filter(({ id }) => !off.includes(id))
    .map((rule) => ({
      ...rule,
      label: relabelled(rule.label, rule.kind, labels),
    }));
  return {
    hash: rulesHash(written, classifier),
    version: written?.version ?? 'built-in',
    defaults,
    settingsFor: (item) => tools.get(item) ?? defaults,
    scans: own.map(({ scan }) => scan),
    judged: (finding) => {
      if (off.includes(finding.rule)) return null;
      // A rule of the operator's has its label already.
      if (ownIds.has(finding.rule)) return finding;
      const label = relabelled(finding.label, finding.kind, labels);
      const { raises: _, ...raising } = finding;
      // Whoever gives a kind a label wants it to count.
      return { ...((written?.labels[finding.kind] ?? null) !== null ? raising : finding), label };
    },
    own,
    builtIn,
  };
}

/** A built-in rule gives the label of its kind, unless it has one of its own; a kind's label may be another one here. */
function relabelled(label: string | null, kind: FindingKind, labels: Labels): string | null {
  return label === BUILT_IN_LABELS[kind] ? labels[kind] : label;
}

/** Over everything that decides what is found and what becomes of it. What the file leaves out stands in it as its default. */
function rulesHash(written: RulesFile | null, classifier: RulesAround['classifier']): string {
  const tools = written === null ? [] : Object.entries(written.tools).sort(([a], [b]) => (a < b ? -1 : 1));
  const file = written === null ? null : { ...written, tools };
  return digest(
    canonicalSorted({
      rules: 1,
      built_in: BUILT_IN_DESCRIPTION,
      settings: { ...BUILT_IN_SETTINGS, linkHosts: [...BUILT_IN_SETTINGS.linkHosts] },
      labels: { ...BUILT_IN_LABELS },
      file: file as JsonObject | null,
      ...(classifier === null ? {} : { classifier: [classifier.url, classifier.onFailure] }),
    }),
  );
}

function given(written: RulesFile['labels']): Partial<Record<FindingKind, string>> {
  const pairs = FINDING_KINDS.map((kind): [FindingKind, string | null] => [kind, written[kind]]);
  return Object.fromEntries(pairs.filter(([, label]) => label !== null));
}

/** An unknown label would count for nothing (D-27). */
function checkLabels({ rules, labels }: RulesFile, ranks: Ranks, report: Report): void {
  const check = (path: string, label: string | null): void => {
    if (label === null || ranks.has(label)) return;
    report(path, `is no label of the vocabulary; use one of ${[...ranks.keys()].join(', ')}`);
  };
  for (const [index, { label }] of rules.entries()) check(`rules[${index}].label`, label);
  for (const kind of FINDING_KINDS) check(`labels.${kind}`, labels[kind]);
}

/** An id says in entries which rule it was, so that none stands for two. */
function checkIds({ rules, off }: RulesFile, report: Report): void {
  const builtIn = builtInList().map(({ id }) => id);
  for (const [index, { id }] of rules.entries()) {
    const path = `rules[${index}].id`;
    if (builtIn.includes(id)) report(path, 'is the id of a built-in rule; choose another one');
    if (rules.findIndex((rule) => rule.id === id) < index) report(path, 'is the id of an earlier rule');
  }
  for (const [index, id] of off.entries())
    if (!builtIn.includes(id)) report(`off[${index}]`, `is no built-in rule${hint(id, builtIn)}`);
}

/** Settings for what the catalog lacks are a misspelt name, and what was meant would be inspected without them. */
function checkNames({ tools }: RulesFile, catalog: Named, report: Report): void {
  const names = namesIn(catalog);
  for (const name of Object.keys(tools))
    if (!names.includes(name))
      report(`tools.${name}`, `is no tool, resource or prompt of the catalog${hint(name, names)}`);
}
