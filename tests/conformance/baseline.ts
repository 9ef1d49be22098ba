import { parse } from 'yaml';
import { z } from 'zod';
import { type LegResult, REVISIONS, type Revision } from './results.ts';

/** A failure that is known, and why it is there. Without a check it is any failure of the scenario. */
export interface Expectation {
  readonly leg: string;
  readonly revision: Revision;
  readonly scenario: string;
  readonly check: string | null;
  readonly reason: string;
}

/** A check that failed, where. */
export interface Failure {
  readonly scenario: string;
  readonly check: string;
  readonly message: string;
}

/** What the baseline says of a leg: all is well when nothing is unexpected and nothing stale. */
export interface Judgement {
  readonly unexpected: readonly Failure[];
  /** Expected to fail, and did. */
  readonly held: readonly Expectation[];
  /** Expected to fail, but did not. */
  readonly stale: readonly Expectation[];
}

/** The file of expected failures is not what it has to be. */
export class BaselineError extends Error {}

const NAME = z.string().min(1);
const Entry = z.strictObject({
  scenario: z.union([NAME, z.array(NAME).min(1)]),
  check: NAME.optional(),
  legs: z.array(NAME).min(1),
  revisions: z.array(z.enum(REVISIONS)).min(1),
  reason: z.string().min(10),
});

/** A leg, as far as entries name it. */
interface KnownLeg {
  readonly name: string;
  readonly revisions?: readonly Revision[];
}

/** Reads the expected failures. An entry for a leg that is not run would excuse nothing, so it is refused. */
export function parseBaseline(source: string, legs: readonly KnownLeg[]): Expectation[] {
  const entries = z.array(Entry).safeParse(readYaml(source) ?? []);
  if (!entries.success) throw new BaselineError(z.prettifyError(entries.error));
  const expectations = entries.data.flatMap((entry) =>
    entry.legs.flatMap((leg) => entry.revisions.flatMap((revision) => expectationsAt(entry, leg, revision))),
  );
  const isRun = ({ leg, revision }: Expectation): boolean =>
    legs.some(({ name, revisions = REVISIONS }) => name === leg && revisions.includes(revision));
  const unknown = expectations.find((entry) => !isRun(entry));
  if (unknown !== undefined) throw new BaselineError(`no leg ${unknown.leg} is run at ${unknown.revision}`);
  refuseOverlap(expectations);
  return expectations;
}

/** Holds the results of a leg against what is expected of it. */
export function judge(result: LegResult, baseline: readonly Expectation[]): Judgement {
  const here = baseline.filter(({ leg, revision }) => leg === result.leg && revision === result.revision);
  const failures = result.scenarios.flatMap(({ scenario, failed }) => failed.map((check) => ({ scenario, ...check })));
  const holds = (entry: Expectation) => failures.some((failure) => covers(entry, failure));
  return {
    unexpected: failures.filter((failure) => !here.some((entry) => covers(entry, failure))),
    held: here.filter(holds),
    stale: here.filter((entry) => !holds(entry)),
  };
}

/** The scenarios that pass in one leg and not in another, which was to pass what the first one passes. */
export function lost(result: LegResult, mirrored: LegResult): string[] {
  const passed = new Set(mirrored.scenarios.filter(passes).map(({ scenario }) => scenario));
  return result.scenarios.filter((each) => !passes(each) && passed.has(each.scenario)).map(({ scenario }) => scenario);
}

function passes({ failed }: { readonly failed: readonly unknown[] }): boolean {
  return failed.length === 0;
}

function covers(entry: Expectation, failure: Failure): boolean {
  return entry.scenario === failure.scenario && (entry.check === null || entry.check === failure.check);
}

function expectationsAt(
  { scenario, check, reason }: z.infer<typeof Entry>,
  leg: string,
  revision: Revision,
): Expectation[] {
  return [scenario].flat().map((each) => ({ leg, revision, scenario: each, check: check ?? null, reason }));
}

/** Two entries for one failure: the second could never be told to be stale. */
function refuseOverlap(expectations: readonly Expectation[]): void {
  for (const [index, entry] of expectations.entries()) {
    if (!expectations.slice(index + 1).some((other) => overlap(entry, other))) continue;
    throw new BaselineError(`${entry.scenario} is expected to fail twice in ${entry.leg} at ${entry.revision}`);
  }
}

function overlap(one: Expectation, other: Expectation): boolean {
  const samePlace = one.leg === other.leg && one.revision === other.revision && one.scenario === other.scenario;
  return samePlace && (one.check === null || other.check === null || one.check === other.check);
}

function readYaml(source: string): unknown {
  try {
    return parse(source);
  } catch (error) {
    throw new BaselineError(error instanceof Error ? error.message : String(error));
  }
}
