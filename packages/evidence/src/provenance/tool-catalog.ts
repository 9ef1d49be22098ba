import { digest } from '../crypto/sha256.ts';
import { FormatError } from '../format-error.ts';
import { canonicalSorted } from '../json/canonical.ts';
import { JsonError } from '../json/error.ts';
import { isObject, type JsonObject, type JsonValue, member } from '../json/value.ts';

/**
 * The hash of the tools that a server offers (wire-formats section 15): name, description and input schema of each, sorted by
 * name. Numbers must still have their lexemes, as `parseJson` keeps them.
 *
 * @param tools the `tools` of `tools/list`, all pages
 * @throws FormatError when one of them has no name, or holds what JSON cannot carry exactly
 */
export function toolCatalogHash(tools: readonly JsonValue[]): string {
  const listed = tools.map(listedTool).sort(byName);
  try {
    return digest(canonicalSorted(listed));
  } catch (error) {
    if (error instanceof JsonError) throw new FormatError(`the tools of the server have no hash: ${error.message}`);
    throw error;
  }
}

function listedTool(tool: JsonValue, i: number): JsonObject & { name: string } {
  const name = isObject(tool) ? member(tool, 'name') : undefined;
  if (!isObject(tool) || typeof name !== 'string')
    throw new FormatError(`tool ${i} that the server offers has no name`);
  const schema = member(tool, 'inputSchema') ?? member(tool, 'input_schema') ?? null;
  return { name, description: member(tool, 'description') ?? null, input_schema: schema };
}

/** By code point, which in JavaScript is not the order of `<`. */
function byName(a: { name: string }, b: { name: string }): number {
  const [left, right] = [[...a.name], [...b.name]];
  for (const [i, char] of left.entries()) {
    const other = right[i];
    if (other === undefined) return 1;
    const difference = (char.codePointAt(0) ?? 0) - (other.codePointAt(0) ?? 0);
    if (difference !== 0) return difference;
  }
  return left.length - right.length;
}
