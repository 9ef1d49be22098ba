import { durationMs } from './duration.ts';
import { nearest } from './nearest.ts';
import type { Position, Problem, Tree } from './tree.ts';

/** What readers need besides the value: where to report, what a reference may expand to. */
export interface ReadContext {
  problems: Problem[];
  /** Where each key path stands, for checks that compare several keys. */
  positions: Map<string, Position>;
  /** Environment variables for `${NAME}`. */
  variables: Readonly<Record<string, string>>;
}

/** One row of the configuration's documentation. */
export interface SettingRow {
  key: string;
  type: string;
  /** As one would write it; null when the key must be given. */
  default: string | null;
  meaning: string;
}

/** Turns a tree into a value. `undefined` means that a problem was reported. */
export interface Reader<T> {
  /** What is accepted, with an example: shown in messages and in the documentation. */
  readonly expected: string;
  read(tree: Tree, path: string, context: ReadContext): T | undefined;
  /** Rows of nested keys; none for a plain value. */
  rows(prefix: string): SettingRow[];
}

export interface Setting<T> {
  reader: Reader<T>;
  default: string | null;
  meaning: string;
}

/** A key with a default, written as in the file and read by the same reader. */
export function setting<T>(reader: Reader<T>, defaultText: string, meaning: string): Setting<T> {
  return { reader, default: defaultText, meaning };
}

/** A key that must be given. */
export function required<T>(reader: Reader<T>, meaning: string): Setting<T> {
  return { reader, default: null, meaning };
}

const SHOWN_CHARACTERS = 60;

/** Text from the file, safe to print: quoted, escaped, cut. */
function shown(text: string): string {
  const cut = text.length > SHOWN_CHARACTERS ? `${text.slice(0, SHOWN_CHARACTERS)}…` : text;
  return JSON.stringify(cut);
}

function found(tree: Tree): string {
  if (tree.kind === 'map') return 'a mapping';
  if (tree.kind === 'list') return 'a list';
  return isEmpty(tree) ? 'nothing' : shown(tree.text);
}

function isEmpty(tree: Tree): boolean {
  return tree.kind === 'scalar' && !tree.quoted && (tree.text === '' || tree.text === '~' || tree.text === 'null');
}

function refuse(context: ReadContext, at: Position, path: string, message: string): undefined {
  context.problems.push({ at, path, message });
  return undefined;
}

/** Text accepted by `parse`, which returns undefined for anything else. `secret` text is never repeated in messages. */
export function text<T>(expected: string, parse: (text: string) => T | undefined, secret = false): Reader<T> {
  return {
    expected,
    rows: () => [],
    read(tree, path, context) {
      const value = tree.kind === 'scalar' && !isEmpty(tree) ? parse(tree.text) : undefined;
      if (value !== undefined) return value;
      const got = secret && tree.kind === 'scalar' && !isEmpty(tree) ? 'something else (not shown)' : found(tree);
      return refuse(context, tree.at, path, `expected ${expected}, found ${got}`);
    },
  };
}

export function oneOf<const W extends readonly string[]>(...words: W): Reader<W[number]> {
  const list = words.map((word) => `\`${word}\``).join(' or ');
  return text(list, (given) => words.find((word) => word === given));
}

/** A path without `..` or NUL (D-04). Whether it may leave the configuration's folder is decided in paths.ts. */
export function path(example: string): Reader<string> {
  return text(`a path without \`..\`, such as ${example}`, (given) => {
    if (given === '' || given.includes('\0') || given.split(/[/\\]/).includes('..')) return undefined;
    return given;
  });
}

export function integer(min: number, max: number): Reader<number> {
  return text(`a whole number from ${min} to ${max}`, (given) => {
    const value = /^(?:0|[1-9]\d{0,15})$/.test(given) ? Number(given) : Number.NaN;
    return value >= min && value <= max ? value : undefined;
  });
}

/** Milliseconds, written as a whole number and one unit. */
export function duration(min: string, max: string): Reader<number> {
  const parse = (given: string): number => durationMs(given) ?? Number.NaN;
  const low = parse(min);
  const high = parse(max);
  return text(`a duration from ${min} to ${max}, such as 500ms, 30s, 15m, 12h or 7d`, (given) => {
    const value = parse(given);
    return value >= low && value <= high ? value : undefined;
  });
}

/** The same, or null when left empty or written as `null`. */
export function nullable<T>(reader: Reader<T>): Reader<T | null> {
  return {
    expected: `${reader.expected}, or null`,
    rows: (prefix) => reader.rows(prefix),
    read: (tree, path, context) => (isEmpty(tree) ? null : reader.read(tree, path, context)),
  };
}

export function list<T>(item: Reader<T>): Reader<T[]> {
  return {
    expected: `a list, each ${item.expected}`,
    rows: (prefix) => item.rows(`${prefix}[]`),
    read(tree, path, context) {
      if (isEmpty(tree)) return [];
      if (tree.kind !== 'list') {
        return refuse(context, tree.at, path, `expected a list, each ${item.expected}, found ${found(tree)}`);
      }
      const values = tree.items.map((each, index) => {
        const itemPath = `${path}[${index}]`;
        context.positions.set(itemPath, each.at);
        return item.read(each, itemPath, context);
      });
      return values.every((value) => value !== undefined) ? values : undefined;
    },
  };
}

/** A mapping whose keys the operator chooses, such as server ids. Keys are data: `__proto__` is a key like any other. */
export function named<T>(what: string, pattern: RegExp, item: Reader<T>, meaning: string): Reader<Record<string, T>> {
  return {
    expected: `a mapping from ${what} to ${item.expected}`,
    rows(prefix) {
      const nested = item.rows(`${prefix}.<${what}>`);
      return nested.length > 0 ? nested : [{ key: `${prefix}.<${what}>`, type: item.expected, default: null, meaning }];
    },
    read(tree, path, context) {
      if (isEmpty(tree)) return {};
      if (tree.kind !== 'map')
        return refuse(context, tree.at, path, `expected a mapping from ${what}, found ${found(tree)}`);
      const values: [string, T][] = [];
      for (const { key, at, value } of tree.entries) {
        const keyPath = `${path}.${key}`;
        context.positions.set(keyPath, at);
        if (!pattern.test(key)) refuse(context, at, path, `${shown(key)} is not ${what}`);
        const read = item.read(value, keyPath, context);
        if (read !== undefined) values.push([key, read]);
      }
      return Object.fromEntries(values);
    },
  };
}

type Values<S extends Record<string, Setting<unknown>>> = {
  [K in keyof S]: S[K] extends Setting<infer T> ? T : never;
};

/** A mapping with exactly these keys. `shorthand`: the key that a plain value stands for. */
export function section<S extends Record<string, Setting<unknown>>>(
  what: string,
  settings: S,
  shorthand?: keyof S & string,
): Reader<Values<S>> {
  const known = Object.keys(settings);
  return {
    expected: what,
    rows: (prefix) => known.flatMap((key) => settingRows(prefix === '' ? key : `${prefix}.${key}`, settings[key])),
    read(tree, path, context) {
      const entries = sectionEntries(tree, shorthand);
      if (entries === null) {
        return refuse(context, tree.at, path, `expected ${what} (keys: ${known.join(', ')}), found ${found(tree)}`);
      }
      for (const { key, at } of entries) {
        if (!Object.hasOwn(settings, key)) refuseKey(context, at, path, key, known);
      }
      const values = known.map((key) => {
        const given = entries.findLast((entry) => entry.key === key);
        const keyPath = path === '' ? key : `${path}.${key}`;
        context.positions.set(keyPath, given?.at ?? tree.at);
        return [key, readSetting(settings[key], given?.value, keyPath, tree.at, context)] as const;
      });
      if (values.some(([, value]) => value === undefined)) return undefined;
      return Object.fromEntries(values) as Values<S>;
    },
  };
}

function settingRows(key: string, entry: Setting<unknown> | undefined): SettingRow[] {
  if (entry === undefined) return [];
  const own = { key, type: entry.reader.expected, default: entry.default, meaning: entry.meaning };
  return [own, ...entry.reader.rows(key)];
}

function sectionEntries(tree: Tree, shorthand: string | undefined): Extract<Tree, { kind: 'map' }>['entries'] | null {
  if (tree.kind === 'map') return tree.entries;
  if (isEmpty(tree)) return [];
  if (tree.kind === 'scalar' && shorthand !== undefined) return [{ key: shorthand, at: tree.at, value: tree }];
  return null;
}

function readSetting(
  entry: Setting<unknown> | undefined,
  given: Tree | undefined,
  path: string,
  at: Position,
  context: ReadContext,
): unknown {
  if (entry === undefined) return undefined;
  if (given !== undefined) return entry.reader.read(given, path, context);
  if (entry.default === null) return refuse(context, at, path, `missing: expected ${entry.reader.expected}`);
  return entry.reader.read(defaultTree(entry.default, at), path, context);
}

function defaultTree(written: string, at: Position): Tree {
  if (written === '[]') return { kind: 'list', items: [], at };
  if (written === '{}') return { kind: 'map', entries: [], at };
  return { kind: 'scalar', text: written, quoted: false, at };
}

function refuseKey(context: ReadContext, at: Position, path: string, key: string, known: string[]): void {
  const prefix = path === '' ? '' : `${path}.`;
  const close = nearest(key, known);
  const hint = close === null ? '' : `; the nearest known key is \`${prefix}${close}\``;
  const name = /^[\w.-]{1,60}$/.test(key) ? key : shown(key);
  context.problems.push({ at, path: `${prefix}${name}`, message: `unknown key${hint}` });
}
