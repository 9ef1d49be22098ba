import assert from 'node:assert/strict';
import { test } from 'node:test';
import { JsonNumber, type JsonObject, stringifyJson } from '@cmcp/evidence';
import fc from 'fast-check';
import { listed } from '../../../../tests/support/offering-server.ts';
import { comparePin } from './drift.ts';
import { parseCatalog } from './load.ts';
import type { ListedServer } from './offer.ts';
import { catalogFromListings } from './write.ts';

const definition = (name: string, members: JsonObject = {}): JsonObject => ({
  name,
  inputSchema: { type: 'object' },
  ...members,
});

/** What a server offers, by kind, as definitions. */
interface Offers {
  tools?: JsonObject[];
  resources?: JsonObject[];
  resourceTemplates?: JsonObject[];
  prompts?: JsonObject[];
  instructions?: string;
}

function offered({ tools, resources, resourceTemplates, prompts, instructions }: Offers) {
  return {
    offered: {
      tools: listed('tools', ...(tools ?? [])),
      resources: listed('resources', ...(resources ?? [])),
      resourceTemplates: listed('resourceTemplates', ...(resourceTemplates ?? [])),
      prompts: listed('prompts', ...(prompts ?? [])),
    },
    instructions: instructions ?? null,
  };
}

function stdioOf(id: string, offers: Offers): ListedServer {
  const transport = {
    kind: 'stdio' as const,
    command: '/usr/bin/serve',
    args: ['--quiet'],
    binaryDigest: null,
    measureTarget: null,
  };
  return { id, displayName: `The ${id}`, transport, ...offered(offers) };
}

function httpOf(id: string, offers: Offers): ListedServer {
  const transport = { kind: 'http' as const, url: 'https://tools.example/mcp', tlsFingerprint: null };
  return { id, transport, ...offered(offers) };
}

const stdio = (id: string, ...tools: JsonObject[]) => stdioOf(id, { tools });
const http = (id: string, ...tools: JsonObject[]) => httpOf(id, { tools });

const load = (servers: ListedServer[]) =>
  parseCatalog(stringifyJson(catalogFromListings(servers).catalog), 'catalog.json');

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
  assert.deepEqual(comparePin(live, read), { kind: 'same' });
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

test('what is listed twice and equal is one; of what is listed twice and differs, neither is approved', () => {
  assert.equal(load([stdio('one', definition('a'), definition('a'))]).tools.length, 1);
  const { catalog, leftOut } = catalogFromListings([
    stdio('one', definition('a'), definition('a', { title: 'x' }), definition('b')),
  ]);
  assert.deepEqual(
    (catalog.tools as JsonObject[]).map(({ name }) => name),
    ['b'],
  );
  assert.deepEqual(
    leftOut.map(({ server, kind, key }) => [server, kind, key]),
    [['one', 'tools', 'a']],
  );
  assert.match(leftOut[0]?.reason ?? '', /offered twice/);
});

test('resources, templates, prompts and instructions are approved as they are, and no server may ask anything', () => {
  const readme = { uri: 'file:///readme.md', name: 'readme', mimeType: 'text/markdown' };
  const notes = { uriTemplate: 'note:///{id}', name: 'A note', title: 'Notes' };
  const greet = { name: 'greet', arguments: [{ name: 'topic' }] };
  const servers = [
    stdioOf('files', { resources: [readme], instructions: 'Be kind.' }),
    httpOf('notes', { resourceTemplates: [notes], prompts: [greet], instructions: '' }),
  ];
  const catalog = load(servers);
  assert.deepEqual(
    catalog.resources.map(({ name, server, definition: shown, contentDigest, destinationClass, sensitivity }) => {
      return [name, server.id, shown, contentDigest, destinationClass, sensitivity];
    }),
    [
      ['readme', 'files', readme, null, 'internal', 'public'],
      ['notes__A_note', 'notes', notes, null, 'external', 'public'],
    ],
  );
  const [prompt] = catalog.prompts;
  assert.ok(prompt);
  assert.equal(prompt.contentDigest, null);
  assert.deepEqual(comparePin(prompt, greet), { kind: 'same' });
  assert.deepEqual(
    catalog.servers.map(({ instructions, asks }) => [instructions, asks]),
    [
      ['Be kind.', []],
      [null, []],
    ],
  );
  assert.deepEqual(catalogFromListings(servers).leftOut, []);
});

test('resources of one name are told apart by their URIs, in any order', () => {
  const resources = ['a', 'b'].map((folder) => ({ uri: `file:///${folder}/README.md`, name: 'README.md' }));
  const names = (offers: JsonObject[]): string[] =>
    load([stdioOf('one', { resources: offers })]).resources.map(({ name }) => name);
  assert.equal(new Set(names(resources)).size, 2);
  assert.deepEqual(names(resources), names(resources.toReversed()));
  for (const name of names(resources)) assert.match(name, /^one__README_md_[0-9a-f]{8}$/);
});

test('a URI or template that two servers offer is approved of the first, and it is said how to approve the other [LIFE-07]', () => {
  const [first, second] = ['one', 'two'].map((id) =>
    stdioOf(id, {
      resources: [{ uri: 'file:///shared', name: 'shared' }],
      resourceTemplates: [{ uriTemplate: `note:///{${id}}`, name: 'notes' }],
    }),
  );
  assert.ok(first && second);
  const { leftOut } = catalogFromListings([first, second]);
  assert.deepEqual(
    load([first, second]).resources.map(({ server }) => server.id),
    ['one', 'one'],
  );
  assert.deepEqual(
    leftOut.map(({ server, kind, key }) => [server, kind, key]),
    [
      ['two', 'resources', 'file:///shared'],
      ['two', 'templates', 'note:///{two}'],
    ],
  );
  for (const { reason } of leftOut) assert.match(reason, /server "one" offers it too.*"server": "two"/);
});

test('what the catalog could not hold is left out alone, with the reason', () => {
  const icons = [{ src: 'http://x/i.png' }];
  const { catalog, leftOut } = catalogFromListings([
    stdioOf('one', {
      tools: [definition('good'), definition('icon', { icons }), { name: 'bare' }, definition('n'.repeat(257))],
      resources: [
        { uri: 'file:///good', name: 'good' },
        { uri: 'file:///my file', name: 'space' },
        { uri: 'readme.md', name: 'relative' },
        { uri: 'file:///a/../b', name: 'dots' },
        { uri: 'file:///nameless' },
        { uri: 'FILE:///good', name: 'again' },
        { uri: 'file:///number', name: 'number', _meta: { n: new JsonNumber('1e999') } },
      ],
      resourceTemplates: [
        { uriTemplate: '{+anything}', name: 'anything' },
        { uriTemplate: 'x:/{', name: 'broken' },
      ],
      prompts: [{ name: 'good' }, { name: 'bad', arguments: [{}] }],
      instructions: 'x'.repeat(70_000),
    }),
  ]);
  parseCatalog(stringifyJson(catalog), 'catalog.json');
  const kept = [catalog.tools, catalog.resources, catalog.prompts].map((list) => (list as JsonObject[]).length);
  assert.deepEqual(kept, [1, 1, 1]);
  const expected: [string, string | null, RegExp][] = [
    ['instructions', null, /longer than/],
    ['tools', 'icon', /https/],
    ['tools', 'bare', /inputSchema/],
    ['tools', 'n'.repeat(257), /256 characters/],
    ['resources', 'file:///my file', /percent-encoded/],
    ['resources', 'readme.md', /scheme/],
    ['resources', 'file:///a/../b', /segment/],
    ['resources', 'file:///nameless', /name/],
    ['resources', 'FILE:///good', /another spelling/],
    ['resources', 'file:///number', /canonical form/],
    ['templates', '{+anything}', /scheme/],
    ['templates', 'x:/{', /pair/],
    ['prompts', 'bad', /name/],
  ];
  assert.deepEqual(
    leftOut.map(({ kind, key }) => [kind, key]),
    expected.map(([kind, key]) => [kind, key]),
  );
  for (const [index, [, , says]] of expected.entries()) assert.match(leftOut[index]?.reason ?? '', says);
});

test('what is more than a catalog holds is left out', () => {
  const resourceTemplates = Array.from({ length: 1002 }, (_, index) => ({ uriTemplate: `x${index}:{a}`, name: 'x' }));
  const { catalog, leftOut } = catalogFromListings([stdioOf('one', { resourceTemplates })]);
  assert.equal((catalog.resources as JsonObject[]).length, 1000);
  assert.deepEqual(
    leftOut.map(({ key, reason }) => [key, /at most 1000/.test(reason)]),
    [
      ['x1000:{a}', true],
      ['x1001:{a}', true],
    ],
  );
  const resources = Array.from({ length: 10_001 }, (_, index) => ({ uri: `x:${index}`, name: 'x' }));
  const crowded = catalogFromListings([stdioOf('one', { resources })]);
  assert.deepEqual(
    crowded.leftOut.map(({ key }) => key),
    ['x:10000'],
  );
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

test('whatever servers call their resources, the catalog loads and holds each that it can', () => {
  const text = fc.string({ unit: fc.constantFrom(...'abI1l0O. /é{}?%'), maxLength: 6 });
  const resource = fc.record({ uri: text.map((rest) => `x:/${rest}`), name: text });
  const template = fc.record({ uriTemplate: text.map((rest) => `x:/${rest}{v}`), name: text });
  const offers = fc.record({ resources: fc.array(resource), resourceTemplates: fc.array(template) });
  fc.assert(
    fc.property(offers, offers, (first, second) => {
      const servers = [stdioOf('one', first), httpOf('two', second)];
      const { catalog, leftOut } = catalogFromListings(servers);
      const approved = parseCatalog(stringifyJson(catalog), 'catalog.json').resources.length;
      const distinct = [first, second].flatMap((each) => {
        return [
          ...new Set(each.resources.map(({ uri }) => uri)),
          ...new Set(each.resourceTemplates.map(({ uriTemplate }) => uriTemplate)),
        ];
      });
      assert.equal(approved + leftOut.length, distinct.length);
    }),
    { numRuns: 200 },
  );
});
