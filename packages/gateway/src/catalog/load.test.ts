import assert from 'node:assert/strict';
import { mkdir, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { type JsonObject, type JsonValue, stringifyJson } from '@cmcp/evidence';
import fc from 'fast-check';
import {
  catalogOf,
  catalogRecord,
  referenceCatalog,
  referenceEntry,
  temporaryFolder,
  toolRecord,
} from '../../../../tests/support/policy.ts';
import { GatewayError } from '../errors.ts';
import { sensitivityRanks } from '../policy/sensitivity.ts';
import { loadCatalog, parseCatalog } from './load.ts';

/** The reference's minimal example: its definition_hash and catalog_hash are in wire-formats section 23. */
const MINIMAL_ECHO: JsonObject = {
  tool_name: 'echo',
  server: {
    display_name: 'Echo MCP Server (mock)',
    url: 'http://localhost:9001/mcp',
    tls_fingerprint: 'SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=',
    transport: 'http-sse',
  },
  approved_definition: {
    description: 'Returns its input unchanged. For testing only.',
    input_schema: { type: 'object', properties: { message: { type: 'string' } } },
    output_schema: { type: 'object', properties: { message: { type: 'string' } } },
  },
  compliance_domain: 'public',
  requires_baa: false,
  sensitivity_level: 'public',
  added_at: '2026-06-04T00:00:00Z',
  approved_by: 'developer@example.com',
  definition_hash: 'sha256:130436578985268754fd1925a01a7a12e2f94bcfd439f4f43050f816f866e8d6',
};

/** Asserts that `action` refuses the catalog and says all of `words`. */
function refused(action: () => unknown, ...words: string[]): void {
  assert.throws(action, (error) => {
    assert.ok(error instanceof GatewayError, String(error));
    assert.equal(error.code, 'CATALOG_INVALID');
    for (const word of words) assert.ok(error.detail.includes(word), `"${error.detail}" does not say "${word}"`);
    return true;
  });
}

const parse = (value: JsonValue) => parseCatalog(stringifyJson(value), 'catalog.json');

test('the reference form hashes as the reference hashes it, and its pin is its drift digest [C-37] [C-08]', () => {
  const catalog = parse([MINIMAL_ECHO]);
  assert.equal(catalog.form, 'reference');
  assert.equal(catalog.hash, 'sha256:d7fc3e42744ea15a93f6c7309c08722bec66939c55338bafec0774ee63ac8b00');
  const [echo] = catalog.tools;
  assert.deepEqual(echo?.pin, {
    kind: 'reference',
    digest: 'sha256:130436578985268754fd1925a01a7a12e2f94bcfd439f4f43050f816f866e8d6',
  });
  assert.equal(echo?.server.transport.kind === 'http' && echo.server.transport.tlsFingerprint, null);
  assert.equal(echo?.effects, 'write');
  assert.equal(echo?.destinationClass, 'external');
});

test('the reference hash depends neither on the order of entries nor on defaults that are left out', () => {
  const [a, b] = [referenceEntry('alpha'), referenceEntry('beta')];
  assert.equal(parse([a, b]).hash, parse([b, a]).hash);
  assert.notEqual(parse([a]).hash, parse([{ ...a, requires_baa: false }]).hash);
});

test('a reference tool whose name clients refuse is shown under a safe name and answers to both', () => {
  const catalog = referenceCatalog(referenceEntry('crm.query'), referenceEntry('echo'));
  assert.deepEqual(
    catalog.tools.map(({ exposedName }) => exposedName),
    ['echo', 'echo_server__crm_query'],
  );
  assert.equal(catalog.resolve('crm.query'), catalog.resolve('echo_server__crm_query'));
  assert.equal(catalog.resolve('crm.query')?.upstreamName, 'crm.query');
});

test('a name resolves exactly or not at all: no case, space, or look-alike variant does [D-14] [ATK-04]', () => {
  const catalog = catalogOf(toolRecord('read_file'));
  assert.ok(catalog.resolve('read_file'));
  const variants = [
    'Read_File',
    'read_file ',
    ' read_file',
    'read_file\u200b',
    'reаd_file',
    'ｒead_file',
    'read_ﬁle',
    '',
  ];
  for (const name of variants) assert.equal(catalog.resolve(name), null, JSON.stringify(name));
  for (const name of ['__proto__', 'constructor', 'toString']) assert.equal(catalog.resolve(name), null);
});

test('names that are equal, or look equal, are refused at load with both named [G17] [ATK-04] [D-14] [LIFE-07]', () => {
  const pairs: [string, string][] = [
    ['search', 'search'],
    ['search', 'Search'],
    ['item', 'ltem'.replace('l', 'I')],
    ['col', 'co1'],
    ['form', 'forrn'],
    ['wave', 'vvave'],
    ['list_o', 'list_0'],
  ];
  for (const [a, b] of pairs) refused(() => catalogOf(toolRecord(a), toolRecord(b)), `"${a}"`, `"${b}"`, 'rename');
  refused(() => referenceCatalog(referenceEntry('a.b'), referenceEntry('a.b')), '/1', 'collides');
});

test('an alias may not take the name of another tool [G17]', () => {
  refused(() => catalogOf(toolRecord('read'), toolRecord('other', { alias: 'READ' })), '"READ"', '"read"');
});

test('catalog names may not collide behind different aliases either: policies and entries use them [G17]', () => {
  refused(() => catalogOf(toolRecord('read', { alias: 'one' }), toolRecord('Read', { alias: 'two' })), '"Read"');
});

test('a name outside printable ASCII is refused, and the message says how to map it [D-14]', () => {
  for (const name of ['sеarch', 'search ', 'se arch', 'ｓearch', 'search\u200b', 'ﬁnd', '', 'x'.repeat(129)]) {
    refused(() => catalogOf(toolRecord(name)), '/tools/0/name', 'ASCII', 'upstream_name');
  }
  const mapped = catalogOf(toolRecord('search', { upstream_name: 'поиск' }));
  assert.equal(mapped.resolve('search')?.upstreamName, 'поиск');
});

test('exposed names are what clients accept, unique, and the same in any order of the file [MCP26-43]', () => {
  const name = fc.string({ unit: fc.constantFrom(...'ab.:/_-AZ09'), minLength: 1, maxLength: 80 });
  fc.assert(
    fc.property(fc.uniqueArray(name, { maxLength: 12 }), (names) => {
      const tools = names.map((each) => toolRecord(each));
      let catalog: ReturnType<typeof catalogOf>;
      try {
        catalog = catalogOf(...tools);
      } catch (error) {
        assert.ok(error instanceof GatewayError && error.code === 'CATALOG_INVALID');
        return;
      }
      const shown = catalog.tools.map(({ exposedName }) => exposedName);
      for (const each of shown) assert.match(each, /^[a-zA-Z0-9_-]{1,64}$/);
      assert.equal(new Set(shown.map((each) => each.toLowerCase())).size, shown.length);
      assert.deepEqual(
        catalogOf(...tools.toReversed()).tools.map((tool) => [tool.name, tool.exposedName]),
        catalog.tools.map((tool) => [tool.name, tool.exposedName]),
      );
    }),
    { numRuns: 200 },
  );
});

test('servers with one label and different records are different servers [D-24]', () => {
  const other = { ...(referenceEntry('b').server as JsonObject), url: 'http://localhost:9002/mcp' };
  const catalog = referenceCatalog(referenceEntry('a'), referenceEntry('b', { server: other }), referenceEntry('c'));
  assert.equal(catalog.servers.length, 2);
  assert.notEqual(catalog.resolve('a')?.server.id, catalog.resolve('b')?.server.id);
  assert.equal(catalog.resolve('a')?.server, catalog.resolve('c')?.server);
  assert.equal(catalog.resolve('a')?.server.displayName, catalog.resolve('b')?.server.displayName);
});

test('a definition that does not hash to its definition_hash is refused', () => {
  const definition = { description: 'Repeats!', input_schema: {} };
  refused(() => referenceCatalog(referenceEntry('echo', { approved_definition: definition })), '/0/definition_hash');
});

test('the reference form is closed: each rule of its schema refuses [C-37]', () => {
  const server = referenceEntry('x').server as JsonObject;
  const cases: [JsonObject, string][] = [
    [{ tool_name: 'Echo' }, 'lower case'],
    [{ sensitivity: 'pii' }, 'sensitivity_level'],
    [{ compliance_domain: 'secret' }, '/0/compliance_domain'],
    [{ requires_baa: 'no' }, '/0/requires_baa'],
    [{ added_at: 1 }, '/0/added_at'],
    [{ server: { ...server, rotation_mode: 'key-pinned' } }, '/0/server/rotation_mode'],
    [{ server: { ...server, transport: 'websocket' } }, 'http-sse'],
    [{ server: { ...server, tls_fingerprint: 'SHA256:short' } }, '/0/server/tls_fingerprint'],
    [{ server: { ...server, url: 'ftp://x/' } }, '/0/server/url'],
    [{ server: { ...server, url: 'http://user:secret@x/' } }, 'credentials'],
    [{ server: { ...server, spiffe_id: 'x' } }, '/0/server/spiffe_id'],
    [{ server: { ...server, provenance: { record_path: 'x' } } }, 'publisher_jwk'],
    [{ approved_definition: { description: 'x', input_schema: {}, title: 'y' } }, '/0/approved_definition/title'],
    [{ approved_definition: { description: 'x' } }, 'input_schema'],
  ];
  for (const [members, says] of cases) refused(() => referenceCatalog(referenceEntry('echo', members)), says);
});

test('a stdio command of the reference form is made absolute, and one that PATH would find is refused [ATK-24]', () => {
  const withCommand = (command: string) =>
    referenceCatalog(
      referenceEntry('echo', { server: { display_name: 'x', transport: 'stdio', spawn: { command, args: ['-q'] } } }),
    ).resolve('echo')?.server;
  assert.deepEqual(withCommand('./bin/serve')?.transport, {
    kind: 'stdio',
    command: '/etc/cmcp/bin/serve',
    args: ['-q'],
    binaryDigest: null,
    measureTarget: null,
  });
  assert.equal(withCommand('/opt/serve')?.identity, '');
  refused(() => withCommand('npx'), '"npx"', '"echo"', 'absolute path');
});

test('our form keeps whole definitions and its hash does not depend on the order of its arrays', () => {
  const tools = [toolRecord('a'), toolRecord('b', { alias: 'bee', requires_baa: true, compliance_domain: 'pii' })];
  const record = catalogRecord(tools);
  const catalog = parse(record);
  assert.equal(catalog.form, 'cmcp');
  const turned = { ...record, tools: tools.toReversed(), servers: (record.servers as JsonValue[]).toReversed() };
  assert.equal(parse(turned).hash, catalog.hash);
  assert.notEqual(parse(catalogRecord([tools[0] ?? {}])).hash, catalog.hash);
  const bee = catalog.resolve('bee');
  assert.equal(bee?.name, 'b');
  assert.equal(catalog.resolve('b'), null);
  assert.deepEqual(bee?.definition, { description: 'Does b.', inputSchema: { type: 'object', properties: {} } });
  assert.deepEqual(bee?.inputSchema, { type: 'object', properties: {} });
  assert.deepEqual([bee?.requiresBaa, bee?.complianceDomain], [true, 'pii']);
});

test('the hash of our form is that of its sorted canonical text', () => {
  const empty = { catalog: 1, servers: [], tools: [], resources: [], prompts: [] };
  // SHA-256 of {"catalog":1,"prompts":[],"resources":[],"servers":[],"tools":[]}, computed with coreutils.
  assert.equal(parse(empty).hash, 'sha256:010ab275edbf4a2dd2ababa7228296f9c78b6213316c8d459f353ec74f2a13f1');
});

test('our form is closed: what is wrong, where, and what to do are said', () => {
  const definition = toolRecord('a').definition as JsonObject;
  const cases: [JsonObject, string, string][] = [
    [{ effect: 'read' }, '/tools/0/effect', 'did you mean "effects"'],
    [{ effects: 'none' }, '/tools/0/effects', '"write"'],
    [{ cost: -1 }, '/tools/0/cost', 'whole number'],
    [{ cost: '1' }, '/tools/0/cost', 'whole number'],
    [{ server: 'nowhere' }, '/tools/0/server', 'servers'],
    [{ destination_class: 'far' }, '/tools/0/destination_class', '"internal"'],
    [{ alias: 'has space' }, '/tools/0/alias', 'letters'],
    [{ definition: { ...definition, name: 'b' } }, '/tools/0/definition/name', '"a"'],
    [{ definition: { name: 'a' } }, '/tools/0/definition/inputSchema', 'object'],
    [{ definition: { ...definition, outputSchema: [] } }, '/tools/0/definition/outputSchema', 'object'],
    [{ definition: { ...definition, description: 7 } }, '/tools/0/definition/description', 'string'],
    [{ approval: { approved_by: 'x' } }, '/tools/0/approval', 'approved_at'],
    [{ approval: { approved_by: 'x', approved_at: 'y', by: 'z' } }, '/tools/0/approval/by', 'unknown'],
  ];
  for (const [members, pointer, says] of cases) refused(() => catalogOf(toolRecord('a', members)), pointer, says);
  const record = catalogRecord([]);
  refused(() => parse({ ...record, catalog: 2 }), '/catalog', 'must be 1');
  refused(() => parse({ ...record, tool: [] }), '/tool', 'did you mean "tools"');
  refused(() => parse({ ...record, prompts: {} }), '/prompts', 'array');
  refused(() => parse({ ...record, tools: 1 }), '/tools', 'array');
  for (const value of [1, null, 'x', true]) refused(() => parse(value), 'catalog.json');
});

test('a server of our form says what runs, absolutely, and holds no credentials [ATK-24]', () => {
  const spawn = { command: '/bin/x', args: [] };
  const cases: [JsonObject, string][] = [
    [{ id: 's', transport: 'stdio' }, 'must be an object'],
    [{ id: 's', transport: 'stdio', spawn: { command: 'npx' } }, 'absolute'],
    [{ id: 's', transport: 'stdio', spawn: { command: './x' } }, 'absolute'],
    [{ id: 's', transport: 'stdio', spawn, url: 'https://x/' }, 'does not belong'],
    [{ id: 's', transport: 'stdio', spawn: { ...spawn, args: [1] } }, '/servers/0/spawn/args/0'],
    [{ id: 's', transport: 'stdio', spawn: { ...spawn, args: ['a\0b'] } }, 'NUL'],
    [{ id: 's', transport: 'stdio', spawn: { ...spawn, env: {} } }, '/servers/0/spawn/env'],
    [{ id: 's', transport: 'stdio', spawn: { ...spawn, binary_digest: 'x' } }, 'binary_digest'],
    [{ id: 's p', transport: 'stdio', spawn }, '/servers/0/id'],
    [{ id: 's', transport: 'streamable-http', url: 'https://u:p@x/' }, 'credentials'],
    [{ id: 's', transport: 'streamable-http', url: '/mcp' }, 'absolute'],
    [{ id: 's', transport: 'streamable-http', url: 'https://x/#y' }, 'fragment'],
  ];
  for (const [server, says] of cases) refused(() => parse({ ...catalogRecord([]), servers: [server] }), says);
  const twice = { id: 's', transport: 'stdio', spawn };
  refused(() => parse({ ...catalogRecord([]), servers: [twice, twice] }), '/servers/1/id', 'twice');
});

test('an unknown sensitivity is refused, a configured one is ranked [D-27]', () => {
  refused(
    () => catalogOf(toolRecord('a', { sensitivity: 'secret' })),
    '/tools/0/sensitivity',
    '"secret"',
    'vocabulary',
  );
  refused(() => referenceCatalog(referenceEntry('a', { sensitivity_level: 'Public' })), '"Public"');
  const text = stringifyJson(catalogRecord([toolRecord('a', { sensitivity: 'secret' })]));
  const catalog = parseCatalog(text, 'catalog.json', sensitivityRanks({ secret: 7 }));
  assert.equal(catalog.resolve('a')?.sensitivityRank, 7);
});

test('duplicate members, however written, are refused [G4] [ATK-11]', () => {
  refused(() => parseCatalog('{"catalog":1,"catal\\u006fg":1}', 'c.json'), 'JSON', 'offset');
});

test('prototype names in a catalog are only unknown members [G6] [ATK-12]', () => {
  refused(() => parseCatalog('{"catalog":1,"__proto__":{"servers":[]},"tools":[]}', 'c.json'), '/__proto__');
  refused(() => parseCatalog('{"catalog":1,"tools":[]}', 'c.json'), '"servers" is missing');
  assert.equal(Object.hasOwn(Object.prototype, 'servers'), false);
});

test('depth, numbers and encoding are bounded [G5] [ATK-14]', () => {
  refused(() => parseCatalog('['.repeat(100_000), 'c.json'), 'c.json');
  const definition = '{"name":"a","inputSchema":{"maximum":1e999}}';
  refused(() => parseCatalog(`{"catalog":1,"servers":[],"tools":[{"definition":${definition}}]}`, 'c.json'), 'JSON');
  refused(() => parseCatalog(new Uint8Array([0x5b, 0xff, 0x5d]), 'c.json'), 'UTF-8');
});

test('a file is read without following links, and devices and folders are refused [ATK-23] [ATK-22]', async (t) => {
  const folder = await temporaryFolder(t);
  const file = join(folder, 'catalog.json');
  await writeFile(file, stringifyJson(catalogRecord([toolRecord('a')])));
  assert.equal((await loadCatalog(file)).tools.length, 1);
  await symlink(file, join(folder, 'link.json'));
  await mkdir(join(folder, 'folder.json'));
  const cases: [string, string][] = [
    ['link.json', 'symbolic link'],
    ['folder.json', 'regular file'],
    ['none.json', 'does not exist'],
  ];
  for (const [name, says] of cases) {
    await assert.rejects(loadCatalog(join(folder, name)), (error) => {
      return error instanceof GatewayError && error.code === 'CATALOG_INVALID' && error.detail.includes(says);
    });
  }
  await assert.rejects(loadCatalog('/dev/zero'), /regular file/);
});

test('a file that is too large, or grows while it is read, is refused before it is parsed [G5] [ATK-23]', async (t) => {
  const file = join(await temporaryFolder(t), 'catalog.json');
  await writeFile(file, '[]');
  await truncate(file, 17 * 1024 * 1024);
  await assert.rejects(loadCatalog(file), /the file is larger than/);
  // Says that it is empty, and then has bytes: what a file that grows looks like.
  await assert.rejects(loadCatalog('/proc/version'), /changed while it was read/);
});

test('whatever the bytes, a catalog loads or is refused with CATALOG_INVALID', () => {
  const valid = [stringifyJson(catalogRecord([toolRecord('a')])), stringifyJson([MINIMAL_ECHO])];
  const mutated = fc
    .tuple(fc.constantFrom(...valid), fc.nat(), fc.nat(8), fc.string({ unit: fc.constantFrom(...'{}[]":,1aé\\') }))
    .map(([text, at, cut, added]) => {
      const start = at % text.length;
      return text.slice(0, start) + added + text.slice(start + cut);
    });
  const values = fc.json({ maxDepth: 4 }).map((json) => `{"catalog":1,"servers":[${json}],"tools":[${json}]}`);
  fc.assert(
    fc.property(fc.oneof(mutated, values, fc.json(), fc.uint8Array()), (input) => {
      try {
        parseCatalog(input, 'catalog.json');
      } catch (error) {
        assert.ok(error instanceof GatewayError && error.code === 'CATALOG_INVALID', String(error));
      }
    }),
    { numRuns: 500 },
  );
});
