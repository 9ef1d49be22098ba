import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isObject, type JsonObject, member, parseJson, stringifyJson } from '@cmcp/evidence';
import fc from 'fast-check';
import { projectDefinition, projectResult } from './projection.ts';
import { agreeOn } from './revision.ts';

const [LATEST, MIDDLE, FIRST] = ['2025-11-25', '2025-06-18', '2025-03-26'].map(agreeOn);
assert.ok(LATEST !== undefined && MIDDLE !== undefined && FIRST !== undefined);

const ICONS = [{ src: 'https://example.com/i.png' }];
const TOOL: JsonObject = {
  name: 'tool',
  title: 'Tool',
  description: 'Does it.',
  inputSchema: { type: 'object' },
  outputSchema: { type: 'object', properties: { n: { type: 'integer' } } },
  annotations: { readOnlyHint: true },
  icons: ICONS,
  execution: { taskSupport: 'required' },
  _meta: { 'example/x': 1 },
};

test('a tool is described in the words of the revision', () => {
  const { execution: _, ...latest } = TOOL;
  const { icons: __, ...middle } = latest;
  assert.deepEqual(projectDefinition('tools', TOOL, LATEST), latest);
  assert.deepEqual(projectDefinition('tools', TOOL, MIDDLE), middle);
  assert.deepEqual(projectDefinition('tools', TOOL, FIRST), {
    name: 'tool',
    description: 'Does it.',
    inputSchema: { type: 'object' },
    // The one place where this revision has a title.
    annotations: { readOnlyHint: true, title: 'Tool' },
  });
  const annotated = { ...TOOL, annotations: { title: 'Own' } };
  assert.deepEqual(member(projectDefinition('tools', annotated, FIRST), 'annotations'), { title: 'Own' });
});

test('resources, templates and prompts lose what the revision does not have', () => {
  const annotations = { audience: ['user'], priority: 1, lastModified: '2026-01-01T00:00:00Z' };
  const resource = { uri: 'test://a', name: 'a', title: 'A', size: 3, icons: ICONS, annotations, _meta: {} };
  const { icons: _, ...middle } = resource;
  for (const kind of ['resources', 'resourceTemplates'] as const) {
    assert.deepEqual(projectDefinition(kind, resource, LATEST), resource);
    assert.deepEqual(projectDefinition(kind, resource, MIDDLE), middle);
    assert.deepEqual(projectDefinition(kind, resource, FIRST), {
      uri: 'test://a',
      name: 'a',
      size: 3,
      annotations: { audience: ['user'], priority: 1 },
    });
  }
  const prompt = { name: 'p', title: 'P', arguments: [{ name: 'a', title: 'A', required: true }], icons: ICONS };
  assert.deepEqual(projectDefinition('prompts', prompt, FIRST), {
    name: 'p',
    arguments: [{ name: 'a', required: true }],
  });
  assert.deepEqual(projectDefinition('prompts', prompt, LATEST), prompt);
});

test('structured content is an object in these revisions: another one, and its schema, are wrapped, both or neither', () => {
  const array = { type: 'array', items: { type: 'string' } };
  const either = { anyOf: [{ type: 'object' }, { type: 'null' }] };
  for (const revision of [LATEST, MIDDLE]) {
    for (const schema of [array, either]) {
      const shown = projectDefinition('tools', { name: 't', outputSchema: schema }, revision);
      const wrapped = { type: 'object', properties: { result: schema }, required: ['result'] };
      assert.deepEqual(shown.outputSchema, wrapped);
    }
    const content = [{ type: 'text', text: 'x' }];
    const seen = (structuredContent: JsonObject | string[] | null, schema: JsonObject | null) =>
      projectResult('tools/call', { content, structuredContent }, revision, schema).structuredContent;
    assert.deepEqual(seen(['a'], array), { result: ['a'] });
    assert.deepEqual(seen({ a: 1 }, either), { result: { a: 1 } });
    assert.deepEqual(seen(null, either), { result: null });
    assert.deepEqual(seen({ a: 1 }, { type: 'object' }), { a: 1 });
    assert.deepEqual(seen({ a: 1 }, null), { a: 1 });
    // What cannot be sent otherwise is wrapped, whatever was described.
    assert.deepEqual(seen(['a'], null), { result: ['a'] });
    assert.deepEqual(projectResult('tools/call', { content }, revision, array), { content });
  }
});

test('2025-03-26 has no structured content: it goes where the text says the same, else it becomes the text', () => {
  const project = (result: JsonObject) => projectResult('tools/call', result, FIRST, { type: 'array' });
  const content = [{ type: 'text', text: 'said' }];
  assert.deepEqual(project({ content, structuredContent: { n: 1 }, isError: true }), { content, isError: true });
  for (const empty of [{ content: [] }, {}]) {
    assert.deepEqual(project({ ...empty, structuredContent: ['a', 1] }), {
      content: [{ type: 'text', text: '["a",1]' }],
    });
  }
  assert.deepEqual(project({ content: [] }), { content: [] });
});

test('2025-03-26 has no resource links: they become text that names the resource', () => {
  const link = { type: 'resource_link', uri: 'test://a', name: 'a', description: 'Some text.', title: 'A', _meta: {} };
  const texts = (content: JsonObject[]) => projectResult('tools/call', { content }, FIRST, null).content;
  assert.deepEqual(texts([link, { type: 'resource_link', uri: 'test://b', annotations: { priority: 1 } }]), [
    { type: 'text', text: 'Resource a: test://a\nSome text.' },
    { type: 'text', text: 'Resource test://b', annotations: { priority: 1 } },
  ]);
  const others = [
    { type: 'audio', data: 'AA==', mimeType: 'audio/wav', annotations: { lastModified: 'x' }, _meta: {} },
    { type: 'resource', resource: { uri: 'test://a', text: 'x', _meta: {} }, _meta: {} },
  ];
  assert.deepEqual(texts(others), [
    { type: 'audio', data: 'AA==', mimeType: 'audio/wav', annotations: {} },
    { type: 'resource', resource: { uri: 'test://a', text: 'x' } },
  ]);
  const messages = [{ role: 'user', content: link }];
  assert.deepEqual(projectResult('prompts/get', { messages, description: 'd' }, FIRST, null), {
    description: 'd',
    messages: [{ role: 'user', content: { type: 'text', text: 'Resource a: test://a\nSome text.' } }],
  });
  const contents = [{ uri: 'test://a', text: 'x', _meta: { a: 1 } }];
  assert.deepEqual(projectResult('resources/read', { contents }, FIRST, null), {
    contents: [{ uri: 'test://a', text: 'x' }],
  });
  const completion = { completion: { values: ['a'] } };
  assert.deepEqual(projectResult('completion/complete', completion, FIRST, null), completion);
});

test('later revisions are answered with what the gateway says, unaltered', () => {
  const content = [{ type: 'resource_link', uri: 'test://a', name: 'a', icons: ICONS, _meta: {} }];
  for (const revision of [LATEST, MIDDLE]) {
    const result = { content, structuredContent: { a: 1 }, _meta: { x: 1 } };
    assert.deepEqual(projectResult('tools/call', result, revision, { type: 'object' }), result);
    const read = { contents: [{ uri: 'test://a', blob: 'AA==', _meta: {} }] };
    assert.deepEqual(projectResult('resources/read', read, revision, null), read);
  }
});

test('whatever a server sends, projecting it changes no prototype, never throws, and leaves JSON', () => {
  const json = fc.jsonValue({ maxDepth: 4 }).map((value) => parseJson(JSON.stringify(value)));
  const shape = fc.record({ content: json, structuredContent: json, messages: json, contents: json, __proto__: json });
  fc.assert(
    fc.property(shape, json, fc.constantFrom(LATEST, MIDDLE, FIRST), (result, schema, revision) => {
      const output = isObject(schema) ? schema : null;
      for (const method of ['tools/call', 'resources/read', 'prompts/get'] as const) {
        stringifyJson(projectResult(method, result as JsonObject, revision, output));
      }
      const definition = { name: 'x', outputSchema: schema, arguments: result.content ?? null } as JsonObject;
      for (const kind of ['tools', 'prompts'] as const) stringifyJson(projectDefinition(kind, definition, revision));
      assert.equal(Object.getPrototypeOf({}), Object.prototype);
    }),
    { numRuns: 300 },
  );
});
