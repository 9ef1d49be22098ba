import type { DetectionReport } from './report.ts';
import { told } from './shares.ts';

type Table = [title: string, rows: Record<string, string | number>[]];

/** The report as tables, with counts and intervals in every cell that is a share (DET-03). */
export function tables(report: DetectionReport): Table[] {
  return [...secretTables(report), ...personalTables(report), ...injectionTables(report), ...otherTables(report)];
}

function secretTables({ secrets }: DetectionReport): Table[] {
  const rows = [secrets.all, ...secrets.rules].map((row) => ({
    rule: row.rule,
    recall: told(row.recall),
    'by the same name': told(row.named),
    'false positives of that rule': told(row.false_positives),
    'any rule fired': told(row.any_rule_fired),
  }));
  const precision = [
    { counted: 'the rule itself is wrong', precision: told(secrets.precision) },
    { counted: 'any rule fires, rightly or not', precision: told(secrets.precision_any_rule) },
  ];
  return [
    ['Secrets, by rule', rows],
    ['Secrets, precision', precision],
  ];
}

function personalTables({ personal }: DetectionReport): Table[] {
  const rows = [{ ...personal.all, covered: true, reference_published: null }, ...personal.types].map((row) => ({
    type: row.covered ? row.type : `${row.type} (no rule)`,
    recall: told(row.ours.recall),
    precision: told(row.ours.precision),
    F1: row.ours.f1 ?? '',
    'simple patterns, recall': told(row.simple_patterns.recall),
    'precision ': told(row.simple_patterns.precision),
    'F1 ': row.simple_patterns.f1 ?? '',
    'reference, another split': row.reference_published?.join('/') ?? '',
  }));
  const plain = [
    { patterns: 'ours', rows: told(personal.false_positives) },
    { patterns: 'simple', rows: told(personal.simple_patterns_false_positives) },
  ];
  return [
    ['Personal data, by type, spans by overlap', rows],
    ['Personal data, rows without a structured identifier where something was found', plain],
  ];
}

function injectionTables({ injection }: DetectionReport): Table[] {
  const { known_triggers: known } = injection;
  const disguised = [
    {
      disguise: 'none: published triggers that are known',
      found: told(known.published),
      missed: known.unknown.join('; '),
    },
    ...known.single.map((row) => ({ disguise: row.disguise, found: told(row.found), missed: row.missed.join('; ') })),
    {
      disguise: 'two after another',
      found: told(known.composed),
      missed: `${known.composed_missed.length} of the pairs miss some; ${known.composed_withheld} withheld unread`,
    },
  ];
  const benign = injection.benign.map((row) => ({
    file: row.path === 'all' ? `${row.dataset}, all files` : row.path,
    'false positives': told(row.false_positives),
  }));
  const labelled = injection.labelled.flatMap((row) => [
    { file: row.path, of: 'all', recall: told(row.recall), precision: told(row.precision), F1: row.f1 ?? '' },
    ...row.by_source.map((one) => ({
      file: row.path,
      of: one.source,
      recall: told(one.attacks),
      precision: one.benign.of === 0 ? '' : `false positives ${told(one.benign)}`,
      F1: '',
    })),
  ]);
  return [
    ['Known triggers in disguise', disguised],
    ['Harmless texts that were said to give instructions', benign],
    ['Prompts labelled one by one', labelled],
    ['Attacks put into harmless answers', splicedRows(injection)],
  ];
}

function splicedRows({ spliced }: DetectionReport['injection']): Record<string, string>[] {
  return spliced.flatMap((row) => [
    { attacks: row.attacks, of: 'all', recall: told(row.all) },
    ...Object.entries({ ...row.by_position, ...row.by_category }).map(([of, found]) => ({
      attacks: row.attacks,
      of,
      recall: told(found),
    })),
  ]);
}

function otherTables({ mcp_logs, utility, latency }: DetectionReport): Table[] {
  const logs = mcp_logs.techniques.map((row) => ({
    technique: row.technique,
    'attacks, anything found': told(row.attacks),
    'an instruction found': told(row.attacks_instructing),
    'harmless, anything found': told(row.benign),
    'an instruction found ': told(row.benign_instructing),
  }));
  const files = latency.map((row) => ({
    file: row.path,
    texts: row.texts,
    'kB in all': Math.round(row.bytes / 1024),
    'median us': row.median_us,
    'p99 us': row.p99_us,
    'us per kB': row.us_per_kb,
  }));
  return [
    [`MCP logs, by technique; left out without labels: ${mcp_logs.unlabelled.join(', ')}`, logs],
    [
      'Harmless texts that reach the agent as they were',
      utility.map((row) => ({ file: row.path, unchanged: told(row.unchanged) })),
    ],
    ['Added latency', files],
  ];
}
