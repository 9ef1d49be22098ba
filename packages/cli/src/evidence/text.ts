import { type EvidenceCheck, type EvidenceVerdict, printable, type TrustedRoot } from '@cmcp/evidence';
import { checkLines, type Paint, painter } from '../report-text.ts';
import { table } from '../table.ts';
import type { CaseResult } from './cases.ts';

const SOURCE: Record<TrustedRoot['source'], string> = {
  vendor: 'a root of the vendor, pinned by this program',
  operator: 'a root that you named',
  test: 'a TEST root: this evidence proves nothing about hardware',
  key: 'a key that you pinned; it is as good as your reason to pin it',
};

/** UX-09: what no vendor vouches for does not have the words of what one does. */
const UNDER: Record<TrustedRoot['source'], string> = {
  vendor: '',
  operator: ' UNDER YOUR ROOT',
  test: ' UNDER A TEST ROOT',
  key: ' WITH YOUR PINNED KEY',
};

const ASSURANCE: Record<TrustedRoot['assurance'], string> = {
  silicon: '',
  'cloud-vtpm': '; a virtual TPM of the cloud provider: the word of the provider, not of a chip',
  'software-tpm': '; a software TPM: nothing vouches for the machine',
  unknown: '',
};

/** A verdict on evidence for a person: the two answers first, then every check under the question that it answers. */
export function evidenceText(verdict: EvidenceVerdict, color: boolean): string {
  const paint = painter(color);
  const { kind, summary, root, checks } = verdict;
  const lines = [`${kind} evidence: ${answer(verdict, paint)}`, `  ${printable(summary)}`];
  if (root !== null) {
    const told = `${SOURCE[root.source]}${ASSURANCE[root.assurance]}`;
    lines.push(`  Root: ${printable(root.name)} (${told})`, `        SHA-256 ${root.fingerprint}`);
  }
  lines.push(
    ...section('IS IT AUTHENTIC? signatures, chain to a pinned root, inner bindings', checks, 'authentic', paint),
  );
  lines.push(...section('IS IT ACCEPTABLE? state, age and freshness, reference values', checks, 'acceptable', paint));
  lines.push(...facts(verdict));
  return `${lines.join('\n')}\n`;
}

function answer({ authentic, acceptable, root }: EvidenceVerdict, paint: Paint): string {
  if (!authentic) return paint('red', 'NOT AUTHENTIC');
  if (acceptable === false) return paint('red', 'AUTHENTIC, NOT ACCEPTABLE');
  if (acceptable === null) return paint('yellow', 'AUTHENTIC, NOT DECIDED WHETHER ACCEPTABLE');
  // UX-09: only what a vendor vouches for has the colour of what a vendor vouches for.
  const vouched = root?.source === 'vendor' && root.assurance !== 'software-tpm';
  return paint(vouched ? 'green' : 'yellow', `AUTHENTIC AND ACCEPTABLE${root === null ? '' : UNDER[root.source]}`);
}

function section(
  title: string,
  checks: readonly EvidenceCheck[],
  about: EvidenceCheck['about'],
  paint: Paint,
): string[] {
  const own = checks.filter((check) => check.about === about);
  return own.length === 0 ? [] : ['', `  ${title}`, ...own.flatMap((check) => checkLines(check, paint))];
}

function facts({ facts: known }: EvidenceVerdict): string[] {
  const names = Object.keys(known).sort();
  if (names.length === 0) return [];
  const width = Math.max(...names.map((name) => name.length));
  const rows = names.map((name) => `    ${name.padEnd(width)}  ${printable(String(known[name]))}`);
  return ['', '  WHAT THE EVIDENCE SAYS', ...rows];
}

/** The results of a manifest as a table, the reasons of those that differ, and the count. */
export function casesText(results: readonly CaseResult[], color: boolean): string {
  const paint = painter(color);
  const said = (value: boolean | null): string => (value === null ? '-' : value ? 'yes' : 'no');
  const pair = (expected: boolean | null, found: boolean | null): string =>
    expected === null || expected === found ? said(found) : `${said(found)} (expected ${said(expected)})`;
  const rows = results.map(({ id, kind, expect, verdict, agrees }) => [
    printable(id),
    kind,
    verdict === null ? 'not run' : pair(expect.authentic, verdict.authentic),
    verdict === null ? 'not run' : pair(expect.acceptable, verdict.acceptable),
    agrees ? 'as expected' : paint('red', 'DIFFERS'),
  ]);
  const differing = results.filter(({ agrees }) => !agrees);
  const reasons = differing.map(
    ({ id, verdict, problem }) => `  ${printable(id)}: ${printable(verdict?.summary ?? problem ?? '')}`,
  );
  const count = `${results.length - differing.length} of ${results.length} cases as expected.`;
  return [
    table(['case', 'kind', 'authentic', 'acceptable', 'result'], rows),
    '',
    ...reasons,
    paint(differing.length === 0 ? 'green' : 'red', count),
    '',
  ].join('\n');
}
