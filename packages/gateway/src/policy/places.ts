import type { BundlePolicy } from './parse.ts';
import type { BundleText } from './text.ts';

/** The 1-based line on which each policy begins, by id. */
export function linesOf(files: readonly BundleText[], policies: readonly BundlePolicy[]): ReadonlyMap<string, number> {
  return new Map(
    files.flatMap(({ path, text }) => {
      let from = 0;
      return policies
        .filter((policy) => policy.path === path)
        .map((policy): [string, number] => {
          // Cedar hands policies back as written, so each is found at or after the end of the one before.
          const start = Math.max(from, text.indexOf(policy.text, from));
          from = start + policy.text.length;
          return [policy.id, text.slice(0, start).split('\n').length];
        });
    }),
  );
}
