import { printable, type SessionCaller } from '@cmcp/evidence';
import { table } from './table.ts';

/** Who called in a session, for a person. */
export function callersText(callers: readonly SessionCaller[]): string[] {
  const rows = callers.map(({ caller, source, on_behalf_of, workflow, workflow_source, requests }) =>
    [
      caller,
      source,
      on_behalf_of ?? '-',
      workflow === null ? '-' : `${workflow} (${workflow_source})`,
      String(requests),
    ].map(printable),
  );
  const lines = table(['caller', 'known by', 'for', 'workflow', 'requests'], rows).split('\n');
  return ['', '  WHO CALLED, as the entries say', ...lines.map((line) => `    ${line}`)];
}
