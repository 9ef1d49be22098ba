import type { Catalog, CatalogTool } from '../../../catalog/types.ts';
import type { Bundle } from '../../../policy/bundle.ts';
import type { BundlePolicy } from '../../../policy/parse.ts';
import type { Ranks } from '../../../policy/sensitivity.ts';
import type { RecordShape } from '../../../policy/shape.ts';
import { type Case, mayHold, type Survey } from './survey.ts';

/** What the rules about intent look at: a bundle that loads, what it is for, and Cedar's answers. */
export interface Ground {
  bundle: Bundle;
  catalog: Catalog;
  /** File name of the catalog, for places. */
  catalogFile: string;
  ranks: Ranks;
  /** Subjects that the configuration knows. */
  agents: readonly string[];
  survey: Survey;
  /** The context of each action as the bundle's schema declares it; null where no schema counts. */
  contexts: ReadonlyMap<string, RecordShape> | null;
}

export function placeOf({ path, line }: BundlePolicy): string {
  return `${path}:${line}`;
}

export function placeOfTool({ catalogFile }: Ground, { name }: CatalogTool): string {
  return `${catalogFile}: tools[name=${JSON.stringify(name)}]`;
}

/** The cases in which a policy may hold. */
export function liveCases({ survey }: Ground, id: string): Case[] {
  return survey.cases.filter((candidate) => mayHold(candidate.answer, id) && survey.fits(id, candidate));
}

/** The tools that the cases are calls of. */
export function toolsIn(cases: readonly Case[]): CatalogTool[] {
  return [...new Set(cases.flatMap(({ asked }) => (asked.action === 'call_tool' ? [asked.tool] : [])))];
}

export function rulesOf({ bundle }: Ground, effect: BundlePolicy['effect']): BundlePolicy[] {
  return bundle.policies.filter((policy) => policy.effect === effect);
}
