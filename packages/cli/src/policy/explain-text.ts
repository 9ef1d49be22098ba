import { printable } from '@cmcp/evidence';
import type { Explanation } from '@cmcp/gateway';

type Placed = Explanation['matched'][number];
type Unmet = Explanation['unmet'][number];
type Reason = Unmet['clauses'][number]['reasons'][number];
type Step = Explanation['ways'][number][number];

/** Why a request is decided as it is, for a person. */
export function explanationText(explanation: Explanation): string {
  return `${explanationLines(explanation).map(printable).join('\n')}\n`;
}

/** The lines of {@link explanationText}, which may hold what peers said. */
export function explanationLines(explanation: Explanation): string[] {
  const { agent, asked, stage, matched, failed, unmet, elsewhere } = explanation;
  const answer = stage === 'egress' ? ', with its answer' : '';
  return [
    `${asked} by ${agent}${answer}: ${verdict(explanation)}`,
    ...section('Applies:', matched.map(placed)),
    ...section(
      'Cannot be evaluated, and so denies:',
      failed.flatMap((policy) => [placed(policy), ...clauses(policy)]),
    ),
    ...section(
      'About requests like this, and does not apply:',
      unmet.flatMap((policy) => [placed(policy), ...clauses(policy)]),
    ),
    ...(elsewhere === 0
      ? []
      : ['', `${elsewhere === 1 ? '1 policy is' : `${elsewhere} policies are`} about other requests.`]),
    ...ways(explanation),
  ];
}

function verdict({ decision: { effect, policyIds, advice, error }, matched, refused }: Explanation): string {
  const words = Object.entries(advice).map(([key, value]) => `@${key}("${value}")`);
  const advised = words.length === 0 ? '' : ` ${words.join(' ')}`;
  if (refused !== null) return `${effect}, and put to no policy: ${refused}`;
  if (error !== null) return `${effect}, because of an error: ${error}${advised}`;
  if (policyIds.length > 0) return `${effect}, by ${policyIds.join(', ')}${advised}`;
  return matched.length === 0 ? `${effect}: no permit applies` : effect;
}

function section(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : ['', title, ...lines.map((line) => `  ${line}`)];
}

function placed({ id, effect, place }: Placed): string {
  return `${effect} ${id} (${place})`;
}

function clauses({ clauses: unmet }: Unmet): string[] {
  return unmet.flatMap(({ reasons }) => reasons.map((reason) => `  ${reasonText(reason)}`));
}

function reasonText({ text, truth, message, values }: Reason): string {
  const known = values.map(({ name, value }) => (value === null ? `${name} is missing` : `${name} is ${value}`));
  const now =
    truth === 'error' ? `cannot be evaluated${message === null ? '' : ` (${oneLine(message)})`}` : `is ${truth}`;
  return [`${oneLine(text)} ${now}`, ...known].join('; ');
}

function ways({ allowed, ways: given }: Explanation): string[] {
  if (given.length === 0) return [];
  const other = allowed ? 'denied' : 'allowed';
  return given.flatMap((steps, index) => ['', index === 0 ? `To be ${other}:` : 'Or:', ...steps.flatMap(step)]);
}

function step({ policy, apply, changes, alternatives }: Step): string[] {
  if (policy === null) return changes.map((change) => `  ${oneLine(change)}`);
  if (changes.length === 0)
    return [`  ${placed(policy)} would have to be changed or removed: it has no condition that could fail`];
  const what = apply ? 'would have to apply' : 'would have to let go';
  return [
    `  ${placed(policy)} ${what}:`,
    ...[changes, ...alternatives].map((way, index) => `    ${index === 0 ? '' : 'or '}${oneLine(way.join(', and '))}`),
  ];
}

function oneLine(text: string): string {
  return text.replaceAll(/\s+/g, ' ');
}
