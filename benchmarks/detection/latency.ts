import { median, percentile, round } from '../parts/statistics.ts';
import { type Corpus, type Source, textOf } from './corpus.ts';
import type { Subject } from './subject.ts';

export interface LatencyRow {
  dataset: string;
  path: string;
  texts: number;
  bytes: number;
  /** Of one text, in microseconds. */
  median_us: number;
  p99_us: number;
  /** All of the file, by the kilobyte. */
  us_per_kb: number;
}

const ROUNDS = 3;

/** What inspecting each text of a corpus adds, after a round that nobody times. */
export function measureLatency(corpus: Corpus, subject: Subject): LatencyRow[] {
  return corpus.sources.filter(isMeasured).map((source) => {
    const texts = source.text === undefined ? [...corpus.categories(source).values()].flat() : rowsOf(corpus, source);
    for (const text of texts) subject(text);
    const times = texts.flatMap((text) => Array.from({ length: ROUNDS }, () => timed(subject, text)));
    const bytes = texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0);
    return {
      dataset: source.dataset,
      path: source.path,
      texts: texts.length,
      bytes,
      median_us: round(median(times), 1),
      p99_us: round(percentile(times, 0.99), 1),
      us_per_kb: round(times.reduce((sum, time) => sum + time, 0) / ROUNDS / (bytes / 1024), 1),
    };
  });
}

const isMeasured = ({ task }: Source): boolean => task === 'injection' || task === 'pii' || task === 'secrets';

const rowsOf = (corpus: Corpus, source: Source): string[] => corpus.rows(source).map((row) => textOf(source, row));

function timed(subject: Subject, text: string): number {
  const begun = process.hrtime.bigint();
  subject(text);
  return Number(process.hrtime.bigint() - begun) / 1_000;
}
