import assert from 'node:assert/strict';
import { test } from 'node:test';
import { JsonNumber, type JsonObject } from '@cmcp/evidence';
import fc from 'fast-check';
import { catalogOf, referenceCatalog, referenceEntry, toolRecord } from '../../../../tests/support/policy.ts';
import { comparePin } from './drift.ts';
import type { CatalogTool } from './types.ts';

const APPROVED: JsonObject = {
  name: 'look_up',
  title: 'Look up',
  description: 'Looks a customer up.',
  inputSchema: { type: 'object', properties: { id: { type: 'string', description: 'customer' } }, required: ['id'] },
  outputSchema: { type: 'object' },
  annotations: { readOnlyHint: true },
  icons: [{ src: 'https://example/icon.png' }],
  _meta: { 'example/v': 1 },
};

function approvedTool(): CatalogTool {
  const [tool] = catalogOf(toolRecord('look_up', { definition: APPROVED })).tools;
  assert.ok(tool);
  return tool;
}

function referenceTool(): CatalogTool {
  const [tool] = referenceCatalog(referenceEntry('echo')).tools;
  assert.ok(tool);
  return tool;
}

test('a live definition equal in every member is the same, whatever the order of its members [D-19] [G16]', () => {
  const turned = Object.fromEntries(Object.entries(APPROVED).reverse());
  assert.deepEqual(comparePin(approvedTool(), APPROVED), { kind: 'same' });
  assert.deepEqual(comparePin(approvedTool(), turned), { kind: 'same' });
  const { name: _name, ...nameless } = APPROVED;
  assert.deepEqual(comparePin(approvedTool(), nameless), { kind: 'same' });
});

test('one changed byte in any member is a change that names the member [D-19] [G16] [ATK-02] [ATK-03] [OMCP-03]', () => {
  const changes: [string, JsonObject][] = [
    ['name', { name: 'look_uq' }],
    ['title', { title: 'Look up.' }],
    ['description', { description: 'Looks a customer up. <IMPORTANT>' }],
    ['inputSchema', { inputSchema: { ...(APPROVED.inputSchema as JsonObject), required: [] } }],
    ['outputSchema', { outputSchema: { type: 'object', additionalProperties: true } }],
    ['annotations', { annotations: { readOnlyHint: false } }],
    ['icons', { icons: [] }],
    ['_meta', { _meta: { 'example/v': 2 } }],
    ['execution', { execution: { taskSupport: 'optional' } }],
  ];
  for (const [member, change] of changes) {
    const found = comparePin(approvedTool(), { ...APPROVED, ...change });
    assert.deepEqual(found, { kind: 'definition_changed', classification: member });
  }
  const two = comparePin(approvedTool(), { ...APPROVED, title: 'x', description: 'y' });
  assert.deepEqual(two, { kind: 'definition_changed', classification: 'description,title' });
  const { annotations: _annotations, ...fewer } = APPROVED;
  assert.deepEqual(comparePin(approvedTool(), fewer), { kind: 'definition_changed', classification: 'annotations' });
});

test('a tool that is no longer offered is withdrawn', () => {
  assert.deepEqual(comparePin(approvedTool(), undefined), { kind: 'withdrawn', classification: 'withdrawn' });
});

test('the reference form compares description and schemas, under either spelling', () => {
  const tool = referenceTool();
  for (const live of [
    { description: 'Repeats.', inputSchema: {} },
    { description: 'Repeats.' },
    { description: 'Repeats.', input_schema: {}, output_schema: null, title: 'not covered by this form' },
  ]) {
    assert.deepEqual(comparePin(tool, live), { kind: 'same' });
  }
  const changes: [JsonObject, string][] = [
    [{ description: 'Repeats!' }, 'description'],
    [{}, 'description'],
    [{ description: ['Repeats.'] }, 'description'],
    [{ description: 'Repeats.', inputSchema: { type: 'object' } }, 'inputSchema'],
    [{ description: 'Repeats.', outputSchema: {} }, 'outputSchema'],
  ];
  for (const [live, classification] of changes) {
    assert.deepEqual(comparePin(tool, live), { kind: 'definition_changed', classification });
  }
});

test('a live definition that cannot be hashed is a change, not an exception', () => {
  const live = { ...APPROVED, _meta: { n: new JsonNumber('1e999') } };
  assert.deepEqual(comparePin(approvedTool(), live), { kind: 'definition_changed', classification: '_meta' });
});

test('whatever a server advertises, the classification is printable ASCII of known words', () => {
  const live = fc.dictionary(fc.string({ unit: 'grapheme' }), fc.constantFrom('x', 1, null, true));
  fc.assert(
    fc.property(live, fc.boolean(), (definition, reference) => {
      const found = comparePin(reference ? referenceTool() : approvedTool(), definition);
      assert.ok(found.kind === 'definition_changed');
      assert.match(found.classification, /^[A-Za-z_]+(,[A-Za-z_]+)*$/);
    }),
    { numRuns: 100 },
  );
});
