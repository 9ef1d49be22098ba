import type { PolicyTestReport } from '@cmcp/gateway';
import type { Action } from '../action.ts';
import type { Arguments } from '../arguments.ts';
import { DEFAULT_CONFIG } from '../command.ts';
import { EXIT, type Io, UsageError } from '../io.ts';
import { testText } from './test-text.ts';

export const testAction: Action = {
  name: 'test',
  usage: 'test [--config FILE] [--filter TEXT] [--min-coverage N]',
  description: [
    "Runs the bundle's tests, the files tests/*.yaml inside it, on the genuine engine, and says which policies decided in",
    'some test. Exit code 1 when a test fails, when there is none, or below --min-coverage.',
  ],
  options: {
    filter: { value: 'TEXT', help: 'Only tests whose name holds this text.' },
    'min-coverage': { value: 'N', help: 'Fail when fewer than N percent of the policies decided in some test.' },
  },
  examples: [['cmcp policy test --min-coverage 100', 'In a pipeline: every policy has to decide somewhere']],
  async run(positionals, given, io) {
    if (positionals.length > 0) throw new UsageError('test takes no arguments besides its options');
    return runTests(given, io);
  },
};

async function runTests(given: Arguments, io: Io): Promise<number> {
  const filter = given.one('filter');
  const least = percentOption(given);
  if (filter !== null && least !== null) {
    throw new UsageError('--min-coverage is about all tests; it does not go with --filter');
  }
  const { readConfigWithoutSecrets, readEnvironment, testPolicy } = await import('@cmcp/gateway');
  const config = await readConfigWithoutSecrets(given.one('config') ?? DEFAULT_CONFIG, readEnvironment(io.variables));
  const report = await testPolicy(config, filter);
  io.out(given.has('json') ? `${JSON.stringify(report, null, 2)}\n` : testText(report, least));
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
