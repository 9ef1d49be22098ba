import { lookalikeKeys } from '../../../catalog/names.ts';
import { nearest } from '../../../config/nearest.ts';
import { plainText } from './plain-text.ts';

/** How a name can be taken for another: by the eye, or by fingers that slip. */
export type Likeness = 'looks alike' | 'one letter off' | 'two letters off';

/** Names shorter than these are near to too many others. */
const ONE_OFF_FROM = 5;
const TWO_OFF_FROM = 9;

/** The known name that `name` could be taken for; null where it is itself known, or like none. */
export function likeKnown(name: string, known: readonly string[]): { known: string; likeness: Likeness } | null {
  if (known.includes(name)) return null;
  const shape = shapeOf(name);
  const twin = known.find((other) => shapeOf(other) === shape);
  if (twin !== undefined) return { known: twin, likeness: 'looks alike' };
  const near = nearest(name, known, 2);
  if (near === null) return null;
  const off = nearest(name, [near], 1) === null ? 2 : 1;
  const part = differingPart(near, name);
  if (off === 1 && part.length >= ONE_OFF_FROM) return { known: near, likeness: 'one letter off' };
  return off === 2 && part.length >= TWO_OFF_FROM ? { known: near, likeness: 'two letters off' } : null;
}

/** Separators aside, and look-alike letters as one (D-14). */
export function shapeOf(name: string): string {
  const [, shape = ''] = lookalikeKeys(plainText(name));
  return shape.replaceAll(/[^\p{L}\p{N}@/]/gu, '');
}

/** The one part in which the known name differs: `git` and `gist` in long names differ as much as they do alone. */
function differingPart(known: string, name: string): string {
  const parts = known.split(/[-_./@]/);
  const others = name.split(/[-_./@]/);
  if (parts.length !== others.length) return known;
  const different = parts.filter((part, index) => part !== others[index]);
  return different.length === 1 ? (different[0] ?? '') : different.join('');
}
