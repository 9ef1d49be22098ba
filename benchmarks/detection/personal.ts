import { builtInList } from '../../packages/gateway/src/inspection/rules/built-in.ts';
import type { TextFinding } from '../../packages/gateway/src/inspection/types.ts';
import { type Corpus, textOf } from './corpus.ts';
import { PUBLISHED, referenceFindings, type TypedSpan } from './reference-patterns.ts';
import { f1, type Share, share } from './shares.ts';
import { overlaps, type Subject } from './subject.ts';

/** Entity types that have a layout of their own, which is what patterns can find; names of people have none. */
const STRUCTURED = [
  'EMAIL_ADDRESS',
  'US_SSN',
  'IBAN_CODE',
  'CREDIT_CARD',
  'PHONE_NUMBER',
  'IP_ADDRESS',
  'US_DRIVER_LICENSE',
  'DOMAIN_NAME',
  'ZIP_CODE',
] as const;

/** Our rules by the entity type that they find. */
const TYPES: Readonly<Record<string, string>> = {
  'email-address': 'EMAIL_ADDRESS',
  'us-ssn': 'US_SSN',
  iban: 'IBAN_CODE',
  'payment-card-number': 'CREDIT_CARD',
  'phone-number': 'PHONE_NUMBER',
  'ip-address': 'IP_ADDRESS',
  'driving-licence': 'US_DRIVER_LICENSE',
};

interface Scores {
  recall: Share;
  precision: Share;
  f1: number | null;
}

export interface PersonalRow {
  type: string;
  /** False: the gateway has no rule for it. */
  covered: boolean;
  ours: Scores;
  /** What simple patterns reach on the same rows. */
  simple_patterns: Scores;
  /** Found of how many, as published of the reference on another split. */
  reference_published: readonly [number, number] | null;
}

export interface PersonalReport {
  types: PersonalRow[];
  /** Types together, each span and each finding counted once. */
  all: Omit<PersonalRow, 'reference_published' | 'covered'>;
  /** Rows that hold no structured identifier and were said to hold personal or payment data. */
  false_positives: Share;
  simple_patterns_false_positives: Share;
  /** By rule, of those. */
  false_positives_by_rule: Record<string, number>;
}

interface Sentence {
  spans: TypedSpan[];
  ours: TypedSpan[];
  simple: TypedSpan[];
  rules: string[];
}

/** Personal data in sentences with labelled spans, by type and by overlap. */
export function measurePersonal(corpus: Corpus, subject: Subject): PersonalReport {
  const sentences = corpus.of('pii').flatMap((source) =>
    corpus.rows(source).map((row): Sentence => {
      const text = textOf(source, row);
      const findings = subject(text).filter(
        ({ kind }) => kind === 'personal' || kind === 'payment' || kind === 'health',
      );
      return {
        spans: spansOf(row.spans),
        ours: findings.map(typed),
        simple: referenceFindings(text),
        rules: [...new Set(findings.map(({ rule }) => rule))],
      };
    }),
  );
  const plain = sentences.filter(({ spans }) => !spans.some(({ type }) => isStructured(type)));
  const rows = (of: (sentence: Sentence) => readonly unknown[]): number =>
    plain.filter((one) => of(one).length > 0).length;
  const { reference_published: _, covered: __, ...all } = rowOf('all', sentences, isStructured);
  return {
    types: STRUCTURED.map((type) => rowOf(type, sentences, (one) => one === type)),
    all,
    false_positives: share(
      rows(({ ours }) => ours),
      plain.length,
    ),
    simple_patterns_false_positives: share(
      rows(({ simple }) => simple),
      plain.length,
    ),
    false_positives_by_rule: tally(plain.flatMap(({ rules }) => rules)),
  };
}

function rowOf(type: string, sentences: readonly Sentence[], belongs: (type: string) => boolean): PersonalRow {
  return {
    type,
    covered: builtInList().some(({ id }) => TYPES[id] === type),
    ours: scores(sentences, (sentence) => sentence.ours, belongs),
    simple_patterns: scores(sentences, (sentence) => sentence.simple, belongs),
    reference_published: PUBLISHED[type] ?? null,
  };
}

/** A span is found by, and a finding is right about, an overlap with one of the same type. */
function scores(
  sentences: readonly Sentence[],
  found: (sentence: Sentence) => readonly TypedSpan[],
  belongs: (type: string) => boolean,
): Scores {
  const of = (spans: readonly TypedSpan[]): TypedSpan[] => spans.filter(({ type }) => belongs(type));
  const met = (spans: readonly TypedSpan[], others: readonly TypedSpan[]): number =>
    of(spans).filter((span) => others.some((other) => other.type === span.type && overlaps(span, other))).length;
  const sum = (count: (sentence: Sentence) => number): number => sentences.reduce((all, one) => all + count(one), 0);
  const recall = share(
    sum((one) => met(one.spans, found(one))),
    sum((one) => of(one.spans).length),
  );
  const precision = share(
    sum((one) => met(found(one), one.spans)),
    sum((one) => of(found(one)).length),
  );
  return { recall, precision, f1: f1(recall, precision) };
}

const typed = ({ rule, start, end }: TextFinding): TypedSpan => ({ type: TYPES[rule] ?? rule, start, end });

function spansOf(given: unknown): TypedSpan[] {
  const spans = given as { entity_type: string; start_position: number; end_position: number }[];
  return spans.map((span) => ({ type: span.entity_type, start: span.start_position, end: span.end_position }));
}

const isStructured = (type: string): boolean => (STRUCTURED as readonly string[]).includes(type);

export function tally(names: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const name of [...names].sort()) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
}
