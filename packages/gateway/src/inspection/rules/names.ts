import type { Catalog } from '../../catalog/types.ts';
import { nearest } from '../../config/nearest.ts';

/** The parts of a catalog that settings can be given for. */
export type Named = Pick<Catalog, 'tools' | 'resources' | 'prompts'>;

/** What settings can be given for. */
export function namesIn({ tools, resources, prompts }: Named): string[] {
  return [...tools, ...resources, ...prompts].map(({ name }) => name);
}

/** Names the nearest known word, where one is near. */
export function hint(name: string, known: readonly string[]): string {
  const close = nearest(name, known);
  return close === null ? '' : `; the nearest is ${close}`;
}
