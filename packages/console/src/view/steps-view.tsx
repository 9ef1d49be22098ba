import type { Step } from '../verification/steps.ts';
import { CheckList } from './check-list.tsx';
import { OutcomeIcon } from './outcome.tsx';

/** The three questions, each opening to the checks that answer it (UX-03). */
export function StepsView({ steps }: { steps: readonly Step[] }) {
  return (
    <ol class="steps">
      {steps.map((step) => (
        <li key={step.title} data-outcome={step.outcome}>
          <details>
            <summary>
              <OutcomeIcon outcome={step.outcome} />
              <span>
                <strong>{step.title}</strong>
                <span class="outcome-word">{step.outcome}</span>
                <span class="says">{step.says}</span>
              </span>
            </summary>
            <CheckList checks={step.checks} />
          </details>
        </li>
      ))}
    </ol>
  );
}
