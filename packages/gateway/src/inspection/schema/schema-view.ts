import { isObject, type JsonObject, type JsonValue, member } from '@cmcp/evidence';
import { References } from './references.ts';
import { closes, isInPlace, subschemas } from './subschemas.ts';

/** Whether a name fits a pattern of `patternProperties`; null: that is not known. */
type Fits = (pattern: string, name: string) => boolean | null;

/** Views that are kept for one schema. A value decides which come to be, and there may be very many. */
const MAX_KEPT = 10_000;

/** What is the same all over one schema. */
class Root {
  readonly references: References;
  readonly fits: Fits;
  readonly #numbers: ReadonlyMap<JsonValue, number>;
  readonly #views = new Map<string, SchemaView>();

  constructor(references: References, fits: Fits) {
    this.references = references;
    this.fits = fits;
    this.#numbers = new Map([...references.schemas.values()].map((schema, index) => [schema, index]));
  }

  /** One view for the same schemas, wherever in a value they meet. */
  view(schemas: readonly JsonValue[]): SchemaView {
    const key = schemas.map((schema) => this.#numbers.get(schema)).join();
    const known = this.#views.get(key);
    if (known !== undefined) return known;
    const view = new SchemaView(this, schemas);
    if (this.#views.size < MAX_KEPT) this.#views.set(key, view);
    return view;
  }
}

/**
 * What a schema says of one value: every schema that speaks of it, whether it has to be fulfilled or may be. One traversal for
 * whoever asks what is described, labelled or closed.
 */
export class SchemaView {
  readonly #root: Root;
  /** None that says nothing (`true`, `{}`) is among them. */
  readonly schemas: readonly JsonObject[];
  /** Some schema that speaks of the value cannot be read: a reference leads to none. */
  readonly isObscure: boolean;
  /** Some schema forbids members that nothing names. */
  readonly isClosed: boolean;
  /** Of the members that schemas call by name. */
  readonly #members = new Map<string, SchemaView | null>();
  readonly #items: (SchemaView | undefined)[] = [];
  readonly #listed: number;

  constructor(root: Root, schemas: readonly JsonValue[]) {
    const spread = spreadOut(root.references, schemas);
    this.#root = root;
    this.schemas = spread ?? [];
    this.isObscure = spread === null;
    this.isClosed = this.schemas.some(closes);
    this.#listed = Math.max(0, ...this.schemas.map((schema) => listed(schema).length));
    for (const name of this.schemas.flatMap(propertyNames)) this.#members.set(name, null);
  }

  /** @param fits left out: a name may fit any pattern, or none */
  static of(schema: JsonObject, references: References = new References(schema), fits: Fits = () => null): SchemaView {
    return new Root(references, fits).view([schema]);
  }

  member(name: string): SchemaView {
    const known = this.#members.get(name);
    if (known) return known;
    const view = this.#root.view(this.schemas.flatMap((schema) => this.#speaking(schema, name)));
    if (known === null) this.#members.set(name, view);
    return view;
  }

  item(index: number): SchemaView {
    const place = Math.min(index, this.#listed);
    this.#items[place] ??= this.#root.view(this.schemas.flatMap((schema) => itemSchemas(schema, place)));
    return this.#items[place];
  }

  /** Whether some schema names the member, or says that any member may be there. */
  names(name: string): boolean {
    // A schema that speaks of no member leaves them all open.
    if (this.#members.has(name) || this.#isOpen) return true;
    return this.schemas.some((schema) => {
      return memberSchemas(schema, name, this.#root.fits).length > 0 || others(schema).some((part) => part !== false);
    });
  }

  get #isOpen(): boolean {
    const isPatterned = this.schemas.some((schema) => Object.hasOwn(schema, 'patternProperties'));
    return this.#members.size === 0 && !isPatterned && !this.isClosed;
  }

  #speaking(schema: JsonObject, name: string): JsonValue[] {
    const named = memberSchemas(schema, name, this.#root.fits);
    const parts = named.map(({ part }) => part);
    return named.some(({ isSure }) => isSure) ? parts : [...parts, ...others(schema)];
  }
}

function propertyNames(schema: JsonObject): string[] {
  const properties = member(schema, 'properties');
  return isObject(properties) ? Object.keys(properties) : [];
}

/** What a schema says of a member by its name, and whether it surely speaks of that one. */
function memberSchemas(schema: JsonObject, name: string, fits: Fits): { part: JsonValue; isSure: boolean }[] {
  const [properties, patterns] = [member(schema, 'properties'), member(schema, 'patternProperties')];
  const named = isObject(properties) ? member(properties, name) : undefined;
  const fitting = Object.entries(isObject(patterns) ? patterns : {}).flatMap(([pattern, part]) => {
    const isSure = fits(pattern, name);
    return isSure === false ? [] : [{ part, isSure: isSure ?? false }];
  });
  return named === undefined ? fitting : [{ part: named, isSure: true }, ...fitting];
}

/** What it says of members that it does not name. */
function others(schema: JsonObject): JsonValue[] {
  const parts = ['additionalProperties', 'unevaluatedProperties'].map((key) => member(schema, key));
  return parts.filter((part) => part !== undefined);
}

/** Schemas of the first items, each of its own. */
function listed(schema: JsonObject): readonly JsonValue[] {
  const [items, prefix] = [member(schema, 'items'), member(schema, 'prefixItems')];
  return Array.isArray(items) ? items : Array.isArray(prefix) ? prefix : [];
}

function itemSchemas(schema: JsonObject, index: number): JsonValue[] {
  const items = member(schema, 'items');
  const rest = [Array.isArray(items) ? member(schema, 'additionalItems') : items, member(schema, 'unevaluatedItems')];
  const own = listed(schema)[index];
  const contained = member(schema, 'contains');
  const spoken = own === undefined ? rest : [own];
  return [...spoken, contained].filter((part) => part !== undefined);
}

/** The schemas and all that they are made of; null where one leads elsewhere. */
function spreadOut(references: References, schemas: readonly JsonValue[]): JsonObject[] | null {
  const found = new Set<JsonObject>();
  const open = [...schemas];
  for (let schema = open.pop(); schema !== undefined; schema = open.pop()) {
    if (!isObject(schema) || Object.keys(schema).length === 0 || found.has(schema)) continue;
    found.add(schema);
    const parts = subschemas(schema).filter((part) => isInPlace(part) && part.steps[0] !== 'not');
    open.push(...parts.map((part) => part.schema));
    for (const key of ['$ref', '$dynamicRef', '$recursiveRef']) {
      const reference = member(schema, key);
      if (reference === undefined) continue;
      const target = key === '$recursiveRef' ? undefined : references.schemas.get(references.target(reference) ?? '-');
      if (target === undefined) return null;
      open.push(target);
    }
  }
  return [...found];
}
