import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { catalogOf, toolRecord } from '../../../../tests/support/policy.ts';
import { GatewayError } from '../errors.ts';
import { toolPage } from './listing.ts';
import type { Catalog } from './types.ts';

const named = (count: number): Catalog =>
  catalogOf(...Array.from({ length: count }, (_, index) => toolRecord(`tool_x${index}x`)));

function pages(catalog: Catalog): string[][] {
  const found: string[][] = [];
  let cursor: string | null = null;
  do {
    const page = toolPage(catalog, cursor);
    found.push(page.tools.map((tool) => String(tool.name)));
    cursor = page.nextCursor;
  } while (cursor !== null);
  return found;
}

const invalid = (error: unknown): boolean => error instanceof GatewayError && error.code === 'INVALID_PARAMS';

test('all pages together are every tool once, in one order for everybody [MCP26-22] [MCP26-24]', () => {
  for (const count of [1, 199, 200, 201, 400, 401]) {
    const catalog = named(count);
    const found = pages(catalog);
    assert.deepEqual(
      found.flat(),
      catalog.tools.map((tool) => tool.exposedName),
    );
    assert.ok(found.every((page) => page.length > 0 && page.length <= 200));
    assert.deepEqual(pages(catalog), found);
  }
});

test('a page shows approved definitions under exposed names', () => {
  const catalog = catalogOf(toolRecord('query', { alias: 'ask', upstream_name: 'q' }));
  const [shown] = toolPage(catalog, null).tools;
  assert.deepEqual(shown, { ...catalog.tools[0]?.definition, name: 'ask' });
});

test('an invented cursor, and one from before an activation, is refused instead of skipping tools [MCP26-24]', () => {
  const catalog = named(401);
  const first = toolPage(catalog, null).nextCursor;
  assert.ok(first);
  assert.throws(() => toolPage(named(402), first), invalid);
  assert.throws(() => toolPage(named(3), first), invalid);
  fc.assert(
    fc.property(fc.string(), (cursor) => {
      assert.throws(() => toolPage(catalog, cursor), invalid);
    }),
  );
  assert.throws(() => toolPage(catalog, ''), invalid);
});
