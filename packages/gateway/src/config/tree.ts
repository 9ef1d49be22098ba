import { isAlias, isMap, isNode, isScalar, isSeq, LineCounter, type Node, parseAllDocuments, type YAMLMap } from 'yaml';

/** Where something stands in the file; both count from 1. */
export interface Position {
  line: number;
  column: number;
}

/** Something wrong with the configuration. `path` is the key's path, empty for the file as a whole. */
export interface Problem {
  at: Position | null;
  path: string;
  message: string;
}

/**
 * A YAML document reduced to what a configuration needs. Scalars stay text: what `no`, `0x10` or `1e5` mean is decided by
 * the key that they are given to, never by YAML's own guesses.
 */
export type Tree =
  | { kind: 'scalar'; text: string; quoted: boolean; at: Position }
  | { kind: 'list'; items: Tree[]; at: Position }
  | { kind: 'map'; entries: { key: string; at: Position; value: Tree }[]; at: Position };

/** Deeper than any key of the schema. */
const MAX_DEPTH = 16;
const START: Position = { line: 1, column: 1 };

/**
 * Parses one YAML document strictly: no second document, alias, tag, complex key or duplicate key. The tree is null when
 * the text has no usable structure; the problems say why.
 */
export function parseTree(text: string): { tree: Tree | null; problems: Problem[] } {
  const lines = new LineCounter();
  const documents = parseAllDocuments(text, {
    schema: 'failsafe',
    merge: false,
    uniqueKeys: true,
    strict: true,
    prettyErrors: false,
    lineCounter: lines,
  });
  const position = (offset: number): Position => {
    const { line, col } = lines.linePos(offset);
    return { line: Math.max(1, line), column: Math.max(1, col) };
  };
  const [document, second] = [...documents];
  if (document === undefined) return { tree: { kind: 'map', entries: [], at: START }, problems: [] };
  const problems: Problem[] = document.errors.map((error) => ({
    at: position(error.pos[0]),
    path: '',
    message: error.code === 'DUPLICATE_KEY' ? 'this key is given twice' : `not valid YAML: ${error.message}`,
  }));
  if (second !== undefined) {
    problems.push({ at: position(second.range[0]), path: '', message: 'a second YAML document is not accepted' });
  }
  // Half-read structure would only produce misleading follow-up messages.
  const unreadable = document.errors.some((error) => error.code !== 'DUPLICATE_KEY');
  if (unreadable) return { tree: null, problems };
  const convert = new Converter(problems, position);
  const contents = document.contents;
  const tree: Tree | null = contents === null ? { kind: 'map', entries: [], at: START } : convert.node(contents, 0);
  return { tree, problems };
}

/** Turns the parser's nodes into a Tree, and reports what a configuration may not use. */
class Converter {
  readonly #problems: Problem[];
  readonly #position: (offset: number) => Position;

  constructor(problems: Problem[], position: (offset: number) => Position) {
    this.#problems = problems;
    this.#position = position;
  }

  node(node: Node, depth: number): Tree | null {
    const at = this.#at(node);
    if (depth > MAX_DEPTH) return this.#refuse(at, 'nested too deeply');
    if (isAlias(node)) return this.#refuse(at, 'YAML aliases are not accepted; write the value out');
    if (node.tag !== undefined) return this.#refuse(at, 'YAML tags are not accepted');
    if (isScalar(node)) {
      if (typeof node.value !== 'string') return this.#refuse(at, 'not a plain value');
      return { kind: 'scalar', text: node.value, quoted: node.type !== 'PLAIN', at };
    }
    if (isSeq(node)) {
      const items = node.items.map((item) =>
        isNode(item) ? this.node(item, depth + 1) : this.#refuse(at, 'empty item'),
      );
      return { kind: 'list', items: items.filter((item) => item !== null), at };
    }
    return isMap(node) ? this.#map(node, at, depth) : this.#refuse(at, 'not a mapping, a list or a value');
  }

  #map(node: YAMLMap, at: Position, depth: number): Tree {
    const entries: Extract<Tree, { kind: 'map' }>['entries'] = [];
    for (const { key, value } of node.items) {
      if (!isScalar(key) || typeof key.value !== 'string' || key.tag !== undefined) {
        this.#refuse(isNode(key) ? this.#at(key) : at, 'a key must be a plain word');
        continue;
      }
      const keyAt = this.#at(key);
      const empty: Tree = { kind: 'scalar', text: '', quoted: false, at: keyAt };
      const read = isNode(value) ? this.node(value, depth + 1) : empty;
      if (read !== null) entries.push({ key: key.value, at: keyAt, value: read });
    }
    return { kind: 'map', entries, at };
  }

  #at(node: Node): Position {
    return this.#position(node.range?.[0] ?? 0);
  }

  #refuse(at: Position, message: string): null {
    this.#problems.push({ at, path: '', message });
    return null;
  }
}
