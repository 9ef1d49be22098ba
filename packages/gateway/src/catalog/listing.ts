import { createHash } from 'node:crypto';
import type { JsonObject } from '@cmcp/evidence';
import { GatewayError } from '../errors.ts';
import type { ToolPage } from '../mcp/types.ts';
import type { Catalog } from './types.ts';

/** Tools on one page; the order is the catalog's, so it is the same for every connection (MCP26-22). */
const PAGE_SIZE = 200;

/**
 * A page of approved definitions under their exposed names. A cursor names its catalog, so that one from before an
 * activation, or an invented one, is refused with INVALID_PARAMS instead of skipping tools (MCP26-24).
 */
export function toolPage(catalog: Catalog, cursor: string | null): ToolPage {
  const start = cursor === null ? 0 : position(catalog, cursor);
  const page = catalog.tools.slice(start, start + PAGE_SIZE);
  const next = start + PAGE_SIZE;
  return {
    tools: page.map((tool): JsonObject => ({ ...tool.definition, name: tool.exposedName })),
    nextCursor: next < catalog.tools.length ? cursorFor(catalog, next) : null,
  };
}

function position(catalog: Catalog, cursor: string): number {
  for (let start = PAGE_SIZE; start < catalog.tools.length; start += PAGE_SIZE) {
    if (cursor === cursorFor(catalog, start)) return start;
  }
  throw new GatewayError('INVALID_PARAMS', 'unknown cursor');
}

function cursorFor(catalog: Catalog, start: number): string {
  return createHash('sha256').update(`${catalog.hash}|${start}`).digest('base64url').slice(0, 22);
}
