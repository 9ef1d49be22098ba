import type { Outcome, Report } from '@cmcp/evidence';
import { countsOf, standingOf } from '../verification/standing.ts';
import type { Step } from '../verification/steps.ts';
import { wayToField } from './expectations-form.tsx';
import { OutcomeIcon } from './outcome.tsx';
import { Given } from './text.tsx';

/** The verdict, large, and what it rests on. */
export function VerdictView({ report, name, steps }: { report: Report; name: string; steps: readonly Step[] }) {
  const { tone, word } = standingOf(report);
  return (
    <section class="verdict" data-verdict={report.verdict} data-tone={tone} aria-labelledby="verdict-title">
      <p class="quiet">
        <Given text={name} />
      </p>
      <h2 id="verdict-title">{word}</h2>
      <p class="summary">
        <Given text={report.summary} />
      </p>
      <p>{stepsSentence(steps)}</p>
      <Counts counts={countsOf(report)} />
      {report.relaxations.length > 0 && (
        <p class="relaxed">
          Relaxed by you:{' '}
          {report.relaxations.map((flag) => (
            <code key={flag}>{flag}</code>
          ))}
        </p>
      )}
      <Lacking flags={report.lacking} />
      {report.session_id !== null && (
        <p class="quiet">
          Session{' '}
          <code>
            <Given text={report.session_id} />
          </code>
        </p>
      )}
    </section>
  );
}

/** Which of the three questions are answered, in one sentence. */
function stepsSentence(steps: readonly Step[]): string {
  const titles = (proven: boolean): string =>
    steps
      .filter(({ outcome }) => (outcome === 'proven') === proven)
      .map(({ title }) => title.charAt(0).toLowerCase() + title.slice(1))
      .join('; ');
  const [shown, open] = [titles(true), titles(false)];
  if (open === '') return `Proven: ${shown}.`;
  return shown === '' ? `Not proven: ${open}.` : `Proven: ${shown}. Not proven: ${open}.`;
}

function Counts({ counts }: { counts: Record<Outcome, number> }) {
  const order: Outcome[] = ['proven', 'asserted', 'not checked', 'failed'];
  return (
    <ul class="counts" aria-label="Checks by outcome">
      {order.map((outcome) => (
        <li key={outcome} data-outcome={outcome}>
          <OutcomeIcon outcome={outcome} /> {counts[outcome]} {outcome}
        </li>
      ))}
    </ul>
  );
}

/** What is missing, each leading to the field where it goes. */
function Lacking({ flags }: { flags: readonly string[] }) {
  if (flags.length === 0) return null;
  return (
    <div class="lacking">
      <p>Lacking, to be verified:</p>
      <ul>
        {flags.map((flag) => (
          <li key={flag}>
            <LackingFlag flag={flag} />
          </li>
        ))}
      </ul>
    </div>
  );
}

function LackingFlag({ flag }: { flag: string }) {
  const way = wayToField(flag);
  if (way === null) return <Given text={flag} />;
  return (
    <button type="button" class="small" onClick={way}>
      <Given text={flag} />
    </button>
  );
}
