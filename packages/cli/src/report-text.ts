import type { Check, Outcome, Report } from '@cmcp/evidence';
import { printable } from './table.ts';

/** Wraps words in the codes of a terminal colour; leaves them alone where there is no terminal. */
type Paint = (code: number, text: string) => string;

const RED = 31;
const GREEN = 32;
const YELLOW = 33;
const BOLD = 1;

const SECTIONS: [Outcome, string][] = [
  ['failed', 'FAILED'],
  ['proven', 'PROVEN'],
  ['asserted', 'ASSERTED: the file says so, and nothing that you supplied shows it'],
  ['not checked', 'NOT CHECKED'],
];

/** A report for a person: failures first, then what is proven, asserted and not checked, each with its pin. */
export function reportText(file: string, report: Report, color: boolean): string {
  const paint: Paint = (code, text) => (color ? `\u001b[${code}m${text}\u001b[0m` : text);
  const lines = [`${paint(BOLD, printable(file))}: ${verdict(report, paint)}`, `  ${printable(report.summary)}`];
  if (report.session_id !== null) lines.push(`  Session ${printable(report.session_id)}`);
  for (const [outcome, title] of SECTIONS) {
    const checks = report.checks.filter((check) => check.outcome === outcome);
    if (checks.length === 0) continue;
    lines.push('', `  ${outcome === 'failed' ? paint(RED, title) : title}`, ...checks.flatMap(describe));
  }
  lines.push(...list('RELAXED BY YOU', report.relaxations));
  lines.push(...list('LACKING, to be verified', report.lacking));
  lines.push(...list('TRUST THAT REMAINS', report.residual));
  return `${lines.join('\n')}\n`;
}

/** UX-09: what was relaxed never has the colour or the words of what was not. */
function verdict({ verdict: word, relaxations }: Report, paint: Paint): string {
  if (word === 'refused') return paint(RED, 'REFUSED');
  if (word === 'unverified') return paint(YELLOW, 'CONSISTENT, NOT VERIFIED');
  return relaxations.length > 0 ? paint(YELLOW, `VERIFIED WITH ${relaxations.join(' ')}`) : paint(GREEN, 'VERIFIED');
}

function describe({ title, outcome, against, detail, required, remedy }: Check): string[] {
  const needed = required && outcome !== 'proven' ? ' (required)' : '';
  const pin = against === null ? '' : ` [against: ${printable(against)}]`;
  const line = `    ${printable(title)} ${printable(detail)}${pin}${needed}`;
  return remedy === undefined ? [line] : [line, `      to prove it: ${printable(remedy)}`];
}

function list(title: string, items: readonly string[]): string[] {
  return items.length === 0 ? [] : ['', `  ${title}`, ...items.map((item) => `    - ${printable(item)}`)];
}
