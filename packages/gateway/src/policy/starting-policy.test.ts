import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type JsonObject, stringifyJson } from '@cmcp/evidence';
import fc from 'fast-check';
import {
  catalogOf,
  catalogRecord,
  decisionOn,
  folderOf,
  toolRecord,
  withOthers,
} from '../../../../tests/support/policy.ts';
import { parseCatalog } from '../catalog/load.ts';
import { loadBundle } from './bundle.ts';
import { createEngine } from './engine.ts';
import { nativeSchema } from './schema.ts';
import { startingPolicy } from './starting-policy.ts';

const CATALOG = catalogOf(
  toolRecord('read_file'),
  toolRecord('send', { server: 'web', effects: 'write', destination_class: 'external' }),
  toolRecord('look_up', { server: 'web', destination_class: 'external' }),
  toolRecord('note', { effects: 'write' }),
);

test('the starting policy validates, allows the catalog, and stops external writes after sensitive data', async (t) => {
  const bundle = await loadBundle(await folderOf(t, startingPolicy(CATALOG)));
  assert.deepEqual([bundle.request, bundle.warnings], ['native', []]);
  const engine = createEngine(bundle, CATALOG);
  t.after(() => engine.close());
  const effects = (session: { classRank?: number; maxClassRank?: number }) =>
    ['read_file', 'send', 'look_up', 'note'].map(
      (name) => engine.decide(decisionOn(CATALOG, name, { session })).effect,
    );
  assert.deepEqual(effects({}), ['allow', 'allow', 'allow', 'allow']);
  assert.deepEqual(effects({ classRank: 1, maxClassRank: 1 }), ['allow', 'deny', 'allow', 'allow']);
  assert.deepEqual(effects({ maxClassRank: 1 }), ['allow', 'deny', 'allow', 'allow']);
  const denied = engine.decide(decisionOn(CATALOG, 'send', { session: { classRank: 3, maxClassRank: 3 } }));
  assert.deepEqual(denied.policyIds, ['no-external-writes-after-sensitive-data']);
  assert.match(denied.advice.advice ?? '', /operator/);
});

test('the same catalog gives the same starting bundle', () => {
  assert.deepEqual(startingPolicy(CATALOG), startingPolicy(CATALOG));
});

test('arguments are typed from the approved schemas, and what Cedar cannot type is left out with the reason', () => {
  const properties: JsonObject = {
    text: { type: 'string' },
    count: { type: 'integer' },
    flag: { type: ['boolean', 'null'] },
    tags: { type: 'array', items: { type: 'string' } },
    ratio: { type: 'number' },
    either: { anyOf: [{ type: 'string' }, { type: 'integer' }] },
    mixed: { type: 'array', items: { type: 'number' } },
    nested: { type: 'object', properties: { deep: { type: 'string' } }, required: ['deep'] },
    __entity: { type: 'string' },
    'q"\n}': { type: 'string' },
  };
  const definition = { name: 'tool', inputSchema: { type: 'object', properties, required: ['text', 'flag', 'ratio'] } };
  const schema = nativeSchema(catalogOf(toolRecord('tool', { definition })));
  for (const line of [
    '"text": String,',
    '"count"?: Long,',
    '"flag"?: Bool,',
    '"tags"?: Set<String>,',
    '"nested"?: {',
    '"deep": String,',
    '"q\\u{22}\\u{a}}"?: String,',
  ]) {
    assert.ok(schema.includes(line), line);
  }
  for (const name of ['ratio', 'either', 'mixed', '__entity'])
    assert.match(schema, new RegExp(`// "${name}" is left out: `));
});

test('whatever tools and schemas a catalog approves, its starting bundle loads', async (t) => {
  const name = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 8 });
  const { property } = fc.letrec<{ property: JsonObject }>((tie) => ({
    property: fc.oneof(
      { depthSize: 'small' },
      fc.record({ type: fc.constantFrom('string', 'integer', 'boolean', 'number', 'null', 'any') }),
      fc.record({ type: fc.constant('array'), items: tie('property') }),
      fc.record({ type: fc.constant('object'), properties: fc.dictionary(name, tie('property'), { maxKeys: 3 }) }),
      fc.constantFrom<JsonObject>(
        {},
        { enum: ['a'] },
        { $ref: '#/x' },
        { type: ['string', 'null'] },
        { type: 'array' },
      ),
    ),
  }));
  await fc.assert(
    fc.asyncProperty(fc.dictionary(name, property, { maxKeys: 4 }), async (properties) => {
      const text = stringifyJson(catalogRecord([toolRecord('tool.x/y"z\\', {}, properties)]));
      const catalog = withOthers(parseCatalog(text, 'catalog.json'));
      const bundle = await loadBundle(await folderOf(t, startingPolicy(catalog)));
      createEngine(bundle, catalog).close();
    }),
    { numRuns: 40 },
  );
});
