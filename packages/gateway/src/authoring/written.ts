import { type JsonValue, parseJson } from '@cmcp/evidence';
import { stepInto, type Where } from '../catalog/fields.ts';
import { type Position, parseTree, type Tree } from '../config/tree.ts';
import { type ErrorCode, GatewayError } from '../errors.ts';

/** What a person wrote, as a JSON value, and where its parts stand. */
export interface Written {
  value: JsonValue;
  place: WrittenPlace;
}

/** Numbers as JSON writes them; YAML has more spellings, which stay text. */
const NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;

/**
 * Reads YAML text as JSON: the plain words `true`, `false`, `null` and JSON's numbers mean what they mean there, everything else
 * is text. Strict as the configuration is: one document, no aliases, tags or duplicate keys.
 *
 * @param file how messages call the text
 * @throws GatewayError `code` that says every problem, with its line
 */
export function readYaml(text: string, file: string, code: ErrorCode): Written {
  const { tree, problems } = parseTree(text);
  if (tree === null || problems.length > 0) {
    const lines = problems.map(({ at, message }) => `${file}${at === null ? '' : `:${at.line}`}: ${message}`);
    throw new GatewayError(code, lines.join('\n'));
  }
  const positions = new Map<string, Position>();
  const value = jsonOf(tree, '', positions);
  return { value, place: new WrittenPlace(file, code, '', positions) };
}

/** A JSON value that came from elsewhere, such as a command line, called `file` in messages. */
export function placeIn(file: string, code: ErrorCode): WrittenPlace {
  return new WrittenPlace(file, code, '', new Map());
}

/** A place in what a person wrote: its text is `file:line`, or the file alone where no line is known. */
export class WrittenPlace implements Where {
  readonly #file: string;
  readonly #code: ErrorCode;
  readonly #pointer: string;
  readonly #positions: ReadonlyMap<string, Position>;

  constructor(file: string, code: ErrorCode, pointer: string, positions: ReadonlyMap<string, Position>) {
    this.#file = file;
    this.#code = code;
    this.#pointer = pointer;
    this.#positions = positions;
  }

  at(key: string | number): WrittenPlace {
    return new WrittenPlace(this.#file, this.#code, stepInto(this.#pointer, key), this.#positions);
  }

  refuse(problem: string): GatewayError {
    const inside = this.#pointer === '' ? '' : ` at ${this.#pointer}`;
    return new GatewayError(this.#code, `${this}${inside}: ${problem}`);
  }

  toString(): string {
    const at = this.#positions.get(this.#pointer);
    return at === undefined ? this.#file : `${this.#file}:${at.line}`;
  }
}

function jsonOf(tree: Tree, pointer: string, positions: Map<string, Position>): JsonValue {
  if (!positions.has(pointer)) positions.set(pointer, tree.at);
  if (tree.kind === 'scalar') return scalar(tree);
  if (tree.kind === 'list') return tree.items.map((item, index) => jsonOf(item, stepInto(pointer, index), positions));
  const members = tree.entries.map(({ key, at, value }): [string, JsonValue] => {
    const inside = stepInto(pointer, key);
    positions.set(inside, at);
    return [key, jsonOf(value, inside, positions)];
  });
  // fromEntries defines own members, so that `__proto__` is only a name (G6).
  return Object.fromEntries(members);
}

function scalar({ text, quoted }: Extract<Tree, { kind: 'scalar' }>): JsonValue {
  if (quoted) return text;
  if (text === '' || text === 'null' || text === '~') return null;
  if (text === 'true' || text === 'false') return text === 'true';
  return NUMBER.test(text) ? parseJson(text) : text;
}
