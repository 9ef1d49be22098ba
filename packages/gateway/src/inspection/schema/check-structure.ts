import { isObject, type JsonObject, type JsonValue, member } from '@cmcp/evidence';
import type { SchemaMode } from '../types.ts';
import { copiesReplaced } from './copies.ts';
import type { Structure } from './structure.ts';
import { type Stripped, stripped } from './surplus.ts';

/** What came of holding an answer against its approved form. */
export interface StructureCheck {
  /** The answer; in mode `redact` without what is surplus, and without copies of that. The same object where nothing was left out. */
  result: JsonObject;
  /** Members that no one approved. In mode `strict` one of them denies. */
  surplus: number;
  /** Where in the approved schema the answer does not fit; names of the schema alone, never the answer's. Null: it fits. */
  violation: string | null;
}

/**
 * Holds a tool's result against the approved schema of its structured content (MCP26-37). Members that no one approved are dealt
 * with as `mode` says; any other difference is a violation in every mode, and so is a missing structure. What an error carries
 * need not be there, and where it is of another form than the approved, all of it is surplus.
 */
export function checkStructure(structure: Structure, result: JsonObject, mode: SchemaMode): StructureCheck {
  const structured = member(result, 'structuredContent');
  const isError = member(result, 'isError') === true;
  if (structured === undefined)
    return { result, surplus: 0, violation: isError ? null : 'structuredContent is missing' };
  const left = stripped(structure, structured);
  const violation = structure.check(left.value);
  if (violation !== null && isError) return withoutStructure(result, structured, mode);
  const surplus = left.count;
  return { result: mode === 'redact' && surplus > 0 ? rewritten(result, left) : result, surplus, violation };
}

/** The same for a task: its result is a tool's, once it is there. */
export function checkTaskStructure(structure: Structure, task: JsonObject, mode: SchemaMode): StructureCheck {
  const result = member(task, 'result');
  if (!isObject(result)) return { result: task, surplus: 0, violation: null };
  const checked = checkStructure(structure, result, mode);
  return checked.result === result
    ? { ...checked, result: task }
    : { ...checked, result: { ...task, result: checked.result } };
}

function rewritten({ structuredContent: _, ...others }: JsonObject, { value, changed }: Stripped): JsonObject {
  const rest = copiesReplaced(others, changed) as JsonObject;
  return { ...rest, structuredContent: value };
}

const NO_STRUCTURE: JsonValue = {};

function withoutStructure(result: JsonObject, structured: JsonValue, mode: SchemaMode): StructureCheck {
  const { structuredContent: _, ...others } = result;
  const surplus = isObject(structured) ? Math.max(1, Object.keys(structured).length) : 1;
  if (mode !== 'redact') return { result, surplus, violation: null };
  return {
    result: copiesReplaced(others, new Map([[structured, NO_STRUCTURE]])) as JsonObject,
    surplus,
    violation: null,
  };
}
