import type { Outcome } from '../../packages/gateway/src/inspection/types.ts';
import { type Corpus, textOf } from './corpus.ts';
import { type InjectionReport, measureInjection } from './injection.ts';
import { type LatencyRow, measureLatency } from './latency.ts';
import { type LogsReport, measureLogs } from './mcp-logs.ts';
import { measurePersonal, type PersonalReport } from './personal.ts';
import { measureSecrets, type SecretsReport } from './secrets.ts';
import { type Share, share } from './shares.ts';
import type { Subject } from './subject.ts';

export interface DetectionReport {
  /** The corpus by its directory's last two names, and what its index counts. */
  part: string;
  secrets: SecretsReport;
  personal: PersonalReport;
  injection: InjectionReport;
  mcp_logs: LogsReport;
  /** Harmless texts that an agent gets as they were, by file. */
  utility: { path: string; unchanged: Share }[];
  latency: LatencyRow[];
}

export type OutcomeOf = Readonly<Record<string, Outcome>>;

export function measureDetection(corpus: Corpus, subject: Subject, outcomes: OutcomeOf, part: string): DetectionReport {
  return {
    part,
    secrets: measureSecrets(corpus, subject),
    personal: measurePersonal(corpus, subject),
    injection: measureInjection(corpus, subject),
    mcp_logs: measureLogs(corpus, subject),
    utility: measureUtility(corpus, subject, outcomes),
    latency: measureLatency(corpus, subject),
  };
}

/** Of harmless texts: those in which nothing is found that is taken out or held back (DET-09). */
function measureUtility(corpus: Corpus, subject: Subject, outcomes: OutcomeOf): DetectionReport['utility'] {
  const benign = corpus.of('injection').filter(({ label }) => label?.startsWith('all benign') === true);
  return benign.map((source) => {
    const texts = corpus.rows(source).map((row) => textOf(source, row));
    const changes = (text: string): boolean =>
      subject(text).some(({ kind }) => outcomes[kind] !== 'flag' && outcomes[kind] !== 'off');
    return { path: source.path, unchanged: share(texts.filter((text) => !changes(text)).length, texts.length) };
  });
}
