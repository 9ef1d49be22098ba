import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  type Approved,
  catalogWith,
  promptRecord,
  resourceRecord,
  templateRecord,
} from '../../../../tests/support/catalog.ts';
import { toolRecord } from '../../../../tests/support/policy.ts';
import { GatewayError } from '../errors.ts';
import type { ListKind } from '../mcp/types.ts';
import { type Listable, listPage } from './listing.ts';
import type { Catalog } from './types.ts';

const KINDS: readonly ListKind[] = ['tools', 'resources', 'resourceTemplates', 'prompts'];
const all = (): boolean => true;

const many = <T>(count: number, record: (name: string) => T): T[] =>
  Array.from({ length: count }, (_, index) => record(`item_x${index}x`));

/** `count` of every kind. */
function full(count: number, instructions = ''): Catalog {
  const approved: Approved = {
    tools: many(count, (name) => toolRecord(name)),
    resources: [
      ...many(count, (name) => resourceRecord(name, `x:/${name}`)),
      ...many(count, (name) => templateRecord(`t_${name}`, `x:/${name}/{id}`)),
    ],
    prompts: many(count, (name) => promptRecord(name)),
    servers: { local: { instructions } },
  };
  return catalogWith(approved);
}

function pages(catalog: Catalog, kind: ListKind, visible: (item: Listable) => boolean = all): string[][] {
  const found: string[][] = [];
  let cursor: string | null = null;
  do {
    const page: ReturnType<typeof listPage> = listPage(catalog, kind, visible, cursor);
    found.push(page.items.map(({ name }) => String(name)));
    cursor = page.nextCursor;
  } while (cursor !== null);
  return found;
}

const invalid = (error: unknown): boolean => error instanceof GatewayError && error.code === 'INVALID_PARAMS';

test('all pages together are everything of the kind once, in one order for everybody [MCP26-22] [MCP26-24]', () => {
  for (const count of [0, 1, 199, 200, 201, 400, 401]) {
    const catalog = full(count);
    for (const kind of KINDS) {
      const found = pages(catalog, kind);
      assert.equal(new Set(found.flat()).size, count);
      assert.deepEqual(found.flat(), found.flat().toSorted());
      assert.ok(found.every((page) => page.length <= 200 && (count === 0 || page.length > 0)));
      assert.deepEqual(pages(catalog, kind), found);
    }
  }
});

test('a page shows approved definitions, under exposed names and URIs', () => {
  const catalog = catalogWith({
    tools: [toolRecord('query', { alias: 'ask', upstream_name: 'q' })],
    resources: [resourceRecord('readme', 'x:/readme'), templateRecord('notes', 'x:/notes/{id}')],
    prompts: [promptRecord('greet', { alias: 'hello' })],
  });
  const shown = KINDS.map((kind) => listPage(catalog, kind, all, null).items);
  assert.deepEqual(shown, [
    [{ description: 'Does query.', inputSchema: { type: 'object', properties: {} }, name: 'ask' }],
    [{ uri: 'x:/readme', name: 'The readme' }],
    [{ uriTemplate: 'x:/notes/{id}', name: 'notes' }],
    [{ description: 'Says greet.', arguments: [{ name: 'topic', required: true }], name: 'hello' }],
  ]);
});

test('a page shows what the caller may use, on every page [LIFE-10]', () => {
  const catalog = full(401);
  const odd = ({ name }: Listable): boolean => /[13579]x$/.test(name);
  for (const kind of KINDS) {
    const found = pages(catalog, kind, odd).flat();
    assert.equal(found.length, 200);
    assert.ok(found.every((name) => /[13579]x$/.test(name)));
    assert.deepEqual(
      pages(catalog, kind, () => false),
      [[]],
    );
  }
});

test('a cursor of another catalog, kind or caller, or an invented one, is refused instead of skipping [MCP26-24] [MCP26-22]', () => {
  const catalog = full(401);
  const cursor = (kind: ListKind, visible: (item: Listable) => boolean = all): string => {
    const { nextCursor } = listPage(catalog, kind, visible, null);
    assert.ok(nextCursor !== null);
    return nextCursor;
  };
  const butOne = ({ name }: Listable): boolean => !name.endsWith('_x400x');
  for (const kind of KINDS) {
    assert.equal(listPage(catalog, kind, all, cursor(kind)).items.length, 200);
    assert.throws(() => listPage(full(402), kind, all, cursor(kind)), invalid);
    assert.throws(() => listPage(full(3), kind, all, cursor(kind)), invalid);
    assert.throws(() => listPage(full(401, 'Be kind.'), kind, all, cursor(kind)), invalid);
    assert.throws(() => listPage(catalog, kind, butOne, cursor(kind)), invalid);
    assert.throws(() => listPage(catalog, kind, all, cursor(kind, butOne)), invalid);
    for (const other of KINDS) {
      if (other !== kind) assert.throws(() => listPage(catalog, other, all, cursor(kind)), invalid);
    }
    assert.throws(() => listPage(catalog, kind, all, ''), invalid);
  }
  fc.assert(
    fc.property(fc.string(), (invented) => {
      assert.throws(() => listPage(catalog, 'tools', all, invented), invalid);
    }),
    { numRuns: 50 },
  );
});
