import type { Check, Outcome } from '@cmcp/evidence';
import { OutcomeWord } from './outcome.tsx';
import { Given } from './text.tsx';

/** What needs attention comes first. */
const ORDER: readonly Outcome[] = ['failed', 'asserted', 'not checked', 'proven'];

/** Every check of the report, by outcome, each with what it was checked against (UX-01); also those that this page knows nothing about. */
export function ChecksTable({ checks }: { checks: readonly Check[] }) {
  return (
    <div class="table-frame">
      <table aria-labelledby="checks-title">
        <thead>
          <tr>
            <th scope="col">Outcome</th>
            <th scope="col">Question</th>
            <th scope="col">Found</th>
          </tr>
        </thead>
        {ORDER.map((outcome) => (
          <tbody key={outcome}>
            {checks
              .filter((check) => check.outcome === outcome)
              .map((check, i) => (
                // By place: an id may come twice, such as those of two quotes.
                <Row key={i} check={check} />
              ))}
          </tbody>
        ))}
      </table>
    </div>
  );
}

function Row({ check }: { check: Check }) {
  const { id, title, outcome, detail, against, remedy, required } = check;
  return (
    <tr data-check={id} data-outcome={outcome}>
      <td>
        <OutcomeWord outcome={outcome} />
        {required && outcome !== 'proven' && <span class="needed">required</span>}
      </td>
      <th scope="row">
        <Given text={title} />
        <code class="check-id">
          <Given text={id} />
        </code>
      </th>
      <td>
        <Given text={detail} />
        {against !== null && (
          <span class="aside">
            Against: <Given text={against} />
          </span>
        )}
        {remedy !== undefined && (
          <span class="aside">
            To prove it: <Given text={remedy} />
          </span>
        )}
      </td>
    </tr>
  );
}
