import { type Crossing, printable, type SessionFlow } from '@cmcp/evidence';
import { table } from './table.ts';

/** Where the values of a session went, for a person: what calls carried, and the crossings between domains. */
export function flowText({ carrying, more, crossings }: SessionFlow): string[] {
  const carried = carrying.map(({ sequence_number, tool_name, sources, max_sensitivity, complete, decision }) =>
    [
      String(sequence_number),
      tool_name ?? '',
      sources.join(', '),
      max_sensitivity,
      complete ? 'yes' : 'no',
      decision,
    ].map(printable),
  );
  return [
    '',
    '  WHERE VALUES WENT, as the entries say',
    ...(carried.length === 0 ? [] : indented(table(CARRIED, carried))),
    ...(more === 0 ? [] : [`    and ${more} more`]),
    ...(crossings.length === 0 ? [] : ['', ...indented(table(CROSSED, crossings.map(crossingRow))), '', ...LEGEND]),
  ];
}

const CARRIED = ['entry', 'call of', 'carried values from', 'class', 'all known', 'decision'];
const CROSSED = ['entry', 'call of', 'from', 'to', 'basis', 'decision'];

const LEGEND = [
  '    observed: the call carried a value that an answer from the other domain gave.',
  '    temporal: the call came next after one to a sensitive domain; that is order, and no evidence that data moved.',
  '    That nothing is observed is no evidence that nothing moved: values may be changed beyond recognition.',
];

function crossingRow({
  sequence_number,
  tool_name,
  from_domain,
  to_domain,
  basis,
  decision,
  count,
}: Crossing): string[] {
  const number = typeof count === 'number' ? `${sequence_number} and ${count - 1} more` : String(sequence_number);
  return [number, tool_name, from_domain, to_domain, basis, decision].map(printable);
}

const indented = (text: string): string[] => text.split('\n').map((line) => `    ${line}`);
