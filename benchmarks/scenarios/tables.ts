import { table } from '../../packages/cli/src/table.ts';
import { told } from '../detection/shares.ts';
import type { FlowCost } from './flow-cost.ts';
import type { PersonaResult, PolicyResult } from './measure.ts';
import { POLICY_TITLES } from './policies.ts';

/** The results for a person: blocks by persona, what is stopped under each evasion, and what flow adds to a call. */
export function tables({ results, costs }: { results: readonly PolicyResult[]; costs: readonly FlowCost[] }): string {
  return [blocks(results), evasions(results), costRows(costs)].join('\n\n');
}

function blocks(results: readonly PolicyResult[]): string {
  const rows = results.flatMap(({ policy, personas, overall, addressed }) => [
    ...[...personas, { ...overall, persona: 'all' }].map((row) => blockRow(POLICY_TITLES[policy], row)),
    blockRow(POLICY_TITLES[policy], { ...addressed, persona: 'all, notices sent to the address in the chart' }),
  ]);
  return table(['policy', 'sessions', 'rightly', 'wrongly', 'went', 'wrong of the blocks'], rows);
}

const blockRow = (policy: string, { persona, rightful, wrongful, missed, falsePositives }: PersonaResult): string[] => [
  policy,
  persona,
  `${rightful}`,
  `${wrongful}`,
  `${missed}`,
  told(falsePositives),
];

function evasions(results: readonly PolicyResult[]): string {
  const names = results[0]?.evasions.map(({ evasion }) => evasion) ?? [];
  const rows = names.map((name) => [
    name,
    ...results.map((result) => {
      const found = result.evasions.find(({ evasion }) => evasion === name);
      if (found === undefined) return '';
      return found.partly === 0 ? told(found.stopped) : `${told(found.stopped)}, ${found.partly} in part`;
    }),
  ]);
  return table(['carried out how', ...results.map(({ policy }) => `stopped by ${POLICY_TITLES[policy]}`)], rows);
}

function costRows(costs: readonly FlowCost[]): string {
  const rows = costs.map(({ bytes, learnMs, traceMs }) => [bytes / 1024, learnMs, traceMs].map(String));
  return table(['KiB', 'to remember an answer, ms', 'to trace a request, ms'], rows);
}
