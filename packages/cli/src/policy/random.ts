import { randomInt } from 'node:crypto';
import type { Arguments, Option } from '../arguments.ts';
import { UsageError } from '../io.ts';

const RUNS = 5000;
const MOST_RUNS = 10_000_000;
const SEEDS = 2 ** 32;

export const RUNS_OPTION: Option = { value: 'N', help: `How many random requests to try (default: ${RUNS}).` };
export const SEED_OPTION: Option = {
  value: 'N',
  help: 'Where the random requests begin, printed with each result (default: anywhere).',
};

/** `--runs`. @throws UsageError */
export function runsOption(given: Arguments): number {
  return numberOption(given, 'runs', 1, MOST_RUNS) ?? RUNS;
}

/** `--seed`, or one that was drawn. @throws UsageError */
export function seedOption(given: Arguments): number {
  return numberOption(given, 'seed', 0, SEEDS - 1) ?? randomInt(SEEDS);
}

function numberOption(given: Arguments, name: string, least: number, most: number): number | null {
  const text = given.one(name);
  if (text === null) return null;
  const value = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= least && value <= most) return value;
  throw new UsageError(`--${name} takes a whole number from ${least} to ${most}`);
}
