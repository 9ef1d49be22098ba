import type { Check } from '@cmcp/evidence';
import { OutcomeWord } from './outcome.tsx';
import { Given } from './text.tsx';

/** Checks one under the other: question, answer, and what would prove it. */
export function CheckList({ checks }: { checks: readonly Check[] }) {
  if (checks.length === 0) return <p class="quiet">No check is about this.</p>;
  return (
    <ul class="check-list">
      {checks.map((check, i) => (
        // By place: an id may come twice, such as those of two quotes.
        <li key={i}>
          <OutcomeWord outcome={check.outcome} />
          <div>
            <p class="question">
              <Given text={check.title} />
            </p>
            <p>
              <Given text={check.detail} />
              {check.against !== null && (
                <span class="quiet">
                  {' '}
                  — against <Given text={check.against} />
                </span>
              )}
            </p>
            {check.evidence !== undefined && check.evidence.length > 0 && (
              <p class="quiet">
                Rests on{' '}
                {check.evidence.map((part) => (
                  <code key={part} class="part">
                    {part}
                  </code>
                ))}
              </p>
            )}
            {check.remedy !== undefined && (
              <p class="quiet">
                To prove it: <Given text={check.remedy} />
              </p>
            )}
          </div>
        </li>
      ))}
    </ul>
  );
}
