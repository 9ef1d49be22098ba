import { type Check, type Outcome, printable, type Report } from '@cmcp/evidence';
import { callersText } from './callers-text.ts';
import { flowText } from './flow-text.ts';

const CODES = { red: 31, green: 32, yellow: 33, bold: 1 };

/** Wraps words in the codes of a terminal colour; leaves them alone where there is no terminal. */
export type Paint = (style: keyof typeof CODES, text: string) => string;

export function painter(color: boolean): Paint {
  return (style, text) => (color ? `\u001b[${CODES[style]}m${text}\u001b[0m` : text);
}

const SECTIONS: [Outcome, string][] = [
  ['failed', 'FAILED'],
  ['proven', 'PROVEN'],
  ['asserted', 'ASSERTED: the file says so, and nothing that you supplied shows it'],
  ['not checked', 'NOT CHECKED'],
];

/** A report for a person: failures first, then what is proven, asserted and not checked, each with its pin. */
export function reportText(file: string, report: Report, color: boolean): string {
  const paint = painter(color);
  const lines = [`${paint('bold', printable(file))}: ${verdict(report, paint)}`, `  ${printable(report.summary)}`];
  if (report.session_id !== null) lines.push(`  Session ${printable(report.session_id)}`);
  for (const [outcome, title] of SECTIONS) {
    const checks = report.checks.filter((check) => check.outcome === outcome);
    if (checks.length === 0) continue;
    lines.push(
      '',
      `  ${outcome === 'failed' ? paint('red', title) : title}`,
      ...checks.flatMap((check) => describe(check)),
    );
  }
  if (report.callers !== undefined) lines.push(...callersText(report.callers));
  if (report.flow !== undefined) lines.push(...flowText(report.flow));
  lines.push(...list('RELAXED BY YOU', report.relaxations));
  lines.push(...list('LACKING, to be verified', report.lacking));
  lines.push(...list('TRUST THAT REMAINS', report.residual));
  return `${lines.join('\n')}\n`;
}

/** How several files fit together, for a person; nothing for a single file. */
export function seriesText(series: readonly Check[], color: boolean): string[] {
  if (series.length === 0) return [];
  const paint = painter(color);
  const lines = series.flatMap((check) => checkLines(check, paint));
  return [`${paint('bold', 'These files together')}\n${lines.join('\n')}\n`];
}

/** UX-09: what was relaxed never has the colour or the words of what was not. */
function verdict({ verdict: word, relaxations }: Report, paint: Paint): string {
  if (word === 'refused') return paint('red', 'REFUSED');
  if (word === 'unverified') return paint('yellow', 'CONSISTENT, NOT VERIFIED');
  return relaxations.length > 0
    ? paint('yellow', `VERIFIED WITH ${relaxations.join(' ')}`)
    : paint('green', 'VERIFIED');
}

const OUTCOME_STYLE: Record<Outcome, Parameters<Paint>[0]> = {
  failed: 'red',
  proven: 'green',
  asserted: 'yellow',
  'not checked': 'yellow',
};

/** A check with its outcome in front. */
export function checkLines(check: Check, paint: Paint): string[] {
  return describe(check, paint(OUTCOME_STYLE[check.outcome], check.outcome.padEnd(13)));
}

function describe({ title, outcome, against, detail, required, remedy }: Check, before = ''): string[] {
  const needed = required && outcome !== 'proven' ? ' (required)' : '';
  const pin = against === null ? '' : ` [against: ${printable(against)}]`;
  const line = `    ${before}${printable(title)} ${printable(detail)}${pin}${needed}`;
  return remedy === undefined ? [line] : [line, `      to prove it: ${printable(remedy)}`];
}

function list(title: string, items: readonly string[]): string[] {
  return items.length === 0 ? [] : ['', `  ${title}`, ...items.map((item) => `    - ${printable(item)}`)];
}
