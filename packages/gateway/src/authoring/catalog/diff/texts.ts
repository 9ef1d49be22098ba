import { isObject, type JsonValue } from '@cmcp/evidence';
import { Place } from '../../../catalog/fields.ts';

/** A string in a value, or the name of a member, with its JSON pointer. */
export interface TextAt {
  text: string;
  path: string;
}

/** Every text in a value that a model or a client could read. */
export function textsIn(value: JsonValue, at: Place = new Place('')): TextAt[] {
  if (typeof value === 'string') return [{ text: value, path: at.pointer }];
  if (Array.isArray(value)) return value.flatMap((item, index) => textsIn(item, at.at(index)));
  if (!isObject(value)) return [];
  return Object.entries(value).flatMap(([key, item]) => {
    const place = at.at(key);
    return [{ text: key, path: place.pointer }, ...textsIn(item, place)];
  });
}
