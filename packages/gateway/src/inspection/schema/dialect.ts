import { type JsonObject, member } from '@cmcp/evidence';
import type { Where } from '../../catalog/fields.ts';

export type Dialect = '2020-12' | 'draft-07';

const DIALECTS = new Map<string, Dialect>([
  ['https://json-schema.org/draft/2020-12/schema', '2020-12'],
  ['http://json-schema.org/draft-07/schema', 'draft-07'],
  ['https://json-schema.org/draft-07/schema', 'draft-07'],
]);

/** Which JSON Schema a schema is written in: 2020-12 where it does not say (MCP26-34). @throws for any other that it names */
export function dialectOf(schema: JsonObject, place: Where): Dialect {
  const named = member(schema, '$schema');
  if (named === undefined) return '2020-12';
  const dialect = typeof named === 'string' ? DIALECTS.get(named.replace(/#$/, '')) : undefined;
  if (dialect !== undefined) return dialect;
  throw place.at('$schema').refuse(`is not supported; write the schema in one of ${[...DIALECTS.keys()].join(', ')}`);
}
