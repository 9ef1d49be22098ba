import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { type JsonObject, stringifyJson } from '@cmcp/evidence';
import fc from 'fast-check';
import {
  catalogOf,
  catalogRecord,
  decisionAbout,
  decisionOn,
  folderOf,
  promptOf,
  resourceOf,
  serverOf,
  toolOf,
  toolRecord,
  withOthers,
} from '../../../../tests/support/policy.ts';
import { parseCatalog } from '../catalog/load.ts';
import type { Catalog } from '../catalog/types.ts';
import type { FlowView } from '../session/flow/types.ts';
import { viewOf } from '../session/flow/view.ts';
import { loadBundle } from './bundle.ts';
import { createEngine } from './engine.ts';
import { nativeSchema } from './schema.ts';
import { startingPolicy } from './starting-policy.ts';
import type { Asked } from './types.ts';

const TOOLS = catalogOf(
  toolRecord('read_file'),
  toolRecord('send', { server: 'web', effects: 'write', destination_class: 'external' }),
  toolRecord('look_up', { server: 'web', destination_class: 'external' }),
  toolRecord('note', { effects: 'write' }),
);
const WEB = serverOf(TOOLS, 'web');
const PAGE = resourceOf(WEB, 'page', 'https://tools.example/', { destinationClass: 'external' });
const GREET = promptOf(WEB, 'greet');
const CATALOG = withOthers(TOOLS, { resources: [PAGE], prompts: [GREET] });

async function startingEngine(t: TestContext, catalog: Catalog, changed: Record<string, string> = {}) {
  const bundle = await loadBundle(await folderOf(t, { ...startingPolicy(catalog), ...changed }));
  assert.deepEqual([bundle.request, bundle.warnings], ['native', []]);
  const engine = createEngine(bundle, catalog);
  t.after(() => engine.close());
  return engine;
}

test('the starting policy validates, allows the catalog, and stops external writes after sensitive data', async (t) => {
  const engine = await startingEngine(t, CATALOG);
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

test('what its comment says of flow can be done as it says, and lets out what carries nothing [L-09]', async (t) => {
  const name = '20-no-external-writes-after-sensitive-data.cedar';
  const text = startingPolicy(CATALOG)[name] ?? '';
  const [, unless = ''] = /^\/\/ {3}(unless .*;)$/m.exec(text) ?? [];
  const changed = `${text.trimEnd().slice(0, -1)}\n${unless.replace('tickets', 'web')}\n`;
  const engine = await startingEngine(t, CATALOG, { [name]: changed });
  const session = { classRank: 1, maxClassRank: 1 };
  const pii = { class: 'pii', rank: 1 };
  const effect = (flow: FlowView) => engine.decide(decisionOn(CATALOG, 'send', { session, flow })).effect;
  const source = { tool: 'read_file', server: 'local', domain: 'internal', sensitivity: pii };
  assert.equal(effect(viewOf([], true, pii)), 'allow');
  assert.equal(effect(viewOf([source], true, pii)), 'deny');
  assert.equal(effect(viewOf([], false, pii)), 'deny');
});

const FORM = { server: WEB, during: 'send', message: 'Sure?' };
const QUESTION = {
  server: WEB,
  during: 'send',
  maxTokens: 10,
  messages: 1,
  includeContext: 'none',
  systemPrompt: false,
};
const sending = toolOf(CATALOG, 'send');

test('the starting policy allows what is catalogued, forms and roots, but no web pages and no model', async (t) => {
  const engine = await startingEngine(t, CATALOG);
  const decided: [Asked, string][] = [
    [{ action: 'read_resource', resource: PAGE, uri: 'https://tools.example/' }, 'allow allow-catalogued-resources'],
    [{ action: 'subscribe', resource: PAGE, uri: 'https://tools.example/' }, 'allow allow-catalogued-resources'],
    [{ action: 'get_prompt', prompt: GREET, arguments: { name: 'Ada' } }, 'allow allow-catalogued-prompts'],
    [{ action: 'complete', of: GREET, argument: { name: 'name', value: '' } }, 'allow allow-completion'],
    [{ action: 'complete', of: PAGE, argument: { name: 'id', value: '' } }, 'allow allow-completion'],
    [{ action: 'get_task', tool: sending }, 'allow allow-tasks-of-catalogued-tools'],
    [{ action: 'update_task', tool: sending }, 'allow allow-tasks-of-catalogued-tools'],
    [{ action: 'cancel_task', tool: sending }, 'allow allow-tasks-of-catalogued-tools'],
    [{ action: 'elicit', ...FORM, mode: 'form', fields: ['name'], host: null }, 'allow allow-forms'],
    [{ action: 'elicit', ...FORM, mode: 'url', fields: [], host: 'tools.example' }, 'deny '],
    [{ action: 'list_roots', server: WEB, during: 'send' }, 'allow allow-roots'],
    [{ action: 'sample', ...QUESTION, tools: false }, 'deny '],
  ];
  for (const [asked, expected] of decided) {
    const { effect, policyIds } = engine.decide(decisionAbout(asked));
    assert.equal(`${effect} ${policyIds.join()}`, expected, asked.action);
  }
});

test('after sensitive data, tasks of external writes are not answered, and can still be read and cancelled', async (t) => {
  const engine = await startingEngine(t, CATALOG);
  const exposed = { session: { classRank: 1, maxClassRank: 1 } };
  const on = (action: 'get_task' | 'update_task' | 'cancel_task', name: string) =>
    engine.decide(decisionAbout({ action, tool: toolOf(CATALOG, name) }, exposed)).effect;
  assert.deepEqual(
    [on('update_task', 'send'), on('update_task', 'note'), on('update_task', 'look_up')],
    ['deny', 'allow', 'allow'],
  );
  assert.deepEqual([on('get_task', 'send'), on('cancel_task', 'send')], ['allow', 'allow']);
});

test('the examples in the comments of the starting policy work as they stand', async (t) => {
  const files = startingPolicy(CATALOG);
  const servers = ['files', 'payments', 'summaries'].map((id) => ({ ...WEB, id }));
  const catalog = { ...CATALOG, servers: [...CATALOG.servers, ...servers] };
  const examples = Object.entries(files).flatMap(([name, text]) => {
    const policies =
      text.match(/^\/\/ {3}(?:permit|forbid).*;$|^\/\/ {3}(?:permit|forbid).*\n\/\/ {3}when .*;$/gm) ?? [];
    return name.endsWith('.cedar') ? policies.map((policy) => policy.replaceAll('//   ', '')) : [];
  });
  assert.equal(examples.length, 4);
  const engine = await startingEngine(t, catalog, { '90-examples.cedar': examples.join('\n') });
  const [, payments, summaries] = servers;
  assert.ok(payments && summaries);
  const url = (host: string) =>
    engine.decide(decisionAbout({ action: 'elicit', ...FORM, server: payments, mode: 'url', fields: [], host })).effect;
  assert.deepEqual([url('pay.example'), url('evil.example')], ['allow', 'deny']);
  const sample = (maxTokens: number) =>
    engine.decide(decisionAbout({ action: 'sample', ...QUESTION, server: summaries, maxTokens, tools: false })).effect;
  assert.deepEqual([sample(1000), sample(1001)], ['allow', 'deny']);
});

test('tools with the names of other actions take those out of the starting policy, and nothing else', async (t) => {
  const taken = ['subscribe', 'get_prompt', 'get_task', 'cancel_task', 'elicit'];
  const renamed = TOOLS.tools.map((tool, index) => ({ ...tool, name: taken[index] ?? tool.name }));
  const tools = [...renamed, { ...sending, name: 'elicit' }, sending];
  const catalog = { ...CATALOG, tools };
  const engine = await startingEngine(t, catalog);
  for (const tool of tools) {
    assert.equal(engine.decide(decisionAbout({ action: 'call_tool', tool, arguments: {} })).effect, 'allow', tool.name);
  }
  const requests: [Asked, string][] = [
    [{ action: 'read_resource', resource: PAGE, uri: '' }, 'allow'],
    [{ action: 'subscribe', resource: PAGE, uri: '' }, 'deny'],
    [{ action: 'get_prompt', prompt: GREET, arguments: {} }, 'deny'],
    [{ action: 'get_task', tool: sending }, 'deny'],
    [{ action: 'update_task', tool: sending }, 'allow'],
    [{ action: 'elicit', ...FORM, mode: 'form', fields: [], host: null }, 'deny'],
    [{ action: 'list_roots', server: WEB, during: 'send' }, 'allow'],
  ];
  for (const [asked, effect] of requests)
    assert.equal(engine.decide(decisionAbout(asked)).effect, effect, asked.action);
  assert.equal(startingPolicy(catalog)['12-allow-catalogued-prompts.cedar'], undefined);
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
