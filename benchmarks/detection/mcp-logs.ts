import type { Corpus, Row, Source } from './corpus.ts';
import { type Share, share } from './shares.ts';
import { instructs, type Subject } from './subject.ts';

export interface TechniqueRow {
  technique: string;
  /** Cases that are attacks, of which something was found of any kind, and those where an instruction was. */
  attacks: Share;
  attacks_instructing: Share;
  benign: Share;
  benign_instructing: Share;
}

export interface LogsReport {
  techniques: TechniqueRow[];
  /** Files without a label, which are left out. */
  unlabelled: string[];
}

interface Case {
  isAttack: boolean;
  record: unknown;
}

/** What a case says of itself, rather than what the log says. */
const SAID_OF_IT = new Set([
  'description',
  'name',
  'id',
  'type',
  'category',
  'test_case',
  'attack_type',
  'should_trigger',
  'expected_detection',
  'expected_result',
  'matched_patterns',
  'notes',
  'reason',
]);

/** Logs of attacks on MCP, by technique. Most show in who calls what, which patterns over texts do not see (DET-05). */
export function measureLogs(corpus: Corpus, subject: Subject): LogsReport {
  const sources = corpus.of('mcp-logs');
  return {
    techniques: sources.filter(({ label }) => label !== null).map((source) => rowOf(corpus, source, subject)),
    unlabelled: sources.filter(({ label }) => label === null).map(techniqueOf),
  };
}

function rowOf(corpus: Corpus, source: Source, subject: Subject): TechniqueRow {
  const seen = casesOf(corpus.read(source), source.label ?? '').map(({ isAttack, record }) => {
    const findings = textsOf(record).flatMap((text) => subject(text));
    return { isAttack, any: findings.length > 0, instructing: findings.some(instructs) };
  });
  const count = (isAttack: boolean, what: 'any' | 'instructing'): Share => {
    const of = seen.filter((one) => one.isAttack === isAttack);
    return share(of.filter((one) => one[what]).length, of.length);
  };
  return {
    technique: techniqueOf(source),
    attacks: count(true, 'any'),
    attacks_instructing: count(true, 'instructing'),
    benign: count(false, 'any'),
    benign_instructing: count(false, 'instructing'),
  };
}

const techniqueOf = ({ path }: Source): string => path.replace(/^.*\//, '').replace('.test-logs.json', '');

function casesOf(held: unknown, label: string): Case[] {
  if (label === 'positive_test_cases') {
    const { positive_test_cases: attacks, negative_test_cases: benign } = held as Record<string, Row[]>;
    return [
      ...(attacks ?? []).map((row) => ({ isAttack: true, record: recordOf(row) })),
      ...(benign ?? []).map((row) => ({ isAttack: false, record: recordOf(row) })),
    ];
  }
  const rows = Array.isArray(held) ? (held as Row[]) : ((held as Record<string, Row[]>).test_cases ?? []);
  return rows.flatMap((row) => {
    const said = row[label];
    // A case that somebody is to look at is neither.
    if (said !== true && said !== false && said !== 'detect' && said !== 'pass') return [];
    return [{ isAttack: said === true || said === 'detect', record: recordOf(row) }];
  });
}

function recordOf(row: Row): unknown {
  if ('log_entry' in row) return row.log_entry;
  return Object.fromEntries(Object.entries(row).filter(([name]) => !SAID_OF_IT.has(name)));
}

function textsOf(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  if (typeof value !== 'object' || value === null) return [];
  return Object.values(value).flatMap(textsOf);
}
