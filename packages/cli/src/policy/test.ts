import type { PolicyTestReport } from '@cmcp/gateway';
import type { Action } from '../action.ts';
import { type Arguments, refuseOthers } from '../arguments.ts';
import { DEFAULT_CONFIG } from '../command.ts';
import { EXIT, type Io, UsageError } from '../io.ts';
import { invariantsText } from './invariants-text.ts';
import { RUNS_OPTION, runsOption, SEED_OPTION, seedOption } from './random.ts';
import { testText } from './test-text.ts';

export const testAction: Action = {
  name: 'test',
  usage: 'test [--config FILE] [--filter TEXT] [--min-coverage N] | test --property [--runs N] [--seed N]',
  description: [
    "Runs the bundle's tests, the files tests/*.yaml inside it, on the genuine engine, and says which policies decided in",
    'some test. Exit code 1 when a test fails, when there is none, or below --min-coverage. With --property random requests are',
    'held against the invariants in the same files instead, and exit code 1 means that one is violated or that there are none.',
  ],
  options: {
    property: { help: 'Hold random requests against the invariants.' },
    runs: RUNS_OPTION,
    seed: SEED_OPTION,
    filter: { value: 'TEXT', help: 'Only tests whose name holds this text.' },
    'min-coverage': { value: 'N', help: 'Fail when fewer than N percent of the policies decided in some test.' },
  },
  examples: [
    ['cmcp policy test --min-coverage 100', 'In a pipeline: every policy has to decide somewhere'],
    ['cmcp policy test --property --seed 7', 'The same random requests each time'],
  ],
  async run(positionals, given, io) {
    if (positionals.length > 0) throw new UsageError('test takes no arguments besides its options');
    if (given.has('property')) {
      refuseOthers(given, ['config', 'json', 'property', 'runs', 'seed'], '--property');
      return runInvariants(given, io);
    }
    refuseOthers(given, ['config', 'json', 'filter', 'min-coverage'], 'test without --property');
    return runTests(given, io);
  },
};

async function runInvariants(given: Arguments, io: Io): Promise<number> {
  const options = { runs: runsOption(given), seed: seedOption(given) };
  const { checkInvariants, readConfigWithoutSecrets, readEnvironment, reportJson } = await import('@cmcp/gateway');
  const config = await readConfigWithoutSecrets(given.one('config') ?? DEFAULT_CONFIG, readEnvironment(io.variables));
  const report = await checkInvariants(config, options);
  io.out(given.has('json') ? reportJson(report) : invariantsText(report));
  const held = report.invariants.length > 0 && report.invariants.every(({ violation }) => violation === null);
  return held ? EXIT.done : EXIT.refused;
}

async function runTests(given: Arguments, io: Io): Promise<number> {
  const filter = given.one('filter');
  const least = percentOption(given);
  if (filter !== null && least !== null) {
    throw new UsageError('--min-coverage is about all tests; it does not go with --filter');
  }
  const { readConfigWithoutSecrets, readEnvironment, reportJson, testPolicy } = await import('@cmcp/gateway');
  const config = await readConfigWithoutSecrets(given.one('config') ?? DEFAULT_CONFIG, readEnvironment(io.variables));
  const report = await testPolicy(config, filter);
  io.out(given.has('json') ? reportJson(report) : testText(report, least));
  const passed = report.tests.length > 0 && report.failed === 0 && isCovered(report, least ?? 0);
  return passed ? EXIT.done : EXIT.refused;
}

/** Without rounding: 2 of 3 are not 67 percent. */
function isCovered({ coverage: { covered, policies } }: PolicyTestReport, least: number): boolean {
  return covered * 100 >= least * policies.length;
}

/** `--min-coverage`, or null. */
function percentOption(given: Arguments): number | null {
  const text = given.one('min-coverage');
  if (text === null) return null;
  if (!/^(?:100|[1-9]?\d)$/.test(text)) throw new UsageError('--min-coverage takes a whole number from 0 to 100');
  return Number(text);
}
