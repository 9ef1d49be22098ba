import { encodeHex } from '../bytes/hex.ts';

/** A structure for a person: a name with a value, or with what is inside. */
export interface Tree {
  name: string;
  /** One line; absent where there are branches. */
  value?: string;
  branches?: Tree[];
}

/** What a person can still look through, in one list or one run of bytes. */
const MAX_ITEMS = 2000;
const MAX_BYTES = 256;
const MAX_DEPTH = 24;

/**
 * The tree of a parsed structure: members by name, bytes in hex. Long lists and long runs of bytes are cut, and the cut is said.
 * Total for any value.
 */
export function treeOf(name: string, value: unknown, depth = 0): Tree {
  if (value instanceof Uint8Array) return { name, value: bytesText(value) };
  if (value instanceof Map) return branches(name, [...value], depth);
  if (value instanceof Set)
    return branches(
      name,
      [...value].map((item, i) => [i, item] as const),
      depth,
    );
  if (Array.isArray(value))
    return branches(
      name,
      value.map((item, i) => [i, item] as const),
      depth,
    );
  if (typeof value === 'object' && value !== null) return branches(name, Object.entries(value), depth);
  return { name, value: scalarText(value) };
}

function branches(name: string, members: readonly (readonly [unknown, unknown])[], depth: number): Tree {
  if (members.length === 0) return { name, value: '(none)' };
  if (depth >= MAX_DEPTH) return { name, value: `(${members.length} more inside, deeper than is shown)` };
  const shown = members.slice(0, MAX_ITEMS).map(([key, item]) => treeOf(String(key), item, depth + 1));
  const rest = members.length - shown.length;
  return { name, branches: rest > 0 ? [...shown, { name: '…', value: `${rest} more` }] : shown };
}

function bytesText(bytes: Uint8Array): string {
  if (bytes.length === 0) return '(empty)';
  const shown = encodeHex(bytes.subarray(0, MAX_BYTES));
  return bytes.length > MAX_BYTES ? `${shown}… (${bytes.length} bytes)` : shown;
}

function scalarText(value: unknown): string {
  if (value === true) return 'yes';
  if (value === false) return 'no';
  if (value === null || value === undefined) return '(none)';
  return typeof value === 'bigint' ? `0x${value.toString(16)}` : String(value);
}

/** The tree as indented lines, values beside their names. */
export function treeLines({ name, value, branches: inside = [] }: Tree, indent = 0): string[] {
  const start = '  '.repeat(indent);
  const line = value === undefined ? `${start}${name}` : `${start}${name}: ${value}`;
  return [line, ...inside.flatMap((branch) => treeLines(branch, indent + 1))];
}
