import { canonicalSorted, isObject, type JsonObject, type JsonValue, member } from '@cmcp/evidence';
import { storedObject } from '../audit/stored-object.ts';
import { GatewayError } from '../errors.ts';

/** What can be stopped. */
export const SCOPES = ['all', 'agent', 'session', 'tool', 'server'] as const;
export type Scope = (typeof SCOPES)[number];

/** What stops by itself; see thresholds.ts and limits.ts. */
export const RULES = ['deny_rate', 'injections', 'drift', 'budget', 'capacity'] as const;
export type Rule = (typeof RULES)[number];

/** Something that is stopped until an operator lifts it (G27, D-49, ASI-10). */
export interface Block {
  id: string;
  scope: Scope;
  /** The agent's subject, the session's id, the catalog's name of the tool, or the server's id; `*` for everything. */
  name: string;
  /** In the operator's words, or what was crossed. Printable ASCII. */
  reason: string;
  /** The operator, or `automatic`. */
  by: string;
  /** The threshold that was crossed; null: an operator stopped it. */
  rule: Rule | null;
  /** Of a deny rate, how far back it looked. */
  windowSeconds: number | null;
  sinceMicros: number;
}

/** What a store remembers of what is stopped. */
export interface StoredBlocks {
  blocks: readonly Block[];
  /** Ids of blocks that another store of the data folder holds, and that an operator lifted here. */
  lifted: readonly string[];
}

export const NOTHING_BLOCKED: StoredBlocks = { blocks: [], lifted: [] };

const FORM = 1;
const MEMBERS = ['by', 'id', 'name', 'reason', 'rule', 'scope', 'since_micros', 'window_seconds'];

/** The text that is stored. */
export function blocksText({ blocks, lifted }: StoredBlocks): string {
  return canonicalSorted({ cmcp_blocks: FORM, blocks: blocks.map(rowOf), lifted: [...lifted] });
}

/** Reads what {@link blocksText} wrote. @throws GatewayError STORE_INVALID: what is not understood could hide a block */
export function readBlocks(text: string): StoredBlocks {
  const { blocks, lifted } = storedObject(text);
  const rows = Array.isArray(blocks) ? blocks.map(blockIn) : [];
  const ids = Array.isArray(lifted) ? lifted.filter((id) => typeof id === 'string') : [];
  const stored = { blocks: rows.filter((row) => row !== null), lifted: ids };
  // Whatever was left out, added or spelled otherwise shows here.
  if (blocksText(stored) === text) return stored;
  throw new GatewayError('STORE_INVALID', 'what an audit store of the data folder remembers as stopped cannot be read');
}

function rowOf({ windowSeconds, sinceMicros, ...block }: Block): JsonObject {
  return { ...block, since_micros: sinceMicros, window_seconds: windowSeconds };
}

function blockIn(value: JsonValue): Block | null {
  if (!isObject(value) || Object.keys(value).sort().join() !== MEMBERS.join()) return null;
  const text = (name: string): string => {
    const given = member(value, name);
    return typeof given === 'string' ? given : '';
  };
  const scope = SCOPES.find((each) => each === text('scope'));
  const rule = RULES.find((each) => each === text('rule')) ?? null;
  const since = member(value, 'since_micros');
  const window = member(value, 'window_seconds');
  if (scope === undefined || typeof since !== 'number') return null;
  const words = { id: text('id'), name: text('name'), reason: text('reason'), by: text('by') };
  return { ...words, scope, rule, sinceMicros: since, windowSeconds: typeof window === 'number' ? window : null };
}
