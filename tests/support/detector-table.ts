import type { ValueKind, ValueRule } from '../../packages/gateway/src/inspection/detectors/rule.ts';
import { VALUE_RULES } from '../../packages/gateway/src/inspection/detectors/rules.ts';

const KINDS: readonly ValueKind[] = ['secret', 'payment', 'personal', 'health'];

/** The rules as a table of Markdown, for docs/inspection.md: each id once, with what its first form finds. */
export function valueTable(): string {
  const lines = KINDS.flatMap((kind) =>
    firstForms(kind).map(({ id, what }) => `| \`${kind}\` | \`${id}\` | ${what} |`),
  );
  return ['| Kind | Rule | What |', '|---|---|---|', ...lines].join('\n');
}

function firstForms(kind: ValueKind): readonly ValueRule[] {
  const ofKind = VALUE_RULES.filter((rule) => rule.kind === kind);
  return ofKind.filter(({ id }, index) => ofKind.findIndex((other) => other.id === id) === index);
}
