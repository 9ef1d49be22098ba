import { canonicalSorted, isObject, type JsonValue, member } from '@cmcp/evidence';
import { Place } from '../../../catalog/fields.ts';

/** One value that is not what it was. Absent: there was none, or there is none any more. */
export interface Part {
  /** JSON pointer in what is compared. */
  path: string;
  before?: JsonValue;
  after?: JsonValue;
}

/** Where two values differ, value by value: objects and lists are gone into, so that nobody has to compare JSON by eye. */
export function differences(
  before: JsonValue | undefined,
  after: JsonValue | undefined,
  at: Place = new Place(''),
): Part[] {
  if (before !== undefined && after !== undefined && canonicalSorted(before) === canonicalSorted(after)) return [];
  const sides = [before, after].filter((side) => side !== undefined);
  if (sides.every(isList)) return inLists(listOf(before), listOf(after), at);
  if (sides.every(isObject) && sides.some(isFull)) return inObjects(before, after, at);
  // Of another sort than it was: all that was is gone, and all that is is new.
  if (sides.length === 2 && sides.some((side) => isList(side) || isFull(side)))
    return [...differences(before, undefined, at), ...differences(undefined, after, at)];
  return [part(at, before, after)];
}

function inObjects(before: JsonValue | undefined, after: JsonValue | undefined, at: Place): Part[] {
  const [old, now] = [isObject(before) ? before : {}, isObject(after) ? after : {}];
  const keys = [...new Set([...Object.keys(old), ...Object.keys(now)])].sort();
  return keys.flatMap((key) => differences(member(old, key), member(now, key), at.at(key)));
}

function inLists(before: JsonValue[], after: JsonValue[], at: Place): Part[] {
  if (before.length === 0 && after.length === 0) return [part(at, undefined, [])];
  if (![...before, ...after].every(isScalar)) {
    const length = Math.max(before.length, after.length);
    return Array.from({ length }, (_, index) => differences(before[index], after[index], at.at(index))).flat();
  }
  // Values without order of their own, such as `required` and `enum`: which came and which went.
  const [old, now] = [new Set(before.map(canonicalSorted)), new Set(after.map(canonicalSorted))];
  const gone = before.filter((value) => !now.has(canonicalSorted(value)));
  const come = after.filter((value) => !old.has(canonicalSorted(value)));
  if (gone.length === 0 && come.length === 0) return [part(at, before, after)];
  return [...gone.map((value) => part(at, value, undefined)), ...come.map((value) => part(at, undefined, value))];
}

function part({ pointer }: Place, before: JsonValue | undefined, after: JsonValue | undefined): Part {
  return { path: pointer, ...(before === undefined ? {} : { before }), ...(after === undefined ? {} : { after }) };
}

function isList(value: JsonValue): boolean {
  return Array.isArray(value);
}

function listOf(value: JsonValue | undefined): JsonValue[] {
  return Array.isArray(value) ? value : [];
}

/** An object that can be gone into. */
function isFull(value: JsonValue): boolean {
  return isObject(value) && Object.keys(value).length > 0;
}

function isScalar(value: JsonValue): boolean {
  return !Array.isArray(value) && !isObject(value);
}
