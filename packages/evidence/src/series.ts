import { type Finding, failed, informative, notChecked, proven } from './finding.ts';
import type { Check, Report } from './report.ts';

/** A report and the name of the file that it is about. */
export interface NamedReport {
  file: string;
  report: Report;
}

/** A claim's place in the row of claims of its store. */
type Place = NonNullable<Report['claim']> & { file: string };

/**
 * How the claims of several files fit together: each names its predecessor by hash and number (wire-formats section 8). A claim
 * that appears twice, a fork and a link that does not fit fail; a gap is reported, because a file may not have been handed over.
 */
export function seriesChecks(reports: readonly NamedReport[]): Check[] {
  if (reports.length < 2) return [];
  const places = reports.flatMap(({ file, report: { claim } }): Place[] =>
    claim === null ? [] : [{ file, ...claim }],
  );
  return [
    informative('series.once', 'Is every claim given once?', once(places)),
    informative('series.forks', 'Has every claim one successor at most?', forks(places)),
    informative('series.links', 'Do the claims follow each other?', links(places)),
  ];
}

/** The same claim twice is one session passed off as two; two claims of one session are two accounts of it. */
function once(places: readonly Place[]): Finding {
  const twice = pair(places, (a, b) => a.digest === b.digest);
  if (twice !== null) return failed(`${twice} hold the same claim`);
  const accounts = pair(places, (a, b) => a.session_id === b.session_id);
  return accounts === null
    ? proven('no claim and no session appears twice')
    : failed(`${accounts} are about one session`);
}

function forks(places: readonly Place[]): Finding {
  const fork = pair(places, (a, b) => a.previous !== null && a.previous === b.previous);
  if (fork !== null) return failed(`${fork} name the same predecessor: one of them is not of this row`);
  // A process numbers its claims without a repeat; other processes may use the same numbers.
  const number = pair(places, (a, b) => a.key === b.key && a.number === b.number);
  return number === null
    ? proven('no two claims name the same predecessor, and no key signed two of one number')
    : failed(`${number} have one number, and one key signed both`);
}

function links(places: readonly Place[]): Finding {
  const gaps: string[] = [];
  for (const place of places) {
    if (place.previous === null) continue;
    const before = places.find(({ digest }) => digest === place.previous);
    if (before === undefined) gaps.push(`the predecessor of claim ${place.number} (${place.file})`);
    else if (before.number !== place.number - 1) {
      return failed(
        `${place.file} is claim ${place.number} and follows ${before.file}, which is claim ${before.number}`,
      );
    }
  }
  const firsts = places.filter(({ previous }) => previous === null).map(({ file }) => file);
  if (firsts.length > 1)
    gaps.push(`what comes between rows, since each of these is the first of one: ${firsts.join(', ')}`);
  if (gaps.length > 0) return notChecked(`not among the files: ${gaps.join(', ')}`);
  return proven('each claim follows one of the others, or is the first of its store');
}

/** The first two places that are `alike`, by the names of their files. */
function pair(places: readonly Place[], alike: (a: Place, b: Place) => boolean): string | null {
  for (const [i, a] of places.entries()) {
    const b = places.slice(i + 1).find((other) => alike(a, other));
    if (b !== undefined) return `${a.file} and ${b.file}`;
  }
  return null;
}
