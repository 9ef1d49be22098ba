import type { RecordShape, Shape } from '../../../policy/shape.ts';

/** Whether a schema declares the attribute at `path` inside a record. */
export function declares(shape: RecordShape | undefined, path: readonly string[]): boolean {
  let at: Shape | undefined = shape;
  for (const name of path) at = at?.kind === 'record' ? at.attributes.get(name)?.shape : undefined;
  return at !== undefined;
}
