import { isObject, type JsonValue } from '@cmcp/evidence';

/** What a redaction sees of one value of an answer: whether it takes it, and if not, what it sees of what is inside. */
export interface Sight {
  readonly takes: boolean;
  member(name: string): Sight;
  item(index: number): Sight;
}

const REDACTED = '[redacted]';

/** The value without what any of the redactions takes, each counted. The same names and the same number of items stay. */
export function apply(value: JsonValue, sights: readonly Sight[], removed: { fields: number }): JsonValue {
  if (sights.some(({ takes }) => takes)) {
    removed.fields += 1;
    // A text stays a text. Nothing else has a value of its type that could not be taken for a true one.
    return typeof value === 'string' ? REDACTED : null;
  }
  const inside = (part: JsonValue, see: (sight: Sight) => Sight): JsonValue => apply(part, sights.map(see), removed);
  if (Array.isArray(value)) return value.map((item, index) => inside(item, (sight) => sight.item(index)));
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, item]) => [name, inside(item, (sight) => sight.member(name))]),
  );
}
