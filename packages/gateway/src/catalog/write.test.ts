import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type JsonObject, stringifyJson } from '@cmcp/evidence';
import fc from 'fast-check';
import { comparePin } from './drift.ts';
import { parseCatalog } from './load.ts';
import { catalogFromListings, type ListedServer } from './write.ts';

const definition = (name: string, members: JsonObject = {}) => ({
  name,
  definition: { name, inputSchema: { type: 'object' }, ...members },
});

function stdio(id: string, ...tools: ListedServer['tools']): ListedServer {
  const transport = {
    kind: 'stdio' as const,
    command: '/usr/bin/serve',
    args: ['--quiet'],
    binaryDigest: null,
    measureTarget: null,
  };
  return { id, displayName: `The ${id}`, transport, tools };
}

function http(id: string, ...tools: ListedServer['tools']): ListedServer {
  return { id, transport: { kind: 'http', url: 'https://tools.example/mcp', tlsFingerprint: null }, tools };
}

const load = (servers: ListedServer[]) => parseCatalog(stringifyJson(catalogFromListings(servers)), 'catalog.json');

test('what servers offer becomes a catalog that loads and holds them to it', () => {
  const read = definition('read', { annotations: { readOnlyHint: true }, title: 'Read' });
  const servers = [stdio('files', read, definition('write')), http('mail', definition('send'))];
  const catalog = load(servers);
  const summary = catalog.tools.map((tool) => [tool.name, tool.server.id, tool.effects, tool.destinationClass]);
  assert.deepEqual(summary, [
    ['read', 'files', 'read', 'internal'],
    ['send', 'mail', 'write', 'external'],
    ['write', 'files', 'write', 'internal'],
  ]);
  for (const tool of catalog.tools) assert.equal(tool.sensitivity, 'public');
  const live = catalog.resolve('read');
  assert.ok(live);
  assert.deepEqual(comparePin(live, read.definition), { kind: 'same' });
  assert.equal(live.server.displayName, 'The files');
});

test('only an explicit read-only hint suggests read [MCP25-17]', () => {
  const hints = [{ readOnlyHint: 'true' }, { readOnlyHint: false }, {}, null, 'read'];
  const tools = hints.map((annotations, index) => definition(`tool_${'abcde'[index]}`, { annotations }));
  for (const tool of load([stdio('files', ...tools)]).tools) assert.equal(tool.effects, 'write', tool.name);
});

test('equal and look-alike names of two servers are both prefixed, none shadows [LIFE-07] [MCP26-43] [NSA-5]', () => {
  const servers = [stdio('one', definition('search'), definition('item')), http('two', definition('Search'))];
  const names = load(servers).tools.map((tool) => [tool.name, tool.upstreamName]);
  assert.deepEqual(names, [
    ['item', 'item'],
    ['one__search', 'search'],
    ['two__Search', 'Search'],
  ]);
});

test('names that the catalog cannot hold are mapped, and the server still gets its own', () => {
  const catalog = load([stdio('one', definition('поиск'), definition('call_tool'), definition('has space'))]);
  assert.deepEqual(
    catalog.tools.map((tool) => [tool.exposedName, tool.upstreamName]).sort(),
    [
      ['one___', 'поиск'],
      ['one__call_tool', 'call_tool'],
      ['one__has_space', 'has space'],
    ].sort(),
  );
});

test('one tool listed twice is one tool; two different ones under one name are refused', () => {
  assert.equal(load([stdio('one', definition('a'), definition('a'))]).tools.length, 1);
  assert.throws(() => catalogFromListings([stdio('one', definition('a'), definition('a', { title: 'x' }))]), {
    code: 'CATALOG_INVALID',
  });
});

test('whatever servers call their tools, the catalog loads and every tool is there once', () => {
  const name = fc.oneof(
    fc.string({ unit: fc.constantFrom(...'abIl10Omrnvw_.-'), minLength: 1, maxLength: 4 }),
    fc.string({ unit: 'grapheme', minLength: 1, maxLength: 70 }),
  );
  const names = fc.uniqueArray(name, { maxLength: 8 });
  fc.assert(
    fc.property(names, names, (first, second) => {
      const servers = [
        stdio('one', ...first.map((n) => definition(n))),
        http('two', ...second.map((n) => definition(n))),
      ];
      const tools = load(servers).tools.map((tool) => `${tool.server.id}\n${tool.upstreamName}`);
      const offered = [...first.map((n) => `one\n${n}`), ...second.map((n) => `two\n${n}`)];
      assert.deepEqual(tools.sort(), offered.sort());
    }),
    { numRuns: 200 },
  );
});
