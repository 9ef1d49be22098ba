import type { Check } from '@cmcp/evidence';
import type { ExaminedSession } from '../verification/examine.ts';
import { standingOf } from '../verification/standing.ts';
import { CheckList } from './check-list.tsx';
import { Given } from './text.tsx';

interface Props {
  sessions: readonly ExaminedSession[];
  /** How they fit together. */
  series: readonly Check[];
  chosen: number;
  onChoose(index: number): void;
}

/** Several sessions, each with its verdict; one of them is shown below. */
export function SessionsView({ sessions, series, chosen, onChoose }: Props) {
  const verified = sessions.filter(({ report }) => report.verdict === 'verified').length;
  return (
    <nav class="sessions" aria-labelledby="sessions-title">
      <h2 id="sessions-title">
        {verified} of {sessions.length} sessions have everything proven that you required
      </h2>
      <ul>
        {sessions.map(({ id, name, report }, i) => (
          <li key={id}>
            <button
              type="button"
              aria-current={i === chosen}
              data-tone={standingOf(report).tone}
              onClick={() => onChoose(i)}
            >
              <Given text={name} />
              <span class="sessions-verdict">{standingOf(report).word}</span>
            </button>
          </li>
        ))}
      </ul>
      <h3>These files together</h3>
      <CheckList checks={series} />
    </nav>
  );
}
