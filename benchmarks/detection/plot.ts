import type { DetectionReport } from './report.ts';
import type { Share } from './shares.ts';

interface Mark {
  name: string;
  share: Share;
  /** What simple patterns reach, drawn beside it. */
  other?: Share;
  /** What is to be held, drawn as a tick: at least, or at most. */
  goal?: number;
}

interface Panel {
  title: string;
  marks: Mark[];
}

const WIDTH = 1000;
const LEFT = 330;
const RIGHT = 280;
const LINE = 20;
const HEAD = 34;
const TOP = 64;

/** Every share with its interval on one scale, as a picture that can be read without colours. */
export function plot(report: DetectionReport): string {
  const panels = panelsOf(report);
  const height = TOP + panels.reduce((sum, { marks }) => sum + HEAD + marks.length * LINE + 12, 0) + 24;
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" font-family="sans-serif" font-size="12">`,
    `<rect width="${WIDTH}" height="${height}" fill="#ffffff"/>`,
    text(16, 26, 'What inspection finds, and what it finds where nothing is', 'font-size="17" font-weight="bold"'),
    text(
      16,
      46,
      `${report.part}. Points with 95 % Wilson intervals. Hollow: simple patterns on the same rows. Tick: to hold.`,
      'fill="#444"',
    ),
  ];
  let y = TOP;
  for (const panel of panels) {
    parts.push(...panelParts(panel, y));
    y += HEAD + panel.marks.length * LINE + 12;
  }
  return `${parts.join('\n')}\n</svg>\n`;
}

/** The same in the terminal: a bar of forty for each. */
export function plotText(report: DetectionReport): string {
  const lines = panelsOf(report).flatMap(({ title, marks }) => [
    title,
    ...marks.map(({ name, share }) => `  ${name.padEnd(44)} ${bar(share)} ${label(share)}`),
    '',
  ]);
  return lines.join('\n');
}

function bar({ share }: Share): string {
  const full = Math.round((share ?? 0) * 40);
  return `|${'#'.repeat(full)}${' '.repeat(40 - full)}|`;
}

function panelsOf({ secrets, personal, injection }: DetectionReport): Panel[] {
  const found = secrets.rules.filter(({ recall }) => recall.of > 0);
  return [
    {
      title: 'Secrets',
      marks: [
        { name: 'recall, all rules', share: secrets.all.recall, goal: 0.9 },
        { name: 'precision, the rule itself', share: secrets.precision, goal: 0.95 },
        { name: 'precision, any rule', share: secrets.precision_any_rule },
        ...found.map((row) => ({ name: `recall, ${row.rule}`, share: row.recall })),
      ],
    },
    {
      title: 'Personal data: recall by type',
      marks: personal.types
        .filter(({ covered }) => covered)
        .map((row) => ({
          name: row.type,
          share: row.ours.recall,
          other: row.simple_patterns.recall,
          ...goalOf(row.type),
        })),
    },
    {
      title: 'Personal data: precision by type',
      marks: personal.types
        .filter(({ covered }) => covered)
        .map((row) => ({ name: row.type, share: row.ours.precision, other: row.simple_patterns.precision })),
    },
    {
      title: 'Known injection triggers, by disguise',
      marks: [
        ...injection.known_triggers.single.map((row) => ({ name: row.disguise, share: row.found, goal: 1 })),
        { name: 'two after another', share: injection.known_triggers.composed },
      ],
    },
    {
      title: 'Attacks of the corpora, as they are',
      marks: [
        ...injection.labelled.map((row) => ({ name: row.path, share: row.recall })),
        ...injection.spliced.map((row) => ({ name: row.attacks, share: row.all })),
      ],
    },
    {
      title: 'False positives',
      marks: [
        ...injection.benign.map((row) => ({
          name: row.path === 'all' ? `${row.dataset}, all files` : row.path,
          share: row.false_positives,
          goal: 0.01,
        })),
        {
          name: 'personal data in rows without any',
          share: personal.false_positives,
          other: personal.simple_patterns_false_positives,
        },
      ],
    },
  ];
}

const WITH_GOAL = new Set(['EMAIL_ADDRESS', 'US_SSN', 'IBAN_CODE', 'CREDIT_CARD']);

const goalOf = (type: string): { goal?: number } => (WITH_GOAL.has(type) ? { goal: 0.95 } : {});

const x = (part: number): number => Math.round((LEFT + part * (WIDTH - LEFT - RIGHT)) * 10) / 10;

function panelParts({ title, marks }: Panel, top: number): string[] {
  const bottom = top + HEAD + marks.length * LINE;
  const grid = [0, 0.25, 0.5, 0.75, 1].flatMap((part) => [
    `<line x1="${x(part)}" y1="${top + HEAD - 8}" x2="${x(part)}" y2="${bottom}" stroke="#dddddd"/>`,
    text(x(part), top + HEAD - 12, `${part * 100} %`, 'text-anchor="middle" fill="#777" font-size="10"'),
  ]);
  return [
    text(16, top + 18, title, 'font-weight="bold" font-size="14"'),
    ...grid,
    ...marks.flatMap((mark, index) => markParts(mark, top + HEAD + index * LINE + LINE / 2)),
  ];
}

function markParts({ name, share, other, goal }: Mark, y: number): string[] {
  const parts = [text(LEFT - 14, y + 4, name, 'text-anchor="end"')];
  if (goal !== undefined)
    parts.push(
      `<line x1="${x(goal)}" y1="${y - 8}" x2="${x(goal)}" y2="${y + 8}" stroke="#000000" stroke-width="1.5"/>`,
    );
  if (other?.share != null)
    parts.push(`<circle cx="${x(other.share)}" cy="${y}" r="4.5" fill="#ffffff" stroke="#b35806" stroke-width="1.5"/>`);
  if (share.share !== null) {
    parts.push(
      `<line x1="${x(share.low ?? 0)}" y1="${y}" x2="${x(share.high ?? 0)}" y2="${y}" stroke="#1f5fa8" stroke-width="2.5" stroke-opacity="0.6"/>`,
      `<circle cx="${x(share.share)}" cy="${y}" r="4" fill="#1f5fa8"/>`,
    );
  }
  parts.push(text(WIDTH - RIGHT + 16, y + 4, label(share), 'fill="#333"'));
  return parts;
}

function label({ count, of, share, low, high }: Share): string {
  if (share === null || low === null || high === null) return 'none to count';
  return `${count}/${of}, ${per(share)} % (${per(low)} to ${per(high)})`;
}

const per = (part: number): string => (part * 100).toFixed(1);

const escaped = (said: string): string => said.replaceAll('&', '&amp;').replaceAll('<', '&lt;');

const text = (left: number, base: number, said: string, more: string): string =>
  `<text x="${left}" y="${base}" ${more}>${escaped(said)}</text>`;
