import type { JsonObject, JsonValue } from '@cmcp/evidence';
import type { Ranks } from '../../policy/sensitivity.ts';
import { labelsOf } from '../schema/labels.ts';
import { SchemaView } from '../schema/schema-view.ts';
import type { Sight } from './apply.ts';

type Covers = (label: JsonValue) => boolean;

/**
 * Sees what a schema labels with `x-sensitivity`: fields of the class, and of every class that ranks higher. What the schema does not
 * describe was labelled by nobody, and is taken; so is what a reference leads to that cannot be followed, and a label that is unknown.
 */
export class ClassSight implements Sight {
  readonly #view: SchemaView;
  readonly #covers: Covers;
  readonly takes: boolean;

  private constructor(view: SchemaView, covers: Covers) {
    this.#view = view;
    this.#covers = covers;
    this.takes = view.isObscure || view.schemas.length === 0 || view.schemas.flatMap(labelsOf).some(covers);
  }

  /** @param schema of the whole answer, or what is known of it; null: nothing describes it */
  static of(schema: JsonObject | SchemaView | null, label: string, ranks: Ranks): ClassSight {
    const view = schema instanceof SchemaView ? schema : SchemaView.of(schema ?? {});
    return new ClassSight(view, coversOf(label, ranks));
  }

  member(name: string): ClassSight {
    return new ClassSight(this.#view.member(name), this.#covers);
  }

  item(index: number): ClassSight {
    return new ClassSight(this.#view.item(index), this.#covers);
  }
}

function coversOf(label: string, ranks: Ranks): Covers {
  const least = ranks.get(label) ?? 0;
  return (given) => {
    const rank = typeof given === 'string' ? ranks.get(given) : undefined;
    return given === label || rank === undefined || rank > least;
  };
}
