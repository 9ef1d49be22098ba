import type { Judgement } from './baseline.ts';
import type { LegResult, ScenarioResult } from './results.ts';

/** A leg at a revision, judged. */
export interface Judged {
  readonly result: LegResult;
  readonly judgement: Judgement;
  /** What passes in the leg that this one mirrors, and not here. */
  readonly lost: readonly string[];
}

/** Whether nothing happened that the baseline does not know. */
export function isClean({ judgement }: Judged): boolean {
  return judgement.unexpected.length === 0 && judgement.stale.length === 0;
}

/** The failures of all legs, those with one reason together, and what is stale; then one line a leg. */
export function report(all: readonly Judged[]): string {
  const width = Math.max(...all.map(({ result }) => result.leg.length));
  return [...all.flatMap(details), ...all.map((each) => summary(each, width))].join('\n');
}

/** As `server direct  2025-11-25  30/30`, with what is not required behind. */
function summary({ result, judgement, lost }: Judged, width: number): string {
  const { leg, revision, scenarios } = result;
  const optional = scenarios.filter(({ required }) => !required);
  const required = scenarios.filter(({ required }) => required);
  return [
    `${leg.padEnd(width)}  ${revision}  ${tally(required)}`,
    ...(optional.length > 0 ? [`optional ${tally(optional)}`] : []),
    ...(judgement.held.length > 0 ? [`${scenariosOf(judgement.held).length} expected`] : []),
    ...(judgement.unexpected.length > 0 ? [`${judgement.unexpected.length} unexpected`] : []),
    ...(judgement.stale.length > 0 ? [`${judgement.stale.length} stale`] : []),
    ...(lost.length > 0 ? [`lost: ${lost.join(', ')}`] : []),
  ].join('  ');
}

function tally(scenarios: readonly ScenarioResult[]): string {
  return `${scenarios.filter(({ failed }) => failed.length === 0).length}/${scenarios.length}`;
}

function details({ result: { leg, revision }, judgement: { held, unexpected, stale } }: Judged): string[] {
  const line = (mark: string, scenario: string, check: string, message: string) =>
    `${mark.padEnd(10)}  ${leg}  ${revision}  ${scenario}  ${check}\n${indented(message)}`;
  const whole = 'any check';
  return [
    ...[...Map.groupBy(held, ({ check, reason }) => `${check} ${reason}`).values()].map((alike) =>
      line('expected', scenariosOf(alike).join(', '), alike[0]?.check ?? whole, alike[0]?.reason ?? ''),
    ),
    ...unexpected.map(({ scenario, check, message }) => line('UNEXPECTED', scenario, check, message)),
    ...stale.map(({ scenario, check }) =>
      line('STALE', scenario, check ?? whole, 'It did not fail: take it out of baseline.yaml.'),
    ),
  ];
}

function scenariosOf(entries: readonly { readonly scenario: string }[]): string[] {
  return [...new Set(entries.map(({ scenario }) => scenario))];
}

function indented(message: string): string {
  return message.replaceAll(/^/gm, ' '.repeat(12));
}
