import { isObject, type JsonValue, member } from '@cmcp/evidence';
import type { Where } from '../../catalog/fields.ts';
import type { Ranks } from '../../policy/sensitivity.ts';
import type { References } from './references.ts';
import { at } from './survey.ts';

/** The keyword by which a schema says how sensitive a value is: a label, or a list of them. */
export const LABEL = 'x-sensitivity';

/** Each label of a schema, whatever it is. */
export function labelsOf(schema: JsonValue): readonly JsonValue[] {
  const given = isObject(schema) ? member(schema, LABEL) : undefined;
  if (given === undefined) return [];
  return Array.isArray(given) ? given : [given];
}

/** @throws GatewayError of the place, for a label that is not in the vocabulary: it must never rank as public (D-27) */
export function checkLabels({ schemas }: References, ranks: Ranks, place: Where): void {
  for (const [pointer, schema] of schemas) {
    for (const label of labelsOf(schema)) {
      if (typeof label === 'string' && ranks.has(label)) continue;
      const where = at(place, pointer).at(LABEL);
      if (typeof label !== 'string') throw where.refuse('must be a sensitivity label, or a list of them');
      const known = [...ranks.keys()].join(', ');
      throw where.refuse(
        `"${label}" is not a known sensitivity; use one of ${known}, or add it to "vocabulary" in the config`,
      );
    }
  }
}
