import { type Corpus, type Source, textOf } from './corpus.ts';
import { type DisguisesReport, measureDisguises } from './disguises.ts';
import { tally } from './personal.ts';
import { f1, type Share, share } from './shares.ts';
import { instructs, overlaps, type Span, type Subject } from './subject.ts';

export interface InjectionReport {
  known_triggers: DisguisesReport;
  benign: BenignRow[];
  labelled: LabelledRow[];
  spliced: SplicedRow[];
}

export interface BenignRow {
  dataset: string;
  path: string;
  false_positives: Share;
  by_rule: Record<string, number>;
}

interface LabelledRow {
  dataset: string;
  path: string;
  recall: Share;
  precision: Share;
  f1: number | null;
  by_source: { source: string; attacks: Share; benign: Share }[];
}

interface SplicedRow {
  attacks: string;
  contexts: string;
  all: Share;
  by_position: Record<string, Share>;
  by_category: Record<string, Share>;
}

/** Instructions in texts: known triggers in disguise, and the corpora by what their index says of their labels. */
export function measureInjection(corpus: Corpus, subject: Subject): InjectionReport {
  const benign = labelled(corpus, 'all benign');
  return {
    known_triggers: measureDisguises(subject),
    benign: measureBenign(corpus, subject),
    labelled: labelled(corpus, 'label:').map((source) => labelledRow(corpus, source, subject)),
    spliced: labelled(corpus, 'all attacks').flatMap((source) => spliced(corpus, source, benign, subject)),
  };
}

const labelled = (corpus: Corpus, by: string): Source[] =>
  corpus.of('injection').filter(({ label }) => label?.startsWith(by) === true);

/** Each file, and before them each data set; a text that occurs twice is counted once. */
export function measureBenign(corpus: Corpus, subject: Subject): BenignRow[] {
  const sources = labelled(corpus, 'all benign');
  const datasets = [...new Set(sources.map(({ dataset }) => dataset))];
  const texts = (of: readonly Source[]): Set<string> => new Set(of.flatMap((source) => corpus.texts(source)));
  const whole = datasets.map((dataset) =>
    benignRow(dataset, 'all', texts(sources.filter((source) => source.dataset === dataset)), subject),
  );
  return [...whole, ...sources.map((source) => benignRow(source.dataset, source.path, texts([source]), subject))];
}

function benignRow(dataset: string, path: string, distinct: ReadonlySet<string>, subject: Subject): BenignRow {
  const texts = [...distinct];
  const found = texts.map((text) => subject(text).filter(instructs));
  return {
    dataset,
    path,
    false_positives: share(found.filter((findings) => findings.length > 0).length, texts.length),
    by_rule: tally(found.flatMap((findings) => [...new Set(findings.map(({ rule }) => rule))])),
  };
}

function labelledRow(corpus: Corpus, source: Source, subject: Subject): LabelledRow {
  const seen = corpus.rows(source).map((row) => ({
    source: String(row.source ?? 'unnamed'),
    isAttack: Number(row.label) === 1,
    found: subject(textOf(source, row)).some(instructs),
  }));
  const count = (isAttack: boolean, of = seen): Share => {
    const among = of.filter((one) => one.isAttack === isAttack);
    return share(among.filter(({ found }) => found).length, among.length);
  };
  const recall = count(true);
  const precision = share(recall.count, seen.filter(({ found }) => found).length);
  const names = [...new Set(seen.map((one) => one.source))].sort();
  const by_source = names.map((name) => {
    const of = seen.filter((one) => one.source === name);
    return { source: name, attacks: count(true, of), benign: count(false, of) };
  });
  return { dataset: source.dataset, path: source.path, recall, precision, f1: f1(recall, precision), by_source };
}

/** Each attack at the start, in the middle and at the end of each harmless context of the same kind. */
function spliced(corpus: Corpus, attacks: Source, benign: readonly Source[], subject: Subject): SplicedRow[] {
  const kind = attacks.path.includes('code') ? 'code' : 'email';
  const contexts = benign.filter(({ dataset, path }) => dataset === attacks.dataset && path.includes(kind));
  const places = contexts.flatMap((source) => corpus.texts(source).flatMap(splices));
  if (places.length === 0) return [];
  const seen = [...corpus.categories(attacks)].flatMap(([category, texts]) =>
    texts.flatMap((attack) =>
      places.map(({ position, before, after }) => {
        const span = { start: before.length, end: before.length + attack.length };
        return { category, position, found: isFound(subject, before + attack + after, span) };
      }),
    ),
  );
  const of = (some: typeof seen): Share => share(some.filter(({ found }) => found).length, some.length);
  const by = (what: 'category' | 'position'): Record<string, Share> => {
    const names = [...new Set(seen.map((one) => one[what]))];
    return Object.fromEntries(names.map((name) => [name, of(seen.filter((one) => one[what] === name))]));
  };
  return [
    {
      attacks: attacks.path,
      contexts: contexts.map(({ path }) => path).join(', '),
      all: of(seen),
      by_position: by('position'),
      by_category: by('category'),
    },
  ];
}

function splices(text: string): { position: string; before: string; after: string }[] {
  const space = text.indexOf(' ', Math.floor(text.length / 2));
  const middle = space < 0 ? text.length : space;
  return [
    { position: 'start', before: '', after: `\n${text}` },
    { position: 'middle', before: `${text.slice(0, middle)}\n`, after: `\n${text.slice(middle)}` },
    { position: 'end', before: `${text}\n`, after: '' },
  ];
}

const isFound = (subject: Subject, text: string, span: Span): boolean =>
  subject(text).some((finding) => instructs(finding) && overlaps(finding, span));
