import { createRequire } from 'node:module';
import type { JsonObject, JsonValue } from '@cmcp/evidence';
import type { Ajv, CodeKeywordDefinition, KeywordCxt, Options, ValidateFunction } from 'ajv';
import type { Where } from '../../catalog/fields.ts';
import { boundedKeywords, type Charge, TooMuch } from './bounded-keywords.ts';
import type { Dialect } from './dialect.ts';
import { patternOf } from './pattern.ts';
import { EFFORT, type Effort, OWN, plainSchema, plainValue } from './plain.ts';
import { at, type Survey } from './survey.ts';

/** Steps that checking one answer may take. An answer of 2 MiB takes some 500,000 with usual schemas. */
const MAX_STEPS = 10_000_000;

/** Where in the schema, or in the one that a reference led to, the value does not fit; null: it fits. */
export type Check = (value: JsonValue) => string | null;

/** What counts as too much to check. It stands where the place in the schema would. */
const TOO_MUCH = 'the answer takes more steps to check than are allowed';

const require = createRequire(import.meta.url);

/** Compiles schemas, with one library instance for each dialect. Checking is bounded in steps, whatever schema and value are. */
export class Validators {
  readonly #libraries = new Map<Dialect, Ajv>();
  #stepsLeft = 0;

  /** @throws GatewayError of the place, for a schema that says what the dialect does not allow */
  compile(schema: JsonObject, { dialect, references }: Survey, place: Where): Check {
    this.#stepsLeft = MAX_STEPS;
    const library = this.#library(dialect);
    // With an id, references to the schema itself are found.
    const plain = { $id: 'urn:cmcp:schema', ...(plainSchema(schema, references) as object) };
    if (library.validateSchema(plain) !== true) {
      const [fault] = library.errors ?? [];
      throw at(place, fault?.instancePath ?? '').refuse(
        `is no ${dialect} schema: ${fault?.message ?? 'it is not valid'}`,
      );
    }
    const validate = library.compile(plain);
    return (value) => this.#check(validate, value);
  }

  #check(validate: ValidateFunction, value: JsonValue): string | null {
    this.#stepsLeft = MAX_STEPS;
    try {
      if (validate(plainValue(value))) return null;
    } catch (error) {
      // Too deep for the stack is too much as well.
      if (error instanceof TooMuch || error instanceof RangeError) return TOO_MUCH;
      throw error;
    }
    return validate.errors?.[0]?.schemaPath.replace(OWN, '') ?? '#';
  }

  #library(dialect: Dialect): Ajv {
    const known = this.#libraries.get(dialect);
    if (known !== undefined) return known;
    const charge: Charge = (steps) => {
      this.#stepsLeft -= steps;
      if (this.#stepsLeft < 0) throw new TooMuch();
    };
    const library = newLibrary(dialect);
    library.addKeyword(effortKeyword(charge));
    for (const keyword of boundedKeywords(charge)) library.removeKeyword(keyword.keyword).addKeyword(keyword);
    this.#libraries.set(dialect, library);
    return library;
  }
}

const OPTIONS: Options = {
  strict: false,
  strictNumbers: true,
  validateFormats: false,
  ownProperties: true,
  // Schemas that are used twice are compiled once: code does not grow beyond the schema.
  inlineRefs: false,
  addUsedSchema: false,
  // 4.35 is a multiple of 0.01, though not in doubles.
  multipleOfPrecision: 6,
  logger: false,
  code: { regExp: Object.assign(linear, { code: 'linear' }) },
};

/** Loaded with the first schema: most commands need none. */
function newLibrary(dialect: Dialect): Ajv {
  if (dialect === 'draft-07') {
    const draft: typeof import('ajv') = require('ajv');
    return new draft.Ajv(OPTIONS);
  }
  const latest: typeof import('ajv/dist/2020.js') = require('ajv/dist/2020.js');
  return new latest.Ajv2020(OPTIONS);
}

function linear(source: string): Exclude<ReturnType<typeof patternOf>, string> {
  const pattern = patternOf(source);
  if (typeof pattern === 'string') throw new Error(`a pattern ${pattern}`);
  return pattern;
}

/** Counts what a schema costs before anything else of it is looked at. */
function effortKeyword(charge: Charge): CodeKeywordDefinition {
  return {
    keyword: EFFORT,
    before: '$ref',
    code: ({ gen, data, schema }: KeywordCxt) => {
      const effort = schema as Effort;
      const spend = gen.scopeValue('func', { ref: (value: unknown) => charge(stepsOf(effort, value)) });
      const { _ } = require('ajv') as typeof import('ajv');
      gen.code(_`${spend}(${data})`);
    },
  };
}

function stepsOf({ base, perMember, perText }: Effort, value: unknown): number {
  if (typeof value === 'string') return base + (perText * value.length) / 16;
  if (perMember === 0 || typeof value !== 'object' || value === null) return base;
  return base + perMember * Object.keys(value).length;
}
