import type { Finding } from '@cmcp/gateway';
import { EXIT } from './io.ts';

/** What a linter found in `file`, for a person: one block per finding, and how many there are of each severity. */
export function findingsText(file: string, findings: readonly Finding[]): string {
  const blocks = findings.map(
    ({ severity, rule, where, message, fix }) => `${severity}: ${message} [${rule}]\n  at  ${where}\n  fix ${fix}\n`,
  );
  return [...blocks, `${file}: ${count(findings)}\n`].join('\n');
}

/** 1 for errors, and for warnings where they count too. */
export function findingsExit(findings: readonly Finding[], strict: boolean): number {
  const counts = ({ severity }: Finding): boolean => severity === 'error' || (strict && severity === 'warning');
  return findings.some(counts) ? EXIT.refused : EXIT.done;
}

function count(findings: readonly Finding[]): string {
  if (findings.length === 0) return 'nothing found';
  return (['error', 'warning', 'info'] as const)
    .map((severity) => ({ severity, times: findings.filter((finding) => finding.severity === severity).length }))
    .filter(({ times }) => times > 0)
    .map(({ severity, times }) => `${times} ${severity}${times > 1 && severity !== 'info' ? 's' : ''}`)
    .join(', ');
}
