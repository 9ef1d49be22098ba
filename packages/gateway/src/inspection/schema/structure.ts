import type { JsonObject } from '@cmcp/evidence';
import type { Where } from '../../catalog/fields.ts';
import { GatewayError } from '../../errors.ts';
import type { Ranks } from '../../policy/sensitivity.ts';
import { checkLabels } from './labels.ts';
import { References } from './references.ts';
import { SchemaView } from './schema-view.ts';
import { survey } from './survey.ts';
import { type Check, Validators } from './validators.ts';

/** The approved form of what a tool answers, ready to be held against answers. */
export interface Structure {
  schema: JsonObject;
  /** Where in the schema a value does not fit; or why nothing can be held against it. Null: it fits. */
  check: Check;
  /** What the schema says of a value and of what is inside. */
  view: SchemaView;
  /** Some schema below the topmost closes its object. */
  closesWithin: boolean;
}

/** Compiles the output schemas of one catalog, when it is loaded. */
export class Structures {
  readonly #validators = new Validators();
  readonly #ranks: Ranks;

  constructor(ranks: Ranks) {
    this.#ranks = ranks;
  }

  /** @throws GatewayError of the place, for a schema that nothing can be held against, or with a label that is unknown */
  compile(schema: JsonObject, place: Where): Structure {
    const surveyed = survey(schema, place);
    const { references, patterns, closesWithin } = surveyed;
    checkLabels(references, this.#ranks, place);
    const fits = (pattern: string, name: string): boolean | null => patterns.get(pattern)?.test(name) ?? null;
    const check = this.#validators.compile(schema, surveyed, place);
    return { schema, check, view: SchemaView.of(schema, references, fits), closesWithin };
  }

  /**
   * As {@link compile}, for a form of catalog that loads whatever its schemas say: nothing fits a schema that cannot be used. An
   * unknown label is refused all the same (D-27).
   */
  compileAny(schema: JsonObject, place: Where): Structure {
    checkLabels(new References(schema), this.#ranks, place);
    try {
      return this.compile(schema, place);
    } catch (error) {
      if (!(error instanceof GatewayError) || error.code !== 'CATALOG_INVALID') throw error;
      const why = `the approved schema cannot be used: ${error.detail}`;
      return { schema, check: () => why, view: SchemaView.of(schema), closesWithin: false };
    }
  }
}
