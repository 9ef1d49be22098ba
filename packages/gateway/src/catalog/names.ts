import { sha256Hex } from '@cmcp/evidence';

/**
 * A catalog name: visible ASCII, so that names in claims and entries stay printable (wire-formats section 2.1) and neither
 * case folding beyond ASCII, nor normalisation, nor zero-width characters can make two of one (defect D-14).
 */
export const CATALOG_NAME = {
  pattern: /^[!-~]{1,128}$/,
  expected:
    '1 to 128 printable ASCII characters without spaces; give other names an ASCII "name" and an "upstream_name"',
};

/** What a server calls a tool or prompt of its own. */
export const UPSTREAM_NAME = { pattern: /^.{1,256}$/su, expected: '1 to 256 characters' };

/** What every MCP client accepts as a tool name (MCP26-43). */
export const CLIENT_NAME = { pattern: /^[a-zA-Z0-9_-]{1,64}$/, expected: '1 to 64 letters, digits, "_" or "-"' };

/** Actions of other methods and the group of all tools (contracts section 7): no tool may take these names. */
export const RESERVED_NAMES: readonly string[] = [
  'call_tool',
  'read_resource',
  'subscribe',
  'get_prompt',
  'complete',
  'elicit',
  'sample',
  'list_roots',
  'get_task',
  'update_task',
  'cancel_task',
];

const MAX_CLIENT_NAME = 64;

/** What a tool, resource or prompt is known by before its exposed name is chosen. */
export interface Named {
  name: string;
  alias: string | null;
  /** Prefix when the name itself cannot be shown to clients. */
  serverLabel: string;
}

/**
 * Keys under which two names count as one: equal but for case, or equal to the eye (`l`, `I`, `1`, `|`; `O`, `0`; `rn`, `m`;
 * `vv`, `w`). Names are ASCII, where normalisation forms change nothing.
 */
export function lookalikeKeys(name: string): string[] {
  const shape = name
    .replaceAll(/[1I|]/g, 'l')
    .toLowerCase()
    .replaceAll('0', 'o')
    .replaceAll('rn', 'm')
    .replaceAll('vv', 'w');
  return [`case:${name.toLowerCase()}`, `shape:${shape}`];
}

/** The first pair that answers to names an agent or a person could take for one another; null when there is none. */
export function findCollision(tools: readonly Named[]): { index: number; name: string; other: string } | null {
  const taken = new Map<string, { index: number; name: string }>();
  for (const [index, tool] of tools.entries()) {
    for (const name of tool.alias === null ? [tool.name] : [tool.name, tool.alias]) {
      for (const key of lookalikeKeys(name)) {
        const holder = taken.get(key);
        if (holder !== undefined && holder.index !== index) return { index, name, other: holder.name };
        taken.set(key, { index, name });
      }
    }
  }
  return null;
}

/**
 * The exposed name of each tool, in the order given (contracts section 8): alias, else the name if clients accept it, else
 * `<server>__<tool>` made safe. Depends on the set of tools only, not on their order. The names given are free of collisions.
 */
export function exposedNames(tools: readonly Named[]): string[] {
  const holders = new Map<string, number>();
  const count = (name: string): void => {
    for (const key of lookalikeKeys(name)) holders.set(key, (holders.get(key) ?? 0) + 1);
  };
  const bases = tools.map(({ name, serverLabel }) => clientSafe(`${serverLabel}__${name}`));
  for (const [index, tool] of tools.entries()) {
    count(tool.name);
    if (tool.alias !== null) count(tool.alias);
    if (needsPrefix(tool)) count(bases[index] ?? '');
  }
  return tools.map((tool, index) => {
    if (tool.alias !== null) return tool.alias;
    if (!needsPrefix(tool)) return tool.name;
    const base = bases[index] ?? '';
    const alone = lookalikeKeys(base).every((key) => holders.get(key) === 1);
    return alone && base.length <= MAX_CLIENT_NAME ? base : marked(base, tool.name);
  });
}

function needsPrefix(tool: Named): boolean {
  return tool.alias === null && !CLIENT_NAME.pattern.test(tool.name);
}

/** `text` with every character that clients refuse replaced; runs of them become one `_`. */
export function clientSafe(text: string): string {
  return text.replaceAll(/[^a-zA-Z0-9_-]+/g, '_');
}

/** `base` cut and marked with a digest of `source`, so that it is unique, stable and short enough for clients. */
export function marked(base: string, source: string): string {
  return `${base.slice(0, MAX_CLIENT_NAME - 9)}_${sha256Hex(source).slice(0, 8)}`;
}
