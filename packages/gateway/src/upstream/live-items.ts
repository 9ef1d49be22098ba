import { isObject, type JsonValue, member } from '@cmcp/evidence';
import { GatewayError } from '../errors.ts';
import { parameterHeaders } from '../mcp/headers.ts';
import { LISTS } from '../mcp/server-lists.ts';
import type { ListKind } from '../mcp/types.ts';
import type { Listed } from './types.ts';

const ONE_OF: Record<ListKind, string> = {
  tools: 'a tool',
  resources: 'a resource',
  resourceTemplates: 'a resource template',
  prompts: 'a prompt',
};

/**
 * What of a server's list can be used, and why the rest cannot: MCP26-33 leaves out a tool that cannot be called as the
 * protocol demands, and of two items under one name neither is offered, since which one is meant cannot be known.
 */
export function usableItems(kind: ListKind, found: JsonValue[]): { items: Listed[]; leftOut: string[] } {
  const byKey = new Map<string, Listed | null>();
  const leftOut: string[] = [];
  for (const value of found) {
    const item = readItem(kind, value);
    if (typeof item === 'string') {
      leftOut.push(item);
      continue;
    }
    const twice = byKey.has(item.key);
    if (twice) leftOut.push(`${item.key}: listed twice`);
    byKey.set(item.key, twice ? null : item);
  }
  return { items: [...byKey.values()].filter((item) => item !== null), leftOut };
}

/** The item, or the reason why it is not offered. */
function readItem(kind: ListKind, value: JsonValue): Listed | string {
  const key = isObject(value) ? member(value, LISTS[kind].key) : undefined;
  if (!isObject(value) || typeof key !== 'string' || key === '') return `${ONE_OF[kind]} without a ${LISTS[kind].key}`;
  const item = { key, definition: value };
  return kind === 'tools' ? callable(item) : item;
}

function callable(tool: Listed): Listed | string {
  const schema = member(tool.definition, 'inputSchema');
  if (!isObject(schema)) return `${tool.key}: no input schema`;
  try {
    parameterHeaders(schema);
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error;
    return `${tool.key}: ${error.detail}`;
  }
  return tool;
}
