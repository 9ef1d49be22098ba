import { printable } from '@cmcp/evidence';
import type { Change, ReplayReport, Verdict } from '@cmcp/gateway';
import { columns, table } from '../table.ts';

/** More rows than this tell a person nothing; `--json` has all. */
const MAX_ROWS = 100;

/** What a replay found, for a person. */
export function replayText(report: ReplayReport): string {
  const { changes, groups, before } = report;
  const blocks = [summary(report)];
  if (changes.length > 0) {
    const rows = groups.map(({ count, stage, asked, from, to }) => [`${count} x`, stage, asked, became(from, to)]);
    blocks.push(`Changes, by kind:\n${columns(safe(rows))}`, `Each of them:\n${changeTable(changes)}`);
  }
  if (before !== null && before.disagrees.length > 0) {
    blocks.push(`Recorded otherwise than ${before.bundle} decides now:\n${changeTable(before.disagrees)}`);
  }
  if (report.unread.length > 0) {
    const rows = report.unread.slice(0, MAX_ROWS).map(({ why }) => [`  - ${why}`]);
    blocks.push(`Not decided again:\n${columns(safe(rows))}${more(report.unread)}`);
  }
  if (report.problems.length > 0) {
    const rows = report.problems.slice(0, MAX_ROWS).map((problem) => [`  - ${problem}`]);
    blocks.push(`What the recordings lack:\n${columns(safe(rows))}${more(report.problems)}`);
  }
  return `${blocks.join('\n\n')}\n`;
}

function summary({
  decisions,
  changes,
  otherReasons,
  bundle,
  catalog,
  otherCatalogs,
  before,
  notes,
}: ReplayReport): string {
  const lines = [
    `${decisions} decisions made again under bundle ${bundle}: ${changes.length === 0 ? 'none changes' : `${changes.length} change`}.`,
  ];
  if (otherReasons > 0) lines.push(`${otherReasons} stay what they were, for the sake of other policies.`);
  for (const other of otherCatalogs) {
    lines.push(`${other.decisions} were recorded under catalog ${other.catalog}; the given one is ${catalog}.`);
  }
  if (before !== null && before.otherBundle > 0) {
    lines.push(
      `${before.otherBundle} were recorded under another bundle than ${before.bundle} and not compared with it.`,
    );
  }
  return [...lines, ...notes].map(printable).join('\n');
}

const COLUMNS = ['call', 'time', 'stage', 'agent', 'asked', 'change'];

function changeTable(changes: readonly Change[]): string {
  const rows = changes
    .slice(0, MAX_ROWS)
    .map(({ call, time, stage, agent, asked, from, to }) => [call, time, stage, agent, asked, became(from, to)]);
  return `${table(COLUMNS, safe(rows))}${more(changes)}`;
}

function more(all: readonly unknown[]): string {
  return all.length > MAX_ROWS ? `\nand ${all.length - MAX_ROWS} more; --json has all` : '';
}

function safe(rows: string[][]): string[][] {
  return rows.map((row) => row.map(printable));
}

function became(from: Verdict, to: Verdict): string {
  return `${verdictText(from)} -> ${verdictText(to)}`;
}

function verdictText({ effect, policies, redactions, error }: Verdict): string {
  const why = policies.length > 0 ? policies.join(', ') : error === null ? 'no policy' : 'an error';
  return `${[effect, redactions.join(', ')].filter(Boolean).join(' ')} (${why})`;
}
