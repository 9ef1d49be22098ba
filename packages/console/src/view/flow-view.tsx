import type { CarryingCall, Crossing, SessionFlow } from '@cmcp/evidence';
import { Given } from './text.tsx';

/** Where the values of a session went: what calls carried, and the crossings between domains, each with how it is known. */
export function FlowView({ flow }: { flow: SessionFlow }) {
  return (
    <>
      {flow.carrying.length > 0 && (
        <Rows
          name="Calls that carried values of earlier answers"
          head={['Entry', 'Call of', 'Carried values from', 'Class', 'All known', 'Decision']}
          rows={flow.carrying.map(carryingRow)}
        />
      )}
      {flow.more > 0 && <p class="quiet">And {flow.more} more.</p>}
      {flow.crossings.length > 0 && (
        <Rows
          name="Crossings between domains"
          head={['Entry', 'Call of', 'From', 'To', 'Basis', 'Decision']}
          rows={flow.crossings.map(crossingRow)}
        />
      )}
      <p class="quiet">
        Observed: the call carried a value that an answer from the other domain gave. Temporal: the call came next after
        one to a sensitive domain; that is order, and no evidence that data moved. That nothing is observed is no
        evidence that nothing moved.
      </p>
    </>
  );
}

function carryingRow({ sequence_number, tool_name, sources, max_sensitivity, complete, decision }: CarryingCall) {
  return [
    `${sequence_number}`,
    tool_name ?? '',
    sources.join(', '),
    max_sensitivity,
    complete ? 'yes' : 'no',
    decision,
  ];
}

function crossingRow({ sequence_number, tool_name, from_domain, to_domain, basis, decision, count }: Crossing) {
  const more = typeof count === 'number' && count > 1 ? ` and ${count - 1} more` : '';
  return [`${sequence_number}${more}`, tool_name, from_domain, to_domain, basis, decision];
}

function Rows({ name, head, rows }: { name: string; head: readonly string[]; rows: readonly string[][] }) {
  return (
    <div class="table-frame flows">
      <table aria-label={name}>
        <thead>
          <tr>
            {head.map((title) => (
              <th key={title} scope="col">
                {title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row, i) => (
            // By place: a call may have several rows.
            <tr key={i}>
              {row.map((cell, at) => (
                <td key={at}>
                  <Given text={cell} />
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
