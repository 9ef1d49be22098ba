import assert from 'node:assert/strict';
import { test } from 'node:test';
import { JsonNumber, type JsonObject, parseJson, stringifyJson } from '@cmcp/evidence';
import fc from 'fast-check';
import { catalogWith, promptRecord, resourceRecord, templateRecord } from '../../../../../tests/support/catalog.ts';
import { decisionAbout, serverOf, toolOf, toolRecord } from '../../../../../tests/support/policy.ts';
import { GatewayError } from '../../errors.ts';
import { sensitivityRanks } from '../../policy/sensitivity.ts';
import type { DecisionInput } from '../../policy/types.ts';
import { viewOf } from '../../session/flow/view.ts';
import { placeIn, readYaml } from '../written.ts';
import { readScenario, SCENARIO_MEMBERS, scenarioOf } from './scenario.ts';

const catalog = catalogWith({
  tools: [
    toolRecord('crm.lookup', { alias: 'lookup', sensitivity: 'pii' }),
    toolRecord('send', { server: 'web', destination_class: 'external', effects: 'write' }),
  ],
  resources: [
    resourceRecord('reports', 'file:///srv/reports', { sensitivity: 'confidential' }),
    templateRecord('logs', 'file:///logs/{day}'),
  ],
  prompts: [promptRecord('greet')],
});
const vocabulary = { catalog, ranks: sensitivityRanks({ secret: 9 }) };
const read = (described: JsonObject): DecisionInput =>
  readScenario(described, placeIn('the call', 'POLICY_INVALID'), vocabulary);
const readText = (yaml: string): DecisionInput => {
  const { value, place } = readYaml(yaml, 'tests/a.yaml', 'POLICY_INVALID');
  return readScenario(value, place, vocabulary);
};

test('a described call is filled in as the path computes it for a lone call of an unexposed agent', () => {
  const tool = toolOf(catalog, 'crm.lookup');
  assert.deepEqual(
    readText('{ caller: agent-1, call: crm.lookup, arguments: { id: 7, half: 0.50, name: "7", none: , no: no } }'),
    decisionAbout(
      {
        action: 'call_tool',
        tool,
        arguments: { id: 7, half: new JsonNumber('0.50'), name: '7', none: null, no: 'no' },
      },
      { session: { maxClass: 'pii', maxClassRank: 1 } },
    ),
  );
  const full = readText(`
caller: { subject: agent-2, source: stdio }
call: send
workflow: w1
session: { class: mnpi, in_flight: 2, generation: 3 }
flow: { tools: [send, send], classes: [pii], complete: false }
platform: tpm2
trust_level: hardware
response: { size: 10, findings: 1, kinds: [secret], injection: 0 }
`);
  assert.deepEqual(full, {
    caller: { subject: 'agent-2', source: 'stdio' },
    asked: { action: 'call_tool', tool: toolOf(catalog, 'send'), arguments: {} },
    session: { class: 'mnpi', classRank: 3, maxClass: 'mnpi', maxClassRank: 3, inFlight: 2, generation: 3 },
    flow: {
      tools: ['send'],
      servers: ['web'],
      domains: ['external'],
      classes: ['pii'],
      max: { class: 'mnpi', rank: 3 },
      complete: false,
    },
    workflow: 'w1',
    platform: 'tpm2',
    trustLevel: 'hardware',
    response: { sizeBytes: 10, findings: 1, kinds: ['secret'], injection: 0, class: 'public', classRank: 0 },
  });
});

test('everything that can be asked for can be described', () => {
  const about = (described: JsonObject) => read({ caller: 'a', ...described }).asked;
  const [reports, logs] = [catalog.resolveResource('file:///srv/reports'), catalog.resolveResource('file:///logs/mon')];
  const [local, tool] = [serverOf(catalog, 'local'), toolOf(catalog, 'crm.lookup')];
  const prompt = catalog.prompts[0];
  const by = { server: local, during: 'crm.lookup' };
  const asking = { server: 'local', during: 'crm.lookup' };
  const question = { ...by, maxTokens: 1000, messages: 1, includeContext: 'none', systemPrompt: false, tools: false };
  const ask = { ...by, message: '', fields: [] };
  const argument = { name: 'topic', value: '' };
  const forms: [JsonObject, unknown][] = [
    [{ read: 'file:///srv/reports' }, { action: 'read_resource', resource: reports, uri: 'file:///srv/reports' }],
    [{ subscribe: 'file:///logs/mon' }, { action: 'subscribe', resource: logs, uri: 'file:///logs/mon' }],
    [
      { prompt: 'greet', arguments: { topic: 'x' } },
      { action: 'get_prompt', prompt, arguments: { topic: 'x' } },
    ],
    [{ complete: { prompt: 'greet', argument } }, { action: 'complete', of: prompt, argument }],
    [{ complete: { resource: 'logs', argument } }, { action: 'complete', of: logs, argument }],
    [{ task: { action: 'update_task', tool: 'crm.lookup' } }, { action: 'update_task', tool }],
    [{ elicit: asking }, { action: 'elicit', ...ask, mode: 'form', host: null }],
    [{ elicit: { ...asking, mode: 'url', host: 'a.b' } }, { action: 'elicit', ...ask, mode: 'url', host: 'a.b' }],
    [{ sample: asking }, { action: 'sample', ...question }],
    [{ list_roots: asking }, { action: 'list_roots', ...by }],
  ];
  for (const [described, asked] of forms) assert.deepEqual(about(described), asked, stringifyJson(described));
});

test('what no request has is refused with its file, line and a guess', () => {
  const refused: [string, RegExp][] = [
    ['call: send', /: tests\/a\.yaml:1: "caller" is missing/],
    ['caller: a', /: tests\/a\.yaml:1: say what is asked for: one of call, read/],
    ['caller: a\ncall: send\nread: file:///srv/reports', /a\.yaml:3 at \/read: "call" is asked for already/],
    ['caller: a\ncall: sent', /a\.yaml:2 at \/call: the catalog has no tool "sent"; did you mean "send"\?/],
    ['caller: a\ncall: lookup', /no tool "lookup"; did you mean "crm\.lookup"\?/],
    ['caller: a\ncall: send\nargument: {}', /a\.yaml:3 at \/argument: unknown member.*"arguments"/],
    ['caller: a\nread: file:///x\narguments: {}', /a\.yaml:3 at \/arguments: does not go with "read"/],
    ['caller: a\nread: file:///x', /a\.yaml:2 at \/read: the catalog approves no resource/],
    ['caller: a\nread: file:///srv/reports\nresource: logs', /a\.yaml:2 at \/read: the catalog approves no resource/],
    ['caller: a\nprompt: great', /no prompt "great"; did you mean "greet"/],
    ['caller: a\ncall: send\nsession:\n  class: pi', /a\.yaml:4 at \/session\/class: unknown data class "pi".*"pii"/],
    ['caller: a\ncall: send\nsession: { class: pii, max_class: public }', /must not be lower than "class"/],
    ['caller: a\ncall: send\nsession: { in_flight: -1 }', /must be a whole number, 0 or more/],
    ['caller: a\ncall: send\nresponse: { clas: pii }', /unknown member.*"class"/],
    ['caller: a\ncall: send\ntrust_level: hard', /at \/trust_level: must be one of "hardware"/],
    ['caller: { subject: a, source: mail }\ncall: send', /must be one of "bearer", "stdio"/],
    ['caller: { subject: a, groups: [ops, 7] }\ncall: send', /\/caller\/groups\/1: must be printable ASCII text/],
    ['caller: { subject: a, scope: [x] }\ncall: send', /unknown member.*"scopes"/],
    ['caller: a\nelicit: { server: lokal, during: send }', /no server "lokal"; did you mean "local"/],
    ['caller: a\nelicit: { server: local, during: send }', /no tool, resource or prompt of "local" "send"/],
    ['caller: a\nelicit: { server: web, during: send, host: a }', /\/elicit\/host: does not go with a form/],
    ['caller: a\nelicit: { server: web, during: send, mode: url }', /\/elicit\/host: must be text/],
    ['caller: a\ncomplete: { argument: { name: a, value: b } }', /give either "prompt" or "resource"/],
    ['caller: a\ntask: { action: end, tool: send }', /must be one of "get_task"/],
    ['caller: a\ncaller: b\ncall: send', /a\.yaml:2: this key is given twice/],
    ['caller: &a x\ncall: *a', /a\.yaml:2: YAML aliases are not accepted/],
  ];
  for (const [yaml, message] of refused) {
    assert.throws(() => readText(yaml), { name: 'GatewayError', code: 'POLICY_INVALID', message }, yaml);
  }
});

/** Inputs that the path could make, also those of a loaded gateway. */
const inputs = fc
  .record({
    name: fc.constantFrom('crm.lookup', 'send'),
    uri: fc.constantFrom('file:///logs/mon', 'file:///logs/a%20b'),
    given: fc.dictionary(fc.string(), fc.oneof(fc.string(), fc.integer(), fc.boolean(), fc.constant(null)), {
      noNullPrototype: true,
    }),
    texts: fc.dictionary(fc.string(), fc.string(), { noNullPrototype: true }),
    kind: fc.nat(9),
    seen: fc.constantFrom('public', 'pii', 'secret'),
    counts: fc.tuple(fc.nat(), fc.nat(), fc.nat()),
    text: fc.string(),
    flag: fc.boolean(),
  })
  .map(({ name, uri, given, texts, kind, seen, counts, text, flag }): DecisionInput => {
    const tool = toolOf(catalog, name);
    const { server, complianceDomain: domain } = tool;
    const resource = catalog.resolveResource(uri);
    const [prompt] = catalog.prompts;
    assert.ok(resource && prompt);
    const by = { server, during: name };
    const more = { includeContext: text, systemPrompt: flag, tools: flag };
    const asked: DecisionInput['asked'][] = [
      { action: 'call_tool', tool, arguments: given },
      { action: flag ? 'read_resource' : 'subscribe', resource, uri },
      { action: 'get_prompt', prompt, arguments: texts },
      { action: 'complete', of: prompt, argument: { name: text, value: text } },
      { action: 'complete', of: resource, argument: { name: text, value: text } },
      { action: 'cancel_task', tool },
      { action: 'elicit', ...by, mode: 'form', message: text, fields: [text], host: null },
      { action: 'elicit', ...by, mode: 'url', message: text, fields: [], host: text },
      { action: 'sample', ...by, maxTokens: counts[0], messages: counts[1], ...more },
      { action: 'list_roots', ...by },
    ];
    const rank = vocabulary.ranks.get(seen) ?? 0;
    const [inFlight, generation, sizeBytes] = counts;
    return {
      caller: flag
        ? { subject: 'agent-1', source: 'bearer' }
        : {
            ...{ subject: 'agent-1', source: 'oauth', scopes: ['read', 'write'], groups: [], onBehalfOf: 'anna' },
            workflow: `signed-${inFlight}`,
          },
      asked: asked[kind] ?? { action: 'get_task', tool },
      session: { class: 'public', classRank: 0, maxClass: seen, maxClassRank: rank, inFlight, generation },
      flow: viewOf(flag ? [{ tool: name, server: server.id, domain, sensitivity: { class: seen, rank } }] : [], !flag, {
        class: 'public',
        rank: 0,
      }),
      workflow: flag ? text : null,
      platform: 'tpm2',
      trustLevel: 'operator-root',
      ...(flag
        ? {
            response: {
              sizeBytes,
              findings: 1,
              kinds: flag ? ['injection', 'secret'] : [],
              injection: 1,
              class: seen,
              classRank: rank,
            },
          }
        : {}),
    };
  });

test('every decision input is described so that it reads back equal, also from text', () => {
  fc.assert(
    fc.property(inputs, (input) => {
      const described = parseJson(stringifyJson(scenarioOf(input)));
      assert.deepEqual(readScenario(described, placeIn('x', 'POLICY_INVALID'), vocabulary), input);
    }),
    { numRuns: 300 },
  );
});

test('a scenario of any shape is read or refused, and never fails otherwise', () => {
  const value = fc.oneof(fc.jsonValue(), fc.dictionary(fc.constantFrom(...SCENARIO_MEMBERS), fc.jsonValue()));
  fc.assert(
    fc.property(value, (described) => {
      try {
        read(parseJson(JSON.stringify(described)) as JsonObject);
      } catch (error) {
        assert.ok(error instanceof GatewayError, String(error));
      }
    }),
    { numRuns: 500 },
  );
});
