import type { BundleComparison } from '@cmcp/gateway';
import { columns } from '../table.ts';

type Change = BundleComparison['decisions'][number];

/** How two bundles differ, for people. */
export function diffText(comparison: BundleComparison): string {
  const { before, after, texts, decisions, furtherKinds, runs, seed } = comparison;
  const rows = texts.map(({ change, what, name, where }) => ['', change, `${what} ${name}`, where]);
  const lines = [
    columns([
      ['old', before.hash, before.path],
      ['new', after.hash, after.path],
    ]),
    '',
    ...(rows.length === 0 ? ['Nothing is written differently.'] : ['Written differently:', columns(rows)]),
    '',
    ...decisions.flatMap(changeLines),
    ...(furtherKinds === 0 ? [] : [`${furtherKinds} further kinds of requests are decided differently.`]),
    decisions.length === 0
      ? 'No request was found that is decided differently. That does not prove that there is none.'
      : `${decisions.length + furtherKinds} kinds of requests are decided differently.`,
    `${runs} random requests, seed ${seed}.`,
  ];
  return `${lines.join('\n')}\n`;
}

function changeLines({ about, stage, before, after, test }: Change): string[] {
  const answer = stage === 'answer' ? ' (its answer)' : '';
  return [
    `${about}${answer}`,
    `  old  ${outcome(before)}`,
    `  new  ${outcome(after)}`,
    ...adviceLines(before, after),
    ...test
      .trimEnd()
      .split('\n')
      .map((line) => `  ${line}`),
    '',
  ];
}

function outcome({ effect, policies, error }: Change['before']): string {
  const by = policies.length === 0 ? 'no policy' : policies.join(', ');
  return `${effect} by ${by}${error === null ? '' : ` (${error})`}`;
}

/** Only where it is all that differs. */
function adviceLines(before: Change['before'], after: Change['after']): string[] {
  if (before.effect !== after.effect) return [];
  return [`  old advice  ${JSON.stringify(before.advice)}`, `  new advice  ${JSON.stringify(after.advice)}`];
}
