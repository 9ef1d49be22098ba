import { isObject, type JsonValue } from '@cmcp/evidence';
import { labelsOf } from './labels.ts';
import type { SchemaView } from './schema-view.ts';
import type { Structure } from './structure.ts';

/** A sensitivity label that the approved schema gives to something in a value. */
export interface LabelledPlace {
  label: string;
  /** Where it is met first: names of members and numbers of items, from the value's root. */
  path: readonly (string | number)[];
  /** How many places it has in all. */
  count: number;
}

/** The labels of what is there in `value`, each once. Of alternatives in a schema every one counts. */
export function classesIn({ view }: Structure, value: JsonValue): LabelledPlace[] {
  const found = new Map<string, LabelledPlace>();
  collect(value, view, [], found);
  return [...found.values()];
}

function collect(
  value: JsonValue,
  view: SchemaView,
  path: LabelledPlace['path'],
  found: Map<string, LabelledPlace>,
): void {
  if (view.schemas.length === 0) return;
  for (const label of new Set(view.schemas.flatMap(labelsOf))) {
    // The catalog was loaded with known labels only.
    if (typeof label !== 'string') continue;
    const { count, path: first } = found.get(label) ?? { count: 0, path };
    found.set(label, { label, path: first, count: count + 1 });
  }
  if (Array.isArray(value))
    for (const [index, item] of value.entries()) collect(item, view.item(index), [...path, index], found);
  else if (isObject(value))
    for (const [name, item] of Object.entries(value)) collect(item, view.member(name), [...path, name], found);
}
