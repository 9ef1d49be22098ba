import { type ErrorCode, GatewayError } from '../errors.ts';
import type { Problem } from './tree.ts';

const MAX_PROBLEMS_SHOWN = 30;

/** The error for everything that is wrong with a YAML file, in the order of its lines. */
export function problemsError(code: ErrorCode, file: string, problems: readonly Problem[]): GatewayError {
  const line = (problem: Problem): number => problem.at?.line ?? 0;
  const sorted = problems.toSorted((a, b) => line(a) - line(b));
  const shown = sorted.slice(0, MAX_PROBLEMS_SHOWN).map(({ at, path, message }) => {
    const place = at === null ? file : `${file}:${at.line}:${at.column}`;
    return path === '' ? `${place}: ${message}` : `${place}: ${path}: ${message}`;
  });
  const hidden = sorted.length - shown.length;
  if (hidden > 0) shown.push(`and ${hidden} more`);
  return new GatewayError(code, shown.join('\n'));
}
