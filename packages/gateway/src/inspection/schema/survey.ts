import { isObject, type JsonObject, type JsonValue, member, stringifyJson } from '@cmcp/evidence';
import type { Where } from '../../catalog/fields.ts';
import { type Dialect, dialectOf } from './dialect.ts';
import { type Pattern, patternOf } from './pattern.ts';
import { References } from './references.ts';
import { closes, isInPlace, subschemas } from './subschemas.ts';

/** Bounds of one schema (MCP26-34): they bound what compiling it costs. */
const MAX_BYTES = 256 * 1024;
const MAX_SUBSCHEMAS = 2000;
const MAX_DEPTH = 64;
/** Schemas that may lead to one another without a step into the value. */
const MAX_CHAIN = 64;

/** What was found out about a schema before it is compiled. */
export interface Survey {
  dialect: Dialect;
  references: References;
  /** Every pattern in it, by its source. */
  patterns: ReadonlyMap<string, Pattern>;
  /** A schema below the topmost closes its object: it forbids members that it does not name. */
  closesWithin: boolean;
}

/** @throws GatewayError of the place, for what is not supported or exceeds a bound */
export function survey(schema: JsonObject, place: Where): Survey {
  const bounded = new Bounds(schema, place);
  const references = new References(schema);
  for (const [pointer, part] of references.schemas)
    if (isObject(part)) checkReferences(part, references, at(place, pointer));
  new Chains(references, place).check();
  return {
    dialect: dialectOf(schema, place),
    references,
    patterns: bounded.patterns,
    closesWithin: bounded.closesWithin,
  };
}

/** The place that a JSON pointer leads to from `place`. */
export function at(place: Where, pointer: string): Where {
  const steps = pointer.split('/').slice(1);
  return steps.reduce((where, step) => where.at(step.replaceAll('~1', '/').replaceAll('~0', '~')), place);
}

/** Walks through a schema once, and refuses what is too large before anything is built of it. */
class Bounds {
  readonly patterns = new Map<string, Pattern>();
  closesWithin = false;
  #count = 0;

  constructor(schema: JsonObject, place: Where) {
    if (Buffer.byteLength(stringifyJson(schema)) > MAX_BYTES)
      throw place.refuse(`must not be larger than ${MAX_BYTES} bytes`);
    this.#schema(schema, place, 0);
  }

  #schema(schema: JsonValue, place: Where, depth: number): void {
    if (typeof schema === 'boolean') return;
    if (!isObject(schema)) throw place.refuse('must be a schema: an object, true or false');
    this.#count += 1;
    if (this.#count > MAX_SUBSCHEMAS) throw place.refuse(`a schema must not hold more than ${MAX_SUBSCHEMAS} schemas`);
    if (depth > MAX_DEPTH) throw place.refuse(`schemas must not nest deeper than ${MAX_DEPTH} levels`);
    refuseProto(schema, place);
    if (depth > 0) this.#inner(schema, place);
    this.#patterns(schema, place);
    const choice = member(schema, 'enum') ?? [];
    if (!Array.isArray(choice)) throw place.at('enum').refuse('must be an array');
    for (const { steps, schema: part } of subschemas(schema)) {
      this.#schema(
        part,
        steps.reduce((where, step) => where.at(step), place),
        depth + 1,
      );
    }
  }

  #inner(schema: JsonObject, place: Where): void {
    for (const key of ['$id', '$schema'].filter((name) => typeof member(schema, name) === 'string')) {
      throw place
        .at(key)
        .refuse('only the topmost schema may have it; a schema within one is found by "$defs" and "$ref"');
    }
    this.closesWithin ||= closes(schema);
  }

  #patterns(schema: JsonObject, place: Where): void {
    const pattern = member(schema, 'pattern');
    if (typeof pattern === 'string') this.#pattern(pattern, place.at('pattern'));
    const named = member(schema, 'patternProperties');
    if (isObject(named))
      for (const name of Object.keys(named)) this.#pattern(name, place.at('patternProperties').at(name));
  }

  #pattern(source: string, place: Where): void {
    const pattern = patternOf(source);
    if (typeof pattern === 'string') throw place.refuse(`the pattern ${pattern}`);
    this.patterns.set(source, pattern);
  }
}

/** What a name in `properties` says of `__proto__` is skipped by the library that checks: then it would go unchecked. */
function refuseProto(schema: JsonObject, place: Where): void {
  for (const key of ['properties', 'patternProperties', 'dependentRequired', 'dependentSchemas', 'dependencies']) {
    const named = member(schema, key);
    if (isObject(named) && Object.hasOwn(named, '__proto__'))
      throw place.at(key).at('__proto__').refuse('cannot be checked');
  }
}

function checkReferences(schema: JsonObject, references: References, place: Where): void {
  if (Object.hasOwn(schema, '$recursiveRef')) throw place.at('$recursiveRef').refuse('is not supported; write "$ref"');
  for (const key of ['$ref', '$dynamicRef']) {
    const reference = member(schema, key);
    if (reference === undefined || references.target(reference) !== null) continue;
    throw place
      .at(key)
      .refuse('leads to no schema within this one, and nothing is fetched; put what it means under "$defs"');
  }
}

/** Finds schemas that lead to one another without a step into the value: checking one would never end. */
class Chains {
  readonly #references: References;
  readonly #place: Where;
  /** Longest chain from a schema on; null while it is looked at. */
  readonly #lengths = new Map<string, number | null>();

  constructor(references: References, place: Where) {
    this.#references = references;
    this.#place = place;
  }

  check(): void {
    for (const pointer of this.#references.schemas.keys()) this.#length(pointer, 0);
  }

  #length(pointer: string, depth: number): number {
    const known = this.#lengths.get(pointer);
    if (known !== undefined && known !== null) return known;
    if (known === null || depth > MAX_CHAIN) {
      throw at(this.#place, pointer).refuse(
        'schemas lead to one another without end; let each "$ref" stand behind a member or an item',
      );
    }
    this.#lengths.set(pointer, null);
    const length = 1 + Math.max(0, ...this.#next(pointer).map((next) => this.#length(next, depth + 1)));
    if (length > MAX_CHAIN) throw at(this.#place, pointer).refuse(`more than ${MAX_CHAIN} schemas lead to one another`);
    this.#lengths.set(pointer, length);
    return length;
  }

  #next(pointer: string): string[] {
    const schema = this.#references.schemas.get(pointer);
    if (!isObject(schema)) return [];
    const targets = ['$ref', '$dynamicRef'].flatMap(
      (key) => this.#references.target(member(schema, key) ?? null) ?? [],
    );
    return [
      ...targets,
      ...subschemas(schema)
        .filter(isInPlace)
        .map((part) => this.#references.within(pointer, part)),
    ];
  }
}
