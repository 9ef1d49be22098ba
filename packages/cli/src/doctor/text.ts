import { printable } from '@cmcp/evidence';
import type { Condition } from '@cmcp/gateway';
import { painter } from '../report-text.ts';
import type { Section } from './examine.ts';

const COLORS = { ok: 'green', warning: 'yellow', problem: 'red' } as const;

/** A table for a person: what was looked at, what was found, and below it what to do. */
export function doctorText(sections: readonly Section[], color: boolean): string {
  const paint = painter(color);
  const all = sections.flatMap(({ conditions }) => conditions);
  const width = Math.max(...all.map(({ about }) => about.length));
  const statusWidth = 'problem'.length;
  const lines = sections.flatMap(({ title, conditions }) => [
    paint('bold', title),
    ...conditions.flatMap(({ about, status, found, fix }) => {
      const [first = '', ...rest] = found.split('\n').map(printable);
      const indent = ' '.repeat(width + statusWidth + 6);
      const label = paint(COLORS[status], status.padEnd(statusWidth));
      const more = [...rest, ...(fix === null ? [] : [`→ ${printable(fix)}`])].map((line) => `${indent}${line}`);
      return [`  ${label}  ${about.padEnd(width)}  ${first}`, ...more];
    }),
    '',
  ]);
  return `${[...lines, verdict(all)].join('\n')}\n`;
}

function verdict(all: readonly Condition[]): string {
  const count = (status: Condition['status']): number => all.filter((each) => each.status === status).length;
  const [problems, warnings] = [count('problem'), count('warning')];
  const said = `${problems} ${problems === 1 ? 'problem' : 'problems'}, ${warnings} ${warnings === 1 ? 'warning' : 'warnings'}.`;
  return problems === 0 ? `Nothing stands in the way: ${said}` : `Something stands in the way: ${said}`;
}
