import { isObject, type JsonObject, type JsonValue, member } from '@cmcp/evidence';
import { stepInto } from '../../catalog/fields.ts';
import { type Part, subschemas } from './subschemas.ts';

/** Every schema within one, by its JSON pointer, and what references within it lead to. Nothing is ever fetched (MCP26-34). */
export class References {
  readonly schemas = new Map<string, JsonValue>();
  readonly #anchors = new Map<string, string>();

  constructor(root: JsonObject) {
    this.#add('', root);
  }

  /** The pointer of the schema that a reference leads to; null: to none within this one. */
  target(reference: JsonValue): string | null {
    if (typeof reference !== 'string' || !reference.startsWith('#')) return null;
    const fragment = decoded(reference.slice(1));
    if (fragment === null) return null;
    const pointer = fragment === '' || fragment.startsWith('/') ? fragment : this.#anchors.get(fragment);
    return pointer !== undefined && this.schemas.has(pointer) ? pointer : null;
  }

  /** The pointer of a schema within the one at `pointer`. */
  within(pointer: string, { steps }: Part): string {
    return steps.reduce<string>(stepInto, pointer);
  }

  #add(pointer: string, schema: JsonValue): void {
    this.schemas.set(pointer, schema);
    if (!isObject(schema)) return;
    for (const keyword of ['$anchor', '$dynamicAnchor']) {
      const name = member(schema, keyword);
      if (typeof name === 'string' && !this.#anchors.has(name)) this.#anchors.set(name, pointer);
    }
    for (const part of subschemas(schema)) this.#add(this.within(pointer, part), part.schema);
  }
}

/** A fragment without its escapes; RFC 6901 leaves those of its own, which our pointers have too. */
function decoded(fragment: string): string | null {
  try {
    return decodeURIComponent(fragment);
  } catch (error) {
    if (error instanceof URIError) return null;
    throw error;
  }
}
