import type { BundlePolicy } from '../../../policy/parse.ts';

/** Values that rules look for, by the name of the attribute that they compare: with those, interesting branches are met. */
export class Ideas {
  readonly #texts = new Map<string, Set<string>>();
  readonly #longs = new Map<string, Set<number>>();
  readonly #subjects = new Set<string>();
  readonly #groups = new Set<string>();

  /** Texts that `attribute` is compared with; those of all attributes where it is null. */
  texts(attribute: string | null): string[] {
    const sets = attribute === null ? [...this.#texts.values()] : [this.#texts.get(attribute) ?? []];
    return [...new Set(sets.flatMap((set) => [...set]))];
  }

  /** Numbers that `attribute` is compared with, and those beside them. */
  longs(attribute: string): number[] {
    const written = [...(this.#longs.get(attribute) ?? [])];
    return [...new Set(written.flatMap((value) => [value, value + 1, value - 1]))].filter(Number.isSafeInteger);
  }

  /** Callers that rules name. */
  get subjects(): string[] {
    return [...this.#subjects];
  }

  /** Groups that rules name. */
  get groups(): string[] {
    return [...this.#groups];
  }

  /** Takes in what the policies' scopes and conditions name. */
  learn(policies: readonly BundlePolicy[]): this {
    for (const { json } of policies) {
      this.#learnSubjects(json);
      this.#learnFrom(json.conditions);
    }
    return this;
  }

  /** Takes in what is written as JSON: the texts and numbers of each member. */
  learnMembers(value: unknown, name = ''): this {
    if (typeof value === 'string' && name === 'caller') this.#subjects.add(value);
    else if (typeof value === 'string' || typeof value === 'number') this.#add(name, value);
    else if (Array.isArray(value)) for (const item of value) this.learnMembers(item, name);
    else for (const [key, item] of membersOf(value)) this.learnMembers(item, key);
    return this;
  }

  #learnSubjects(node: unknown): void {
    const { type, id } = (isRecord(node) ? node : {}) as { type?: unknown; id?: unknown };
    if (type === 'Agent' && typeof id === 'string') this.#subjects.add(id);
    if (type === 'Group' && typeof id === 'string') this.#groups.add(id);
    for (const [, inside] of membersOf(node)) this.#learnSubjects(inside);
  }

  /** Cedar's JSON form: an expression is an object of one member, whose name is its operator. */
  #learnFrom(node: unknown): void {
    for (const [operator, operand] of membersOf(node)) {
      if (isRecord(operand) && operator !== '.' && operator !== 'has') this.#learnComparison(operator, operand);
      this.#learnFrom(operand);
    }
  }

  #learnComparison(operator: string, { left, right, pattern }: Record<string, unknown>): void {
    if (operator === '&&' || operator === '||') return;
    const attributes = [left, right].flatMap(attributeOf);
    for (const attribute of attributes) {
      for (const value of [left, right].flatMap(literalsOf)) this.#learnLiteral(attribute, value);
      if (Array.isArray(pattern)) for (const text of matching(pattern)) this.#add(attribute, text);
    }
  }

  #learnLiteral(attribute: string, literal: unknown): void {
    if (isRecord(literal)) {
      for (const [key, item] of Object.entries(literal))
        for (const value of literalsOf(item)) this.#learnLiteral(key, value);
    } else if (attribute === 'subject' && typeof literal === 'string') this.#subjects.add(literal);
    else if (typeof literal === 'string' || typeof literal === 'number') this.#add(attribute, literal);
  }

  #add(attribute: string, value: string | number): void {
    const known = (typeof value === 'string' ? this.#texts : this.#longs) as Map<string, Set<string | number>>;
    known.set(attribute, (known.get(attribute) ?? new Set()).add(value));
  }
}

function isRecord(node: unknown): node is Record<string, unknown> {
  return typeof node === 'object' && node !== null && !Array.isArray(node);
}

function membersOf(node: unknown): [string, unknown][] {
  return typeof node === 'object' && node !== null ? Object.entries(node) : [];
}

/** The name of the attribute that an expression reads last. */
function attributeOf(node: unknown): string[] {
  const access = isRecord(node) ? node['.'] : undefined;
  return isRecord(access) && typeof access.attr === 'string' ? [access.attr] : [];
}

/** Values written out, also inside a set; of a record, its members. */
function literalsOf(node: unknown): unknown[] {
  if (!isRecord(node)) return [];
  if ('Value' in node) return [node.Value];
  if (Array.isArray(node.Set)) return node.Set.flatMap(literalsOf);
  return isRecord(node.Record) ? [node.Record] : [];
}

/** Two texts that a pattern of `like` matches, and one that it may not. */
function matching(pattern: readonly unknown[]): string[] {
  const filled = (wildcard: string): string =>
    pattern.map((part) => (isRecord(part) && typeof part.Literal === 'string' ? part.Literal : wildcard)).join('');
  return [filled('x'), filled(''), `x${filled('x')}`];
}
