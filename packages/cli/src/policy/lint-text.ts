import { printable } from '@cmcp/evidence';
import type { Finding } from '@cmcp/gateway';
import { columns } from '../table.ts';

const SEVERITIES = ['error', 'warning', 'info'] as const;
const NOUNS = { error: 'error', warning: 'warning', info: 'note' };

/** How many findings there are of each severity. */
export function countsOf(findings: readonly Finding[]): Record<Finding['severity'], number> {
  const count = (severity: Finding['severity']) => findings.filter((each) => each.severity === severity).length;
  return { error: count('error'), warning: count('warning'), info: count('info') };
}

/** What a linter found, for a person: grouped by file, each with its fix below it. */
export function findingsText(findings: readonly Finding[]): string {
  if (findings.length === 0) return 'Nothing found.\n';
  const files = Map.groupBy(findings, ({ where }) => placeOf(where).file);
  const blocks = [...files].map(([file, found]) => {
    const inOrder = found.toSorted((a, b) => lineOf(a) - lineOf(b));
    return `${printable(file)}\n${columns(inOrder.flatMap(rowsOf))}`;
  });
  const counts = countsOf(findings);
  const summary = SEVERITIES.filter((severity) => counts[severity] > 0).map((severity) => {
    return `${counts[severity]} ${NOUNS[severity]}${counts[severity] === 1 ? '' : 's'}`;
  });
  return `${[...blocks, `${summary.join(', ')}.`].join('\n\n')}\n`;
}

function rowsOf({ where, severity, rule, message, fix }: Finding): string[][] {
  const { inside } = placeOf(where);
  return [
    ['', printable(inside), severity, rule, printable(message)],
    ['', '', '', '', `fix: ${printable(fix)}`],
  ];
}

function lineOf({ where }: Finding): number {
  const line = Number(placeOf(where).inside);
  return Number.isNaN(line) ? 0 : line;
}

/** A line of a file, or a path inside a JSON file. */
function placeOf(where: string): { file: string; inside: string } {
  const [, file = where, line, path] = /^(.+?)(?::(\d+)|: (.+))?$/s.exec(where) ?? [];
  return { file, inside: line ?? path ?? '' };
}
