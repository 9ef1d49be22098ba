import { loadCatalog } from '../../catalog/load.ts';
import type { Catalog } from '../../catalog/types.ts';
import type { Config } from '../../config/types.ts';
import { builtInList } from '../../inspection/rules/built-in.ts';
import { type LoadedRules, loadRules } from '../../inspection/rules/load.ts';
import type { FindingKind } from '../../inspection/types.ts';
import { sensitivityRanks } from '../../policy/sensitivity.ts';

/** One rule of those that answers are looked through with. */
export interface RuleRow {
  id: string;
  kind: FindingKind;
  /** The sensitivity label that a finding gives; null: none. */
  label: string | null;
  origin: 'built in' | 'own';
  /** False: the operator's file switches it off. */
  used: boolean;
  what: string;
}

/** The operator's rules as they were loaded, which is when their tests are run, and the built-in ones. */
export interface RuleList {
  /** Null: no file is configured. */
  path: string | null;
  version: string;
  hash: string;
  rules: RuleRow[];
  /** How many texts each rule of the operator's was tried with. */
  tested: { id: string; kind: FindingKind; tests: number }[];
}

/** @throws GatewayError INSPECTION_INVALID, CATALOG_INVALID */
export async function listInspectionRules(config: Config): Promise<RuleList> {
  const { hash, version, own, builtIn } = (await openRules(config)).rules;
  return {
    path: config.inspection.path,
    version,
    hash,
    rules: [
      ...own.map(
        ({ id, kind, label, pattern }): RuleRow => ({ id, kind, label, origin: 'own', used: true, what: pattern }),
      ),
      ...builtInList().map(({ label, ...rule }): RuleRow => {
        const used = builtIn.find(({ id }) => id === rule.id);
        return { ...rule, label: used?.label ?? label, origin: 'built in', used: used !== undefined };
      }),
    ],
    tested: own.map(({ id, kind, tests }) => ({ id, kind, tests })),
  };
}

/** The rules that a gateway with this configuration would have in force. */
export async function openRules(config: Config): Promise<{ rules: LoadedRules; catalog: Catalog }> {
  const ranks = sensitivityRanks(config.vocabulary);
  const catalog = await loadCatalog(config.catalog.path, ranks);
  return {
    rules: await loadRules(config.inspection.path, { ranks, catalog, classifier: config.inspection.classifier }),
    catalog,
  };
}
