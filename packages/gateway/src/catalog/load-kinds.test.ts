import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type JsonObject, type JsonValue, stringifyJson } from '@cmcp/evidence';
import fc from 'fast-check';
import {
  approvedRecord,
  catalogWith,
  promptRecord,
  resourceRecord,
  templateRecord,
} from '../../../../tests/support/catalog.ts';
import { catalogOf, referenceCatalog, referenceEntry, toolRecord } from '../../../../tests/support/policy.ts';
import { GatewayError } from '../errors.ts';
import { parseCatalog } from './load.ts';

/** Asserts that `action` refuses the catalog and says all of `words`. */
function refused(action: () => unknown, ...words: string[]): void {
  assert.throws(action, (error) => {
    assert.ok(error instanceof GatewayError, String(error));
    assert.equal(error.code, 'CATALOG_INVALID');
    for (const word of words) assert.ok(error.detail.includes(word), `"${error.detail}" does not say "${word}"`);
    return true;
  });
}

const DIGEST = `sha256:${'a'.repeat(64)}`;
const resources = (...records: JsonObject[]) => catalogWith({ resources: records });
const prompts = (...records: JsonObject[]) => catalogWith({ prompts: records });

test('resources and prompts are approved with whole definitions, labels and digests', () => {
  const catalog = catalogWith({
    resources: [
      templateRecord('notes', 'note:///{id}', { sensitivity: 'pii', compliance_domain: 'pii', requires_baa: true }),
      resourceRecord('readme', 'file:///readme.md', { digest: DIGEST, server: 'web', destination_class: 'external' }),
    ],
    prompts: [promptRecord('greet', { upstream_name: 'поздрав', alias: 'hello', digest: DIGEST })],
  });
  const [readme, notes] = catalog.resources;
  assert.deepEqual(readme?.pattern, { kind: 'uri', uri: 'file:///readme.md' });
  assert.deepEqual(readme?.definition, { uri: 'file:///readme.md', name: 'The readme' });
  assert.deepEqual([readme?.contentDigest, readme?.server.id, readme?.destinationClass], [DIGEST, 'web', 'external']);
  assert.ok(notes?.pattern.kind === 'template');
  assert.equal(notes.pattern.template.text, 'note:///{id}');
  assert.deepEqual(
    [notes.sensitivity, notes.sensitivityRank, notes.complianceDomain, notes.requiresBaa, notes.contentDigest],
    ['pii', 1, 'pii', true, null],
  );
  const [greet] = catalog.prompts;
  assert.deepEqual([greet?.name, greet?.exposedName, greet?.upstreamName], ['greet', 'hello', 'поздрав']);
  assert.equal(greet?.contentDigest, DIGEST);
  assert.deepEqual(greet?.definition, {
    description: 'Says greet.',
    arguments: [{ name: 'topic', required: true }],
  });
  assert.equal(catalog.resolvePrompt('hello'), greet);
  for (const name of ['greet', 'Hello', 'hello ', 'поздрав', '__proto__', 'constructor']) {
    assert.equal(catalog.resolvePrompt(name), null, name);
  }
});

test('prompts are shown under names that clients accept, chosen as for tools [MCP26-43]', () => {
  const catalog = prompts(promptRecord('plain'), promptRecord('dotted.name'), promptRecord('own', { alias: 'mine' }));
  assert.deepEqual(
    catalog.prompts.map(({ exposedName }) => exposedName),
    ['local__dotted_name', 'mine', 'plain'],
  );
});

test('a server is approved with its instructions, and with what it may ask: nothing, unless it is said [MCP25-11] [MCP26-21]', () => {
  const [local, web] = catalogWith({
    servers: { local: { instructions: 'Be kind.', asks: ['elicit', 'list_roots'] }, web: { instructions: '' } },
  }).servers;
  assert.deepEqual([local?.instructions, local?.asks], ['Be kind.', ['elicit', 'list_roots']]);
  assert.deepEqual([web?.instructions, web?.asks], [null, []]);
  const asking = (asks: JsonValue) => () => catalogWith({ servers: { local: { asks } } });
  refused(asking(['tell']), '/servers/0/asks/0', '"elicit", "sample", "list_roots"');
  refused(asking(['sample', 'sample']), '/servers/0/asks', 'twice');
  refused(asking('sample'), '/servers/0/asks', 'array');
  refused(asking(['elicit', 'sample', 'list_roots', 'elicit']), '/servers/0/asks', 'more than 3');
  refused(() => catalogWith({ servers: { local: { instructions: 7 } } }), '/servers/0/instructions', 'string');
  refused(() => catalogWith({ servers: { local: { instructions: 'a'.repeat(70_000) } } }), '/servers/0/instructions');
});

test('the form of the reference knows tools only', () => {
  const catalog = referenceCatalog(referenceEntry('echo'));
  assert.deepEqual([catalog.resources, catalog.prompts], [[], []]);
  assert.deepEqual([catalog.servers[0]?.instructions, catalog.servers[0]?.asks], [null, []]);
  assert.equal(catalog.resolveResource('file:///a'), null);
  assert.equal(catalog.resolvePrompt('echo'), null);
});

test('a resource is closed: what is wrong, where, and what to do are said', () => {
  const uri = 'file:///a';
  const cases: [JsonObject, string, string][] = [
    [{ urn: uri }, '/resources/0/urn', 'did you mean "uri"'],
    [{ uri_template: 'file:///{a}' }, '/resources/0', 'keep the one that is meant'],
    [{ uri: null }, '/resources/0', '"uri_template"'],
    [{ uri: 'readme' }, '/resources/0/uri', 'needs a scheme'],
    [{ uri: 'file:///a b' }, '/resources/0/uri', 'percent-encoded'],
    [{ uri: 'file:///a/../b' }, '/resources/0/uri', 'segment'],
    [{ definition: { uri: 'file:///b', name: 'a' } }, '/resources/0/definition/uri', `"${uri}"`],
    [{ definition: { uri } }, '/resources/0/definition/name', 'string'],
    [{ definition: { uri, name: 'a', title: 1 } }, '/resources/0/definition/title', 'string'],
    [{ definition: { uri, name: 'a', mimeType: {} } }, '/resources/0/definition/mimeType', 'string'],
    [{ definition: { uri, name: 'a', size: '1' } }, '/resources/0/definition/size', 'number'],
    [{ definition: { uri, name: 'a', annotations: [] } }, '/resources/0/definition/annotations', 'object'],
    [{ definition: { uri, name: 'a', _meta: 1 } }, '/resources/0/definition/_meta', 'object'],
    [{ digest: 'md5:x' }, '/resources/0/digest', 'sha256:'],
    [{ server: 'nowhere' }, '/resources/0/server', 'servers'],
    [{ name: 'a b' }, '/resources/0/name', 'ASCII'],
    [{ sensitivity: 'secret' }, '/resources/0/sensitivity', 'vocabulary'],
    [{ destination_class: 'far' }, '/resources/0/destination_class', 'internal'],
    [{ approval: {} }, '/resources/0/approval', 'approved_by'],
    [{ effects: 'read' }, '/resources/0/effects', 'unknown'],
  ];
  for (const [members, pointer, says] of cases)
    refused(() => resources(resourceRecord('a', uri, members)), pointer, says);
  const templates: [JsonObject, string, string][] = [
    [{ uri_template: '{+all}' }, '/resources/0/uri_template', 'scheme'],
    [{ uri_template: 'x:/{' }, '/resources/0/uri_template', 'pair'],
    [{ digest: DIGEST }, '/resources/0/digest', 'many URIs'],
    [{ definition: { uriTemplate: 'x:/{b}', name: 'a' } }, '/resources/0/definition/uriTemplate', '"x:/{a}"'],
  ];
  for (const [members, pointer, says] of templates) {
    refused(() => resources(templateRecord('a', 'x:/{a}', members)), pointer, says);
  }
  const many = Array.from({ length: 1001 }, (_, index) => templateRecord(`t${index}x`, `x${index}:/{a}`));
  refused(() => resources(...many), '/resources', '1000 templates');
});

test('a prompt is closed: what is wrong, where, and what to do are said', () => {
  const definition = { name: 'a' };
  const cases: [JsonObject, string, string][] = [
    [{ uri: 'x:y' }, '/prompts/0/uri', 'unknown'],
    [{ alias: 'has space' }, '/prompts/0/alias', 'letters'],
    [{ upstream_name: 'b', definition }, '/prompts/0/definition/name', '"b"'],
    [{ digest: 1 }, '/prompts/0/digest', 'sha256:'],
    [{ definition: { ...definition, description: 1 } }, '/prompts/0/definition/description', 'string'],
    [{ definition: { ...definition, arguments: {} } }, '/prompts/0/definition/arguments', 'array'],
    [{ definition: { ...definition, arguments: ['x'] } }, '/prompts/0/definition/arguments/0', 'object'],
    [{ definition: { ...definition, arguments: [{}] } }, '/prompts/0/definition/arguments/0/name', 'string'],
    [
      { definition: { ...definition, arguments: [{ name: 'x' }, { name: 'x' }] } },
      '/prompts/0/definition/arguments/1/name',
      'twice',
    ],
    [
      { definition: { ...definition, arguments: [{ name: 'x', required: 'yes' }] } },
      '/prompts/0/definition/arguments/0/required',
      'true or false',
    ],
    [
      { definition: { ...definition, arguments: [{ name: 'x', description: 1 }] } },
      '/prompts/0/definition/arguments/0/description',
      'string',
    ],
  ];
  for (const [members, pointer, says] of cases) refused(() => prompts(promptRecord('a', members)), pointer, says);
});

test('icons are https or inline images, in every kind of definition [MCP26-35]', () => {
  const shown = (icons: JsonValue): (() => unknown)[] => [
    () => catalogOf(toolRecord('a', { definition: { name: 'a', inputSchema: {}, icons } })),
    () => resources(resourceRecord('a', 'x:a', { definition: { uri: 'x:a', name: 'a', icons } })),
    () => resources(templateRecord('a', 'x:{a}', { definition: { uriTemplate: 'x:{a}', name: 'a', icons } })),
    () => prompts(promptRecord('a', { definition: { name: 'a', icons } })),
  ];
  const sources = [
    'javascript:alert(1)',
    'file:///etc/passwd',
    'ws://x/',
    'http://x/i.png',
    '//x/i.png',
    ' https://x/',
    '',
  ];
  for (const src of [...sources, 'java\nscript:x', ' data:,']) {
    for (const load of shown([{ src: 'https://x/' }, { src }])) refused(load, '/definition/icons/1/src', 'https');
  }
  for (const load of shown([{ sizes: ['1x1'] }])) refused(load, '/definition/icons/0', '"src"');
  for (const load of shown(['x'])) refused(load, '/definition/icons/0', '"src"');
  for (const load of shown({ src: 'https://x/' })) refused(load, '/definition/icons', 'array');
  for (const load of shown([{ src: 'HTTPS://x/i.png' }, { src: 'data:image/png;base64,AAAA' }])) load();
});

test('names are unique and unlike among their kind, and free among others [G17] [ATK-04] [D-14]', () => {
  const pairs: [string, string][] = [
    ['readme', 'readme'],
    ['readme', 'README'],
    ['1tem', 'ltem'],
    ['form', 'forrn'],
  ];
  for (const [a, b] of pairs) {
    refused(() => resources(resourceRecord(a, 'x:a'), resourceRecord(b, 'x:b')), '/resources/1', 'resource name');
    refused(() => prompts(promptRecord(a), promptRecord(b)), '/prompts/1', 'prompt name', 'upstream_name');
  }
  refused(() => prompts(promptRecord('a'), promptRecord('b', { alias: 'A' })), '"A"');
  const catalog = catalogWith({
    tools: [toolRecord('same')],
    resources: [resourceRecord('same', 'x:same')],
    prompts: [promptRecord('same')],
  });
  assert.deepEqual([catalog.tools.length, catalog.resources.length, catalog.prompts.length], [1, 1, 1]);
});

test('the names of all policy actions are kept from tools, and from nothing else', () => {
  const actions = [
    'call_tool',
    'read_resource',
    'subscribe',
    'get_prompt',
    'complete',
    'elicit',
    'sample',
    'list_roots',
    'get_task',
    'update_task',
    'cancel_task',
  ];
  for (const name of actions) {
    refused(() => catalogOf(toolRecord(name)), '/tools/0/name', 'policy action');
    prompts(promptRecord(name));
    resources(resourceRecord(name, 'x:a'));
  }
});

test('a URI or pattern is approved once: two servers for one would leave open which is asked [LIFE-07] [ATK-04]', () => {
  const twice: [JsonObject, JsonObject][] = [
    [resourceRecord('a', 'file:///x'), resourceRecord('b', 'file:///x', { server: 'web' })],
    [resourceRecord('a', 'file:///x'), resourceRecord('b', 'file:///x')],
    [resourceRecord('a', 'https://Host/x'), resourceRecord('b', 'HTTPS://host/x', { server: 'web' })],
    [resourceRecord('a', 'x:/a~b'), resourceRecord('b', 'x:/a%7Eb')],
    [resourceRecord('a', 'x:/a%c3%a9'), resourceRecord('b', 'x:/a%C3%A9')],
    [templateRecord('a', 'file:///{x}'), templateRecord('b', 'file:///{x}', { server: 'web' })],
    [templateRecord('a', 'file:///{x}'), templateRecord('b', 'file:///{y}', { server: 'web' })],
  ];
  for (const [a, b] of twice) refused(() => resources(a, b), '/resources/1', '"a" of server "local"', 'keep');
  resources(resourceRecord('a', 'https://host/X'), resourceRecord('b', 'https://host/x'));
  resources(templateRecord('a', 'x:/{x}'), templateRecord('b', 'x:/{+x}'), resourceRecord('c', 'x:/c'));
});

test('the hash covers resources, prompts, instructions and asks, and not the order of the lists', () => {
  const approved = {
    resources: [resourceRecord('a', 'x:a'), templateRecord('b', 'x:{b}')],
    prompts: [promptRecord('a'), promptRecord('b')],
    servers: { local: { instructions: 'Be kind.', asks: ['sample'] } },
  };
  const { hash } = catalogWith(approved);
  const turned = { ...approved, resources: approved.resources.toReversed(), prompts: approved.prompts.toReversed() };
  assert.equal(catalogWith(turned).hash, hash);
  const others = [
    { ...approved, resources: [resourceRecord('a', 'x:a')] },
    { ...approved, resources: [resourceRecord('a', 'x:a', { digest: DIGEST }), templateRecord('b', 'x:{b}')] },
    { ...approved, prompts: [promptRecord('a')] },
    { ...approved, servers: { local: { instructions: 'Be quick.', asks: ['sample'] } } },
    { ...approved, servers: { local: { instructions: 'Be kind.', asks: ['elicit'] } } },
  ];
  assert.equal(new Set([hash, ...others.map((other) => catalogWith(other).hash)]).size, others.length + 1);
});

test('whatever the bytes, a catalog with every kind loads or is refused with CATALOG_INVALID', () => {
  const valid = stringifyJson(
    approvedRecord({
      resources: [resourceRecord('a', 'x:a', { digest: DIGEST }), templateRecord('b', 'x:/{b}{?c,d*}')],
      prompts: [promptRecord('a')],
      servers: { local: { instructions: 'x', asks: ['sample'] } },
    }),
  );
  const mutated = fc
    .tuple(fc.nat(), fc.nat(8), fc.string({ unit: fc.constantFrom(...'{}[]":,1aé\\/?#+*%.') }))
    .map(([at, cut, added]) => {
      const start = at % valid.length;
      return valid.slice(0, start) + added + valid.slice(start + cut);
    });
  const members = fc.dictionary(
    fc.constantFrom('uri', 'uri_template', 'definition', 'digest', 'alias'),
    fc.jsonValue(),
  );
  const records = members.map((record) =>
    JSON.stringify(approvedRecord({ resources: [resourceRecord('a', 'x:a', record as JsonObject)] })),
  );
  fc.assert(
    fc.property(fc.oneof(mutated, records), (input) => {
      try {
        parseCatalog(input, 'catalog.json');
      } catch (error) {
        assert.ok(error instanceof GatewayError && error.code === 'CATALOG_INVALID', String(error));
      }
    }),
    { numRuns: 1000 },
  );
});
