import { printable } from '@cmcp/evidence';
import type { EntryExplanation } from '@cmcp/gateway';
import { columns } from '../table.ts';
import { explanationLines } from './explain-text.ts';

/** What an entry of an audit chain says, and why, for a person. */
export function entryText(entry: EntryExplanation): string {
  const { bundle, policies, notes, decisions } = entry;
  const facts = columns(
    [
      ['entry', `${entry.sequence}, ${entry.type}, ${entry.time}`],
      ['call', entry.call ?? 'none'],
      ['asked', `${entry.action ?? 'nothing'} ${entry.name ?? ''} by ${entry.agent ?? 'nobody'}`],
      ['decision', `${entry.decision}${entry.rule === null ? '' : `, by ${entry.rule}`}`],
      ['bundle', bundle.same ? `${bundle.configured}, the configured one` : `${bundle.committed ?? 'none'}`],
    ].map((row) => row.map(printable)),
  );
  const blocks = [
    facts,
    ...policies.map(({ id, place, text }) => `${printable(`${id} (${place}):`)}\n${indented(text)}`),
    ...(notes.length === 0 ? [] : [notes.map(printable).join('\n')]),
    ...decisions.map((decision) => {
      const odd = decision.asRecorded ? [] : ['It was recorded otherwise.'];
      return [...explanationLines(decision), ...odd].map(printable).join('\n');
    }),
  ];
  return `${blocks.join('\n\n')}\n`;
}

function indented(text: string): string {
  return text
    .trim()
    .split('\n')
    .map((line) => `  ${printable(line)}`)
    .join('\n');
}
