import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import {
  catalogOf,
  decisionAbout,
  decisionOn,
  engineOf,
  promptOf,
  referenceCatalog,
  referenceEntry,
  resourceOf,
  serverOf,
  toolOf,
  toolRecord,
  withOthers,
} from '../../../../tests/support/policy.ts';
import type { CatalogResource } from '../catalog/types.ts';
import { GatewayError } from '../errors.ts';
import { ACTION_FORMS } from './actions.ts';
import { nativeSchema } from './schema.ts';
import type { Asked, Decision, OtherAction } from './types.ts';

const TOOLS = catalogOf(
  toolRecord('read_file', {}, { path: { type: 'string' } }),
  toolRecord('pay', { server: 'web', effects: 'write', destination_class: 'external', sensitivity: 'pii' }),
);
const LOCAL = serverOf(TOOLS, 'local');
const WEB = serverOf(TOOLS, 'web');
const TEMPLATE: CatalogResource['pattern'] = {
  kind: 'template',
  template: {
    text: 'https://tools.example/{id}',
    literals: 22,
    shape: 'https://tools.example/{}',
    matches: () => true,
  },
};
const NOTES = resourceOf(LOCAL, 'notes', 'file:///notes.txt');
const PAGES = resourceOf(WEB, 'pages', '', {
  pattern: TEMPLATE,
  sensitivity: 'pii',
  sensitivityRank: 1,
  destinationClass: 'external',
  complianceDomain: 'mnpi',
  requiresBaa: true,
});
const GREET = promptOf(LOCAL, 'greet');
const SELL = promptOf(WEB, 'sell', { destinationClass: 'external', sensitivity: 'pii', sensitivityRank: 1 });
const CATALOG = withOthers(TOOLS, { resources: [NOTES, PAGES], prompts: [GREET, SELL] });
const SCHEMA = nativeSchema(CATALOG);

const FORM = { server: WEB, during: 'pay', mode: 'form', message: 'Sure?', fields: ['yes'], host: null } as const;
const QUESTION = {
  server: WEB,
  during: 'pay',
  maxTokens: 100,
  messages: 2,
  includeContext: 'none',
  systemPrompt: false,
  tools: false,
};

/** One request of each kind. */
const REQUESTS: { [Action in OtherAction]: Asked & { action: Action } } = {
  read_resource: { action: 'read_resource', resource: NOTES, uri: 'file:///notes.txt' },
  subscribe: { action: 'subscribe', resource: NOTES, uri: 'file:///notes.txt' },
  get_prompt: { action: 'get_prompt', prompt: GREET, arguments: { name: 'Ada' } },
  complete: { action: 'complete', of: GREET, argument: { name: 'name', value: 'A' } },
  get_task: { action: 'get_task', tool: toolOf(CATALOG, 'pay') },
  update_task: { action: 'update_task', tool: toolOf(CATALOG, 'pay') },
  cancel_task: { action: 'cancel_task', tool: toolOf(CATALOG, 'pay') },
  elicit: { action: 'elicit', ...FORM },
  sample: { action: 'sample', ...QUESTION },
  list_roots: { action: 'list_roots', server: WEB, during: 'pay' },
};
const ALL = Object.values(REQUESTS);
const PERMIT_ALL = 'permit (principal, action, resource);\n';
const RESPONSE = { sizeBytes: 9, findings: 0, kinds: [], injection: 0, class: 'public', classRank: 0 };
const NOTHING: Decision = {
  effect: 'deny',
  policyIds: [],
  advice: {},
  redactions: [],
  escalations: [],
  error: null,
  unfit: false,
};

const native = (t: TestContext, policies: string, schema = SCHEMA) => engineOf(t, CATALOG, policies, schema);

test('every action has a form, and the schema declares each', () => {
  const actions = ACTION_FORMS.flatMap((form) => form.actions).toSorted();
  assert.deepEqual(actions, Object.keys(REQUESTS).toSorted());
  for (const action of actions) assert.match(SCHEMA, new RegExp(`"${action}"[^;]* appliesTo`));
});

test('what no permit allows is denied, whatever is asked [G13] [OMCP-07]', async (t) => {
  const empty = await native(t, '// empty');
  const calls = await native(t, 'permit (principal, action in Action::"call_tool", resource);');
  for (const asked of ALL) {
    assert.deepEqual(empty.decide(decisionAbout(asked)), NOTHING, asked.action);
    assert.deepEqual(calls.decide(decisionAbout(asked)), NOTHING, asked.action);
  }
});

test('a permit for one action allows that one and no other', async (t) => {
  for (const { action } of ALL) {
    const engine = await native(t, `@id("one") permit (principal, action == Action::"${action}", resource);`);
    for (const asked of ALL) {
      const { effect, policyIds } = engine.decide(decisionAbout(asked));
      assert.deepEqual([effect, policyIds], asked.action === action ? ['allow', ['one']] : ['deny', []], asked.action);
    }
    assert.equal(engine.decide(decisionOn(CATALOG, 'read_file')).effect, 'deny');
  }
});

test('a permit for tools and one for everything are different things', async (t) => {
  const engine = await native(t, PERMIT_ALL);
  for (const asked of ALL) assert.equal(engine.decide(decisionAbout(asked)).effect, 'allow', asked.action);
  assert.equal(engine.decide(decisionOn(CATALOG, 'read_file')).effect, 'allow');
});

test('every particular of a request reaches policies', async (t) => {
  const template: Asked = { action: 'read_resource', resource: PAGES, uri: 'https://tools.example/7' };
  const url: Asked = { ...REQUESTS.elicit, mode: 'url', fields: [], host: 'pay.example' };
  const conditions: [Asked, string, Asked][] = [
    [template, 'context.uri like "https://tools.example/*"', REQUESTS.read_resource],
    [template, 'resource.template', REQUESTS.read_resource],
    [template, 'resource == McpResource::"pages"', REQUESTS.read_resource],
    [template, 'resource in Server::"web"', REQUESTS.read_resource],
    [template, 'resource.server == "web"', REQUESTS.read_resource],
    [template, 'resource.compliance_domain == "mnpi"', REQUESTS.read_resource],
    [template, 'resource.sensitivity == "pii"', REQUESTS.read_resource],
    [template, 'resource.sensitivity_rank >= 1', REQUESTS.read_resource],
    [template, 'resource.destination_class == "external"', REQUESTS.read_resource],
    [template, 'resource.requires_baa', REQUESTS.read_resource],
    [REQUESTS.subscribe, 'context.uri == "file:///notes.txt"', { ...REQUESTS.subscribe, uri: 'file:///other' }],
    [REQUESTS.get_prompt, 'context.argument_names.contains("name")', { ...REQUESTS.get_prompt, arguments: {} }],
    [
      REQUESTS.get_prompt,
      'context.arguments.contains({ name: "name", value: "Ada" })',
      { ...REQUESTS.get_prompt, arguments: { name: 'Eve' } },
    ],
    [{ ...REQUESTS.get_prompt, prompt: SELL }, 'resource.destination_class == "external"', REQUESTS.get_prompt],
    [{ ...REQUESTS.get_prompt, prompt: SELL }, 'resource in Server::"web"', REQUESTS.get_prompt],
    [{ ...REQUESTS.get_prompt, prompt: SELL }, 'resource.sensitivity_rank == 1', REQUESTS.get_prompt],
    [
      REQUESTS.complete,
      'context.argument.name == "name" && context.argument.value == "A"',
      { ...REQUESTS.complete, argument: { name: 'name', value: 'B' } },
    ],
    [{ ...REQUESTS.complete, of: PAGES }, 'resource is McpResource', REQUESTS.complete],
    [REQUESTS.complete, 'resource is Prompt', { ...REQUESTS.complete, of: PAGES }],
    [REQUESTS.get_task, 'resource == Resource::"pay"', { ...REQUESTS.get_task, tool: toolOf(CATALOG, 'read_file') }],
    [
      REQUESTS.cancel_task,
      'resource.effects == "write"',
      { ...REQUESTS.cancel_task, tool: toolOf(CATALOG, 'read_file') },
    ],
    [REQUESTS.elicit, 'context.mode == "form"', url],
    [url, 'context has host && context.host == "pay.example"', REQUESTS.elicit],
    [REQUESTS.elicit, 'context.fields.contains("yes")', { ...REQUESTS.elicit, fields: ['password'] }],
    [REQUESTS.elicit, 'context.message == "Sure?"', { ...REQUESTS.elicit, message: 'Your password?' }],
    [REQUESTS.elicit, 'context.during == "pay"', { ...REQUESTS.elicit, during: 'read_file' }],
    [REQUESTS.elicit, 'resource == Server::"web"', { ...REQUESTS.elicit, server: LOCAL }],
    [REQUESTS.sample, 'context.max_tokens <= 100', { ...REQUESTS.sample, maxTokens: 101 }],
    [REQUESTS.sample, 'context.messages < 3', { ...REQUESTS.sample, messages: 3 }],
    [REQUESTS.sample, 'context.include_context == "none"', { ...REQUESTS.sample, includeContext: 'allServers' }],
    [REQUESTS.sample, '!context.system_prompt', { ...REQUESTS.sample, systemPrompt: true }],
    [REQUESTS.sample, '!context.tools', { ...REQUESTS.sample, tools: true }],
    [REQUESTS.sample, 'context.during == "pay"', { ...REQUESTS.sample, during: 'read_file' }],
    [REQUESTS.list_roots, 'context.during == "pay"', { ...REQUESTS.list_roots, during: 'read_file' }],
  ];
  for (const [asked, condition, other] of conditions) {
    const forbid = `forbid (principal, action == Action::"${asked.action}", resource) when { ${condition} };`;
    const engine = await native(t, PERMIT_ALL + forbid);
    assert.deepEqual(engine.decide(decisionAbout(asked)).policyIds, ['policy1'], condition);
    assert.equal(engine.decide(decisionAbout(other)).effect, 'allow', condition);
  }
});

test('session, caller, workflow and platform decide on every kind of request', async (t) => {
  const conditions: [string, Parameters<typeof decisionAbout>[1]][] = [
    ['context.session.max_class_rank >= 1', { session: { maxClassRank: 1 } }],
    ['context.caller.subject == "agent-2"', { caller: { subject: 'agent-2', source: 'bearer' } }],
    ['context has workflow && context.workflow.id == "w"', { workflow: 'w' }],
    ['context.platform == "sev-snp"', { platform: 'sev-snp' }],
    ['context.trust_level == "hardware"', { trustLevel: 'hardware' }],
  ];
  for (const [condition, changes] of conditions) {
    const engine = await native(t, `${PERMIT_ALL}forbid (principal, action, resource) when { ${condition} };`);
    for (const asked of ALL) {
      assert.equal(engine.decide(decisionAbout(asked)).effect, 'allow', condition);
      assert.deepEqual(engine.decide(decisionAbout(asked, changes)).policyIds, ['policy1'], condition);
    }
  }
});

test('the answer to every kind of request is decided too, and its denial is plain', async (t) => {
  const engine = await native(
    t,
    `${PERMIT_ALL}@approver("ciso") forbid (principal, action, resource) when { context has response && context.response.class_rank >= 1 };`,
  );
  for (const asked of ALL) {
    const on = (classRank: number) =>
      engine.decide(decisionAbout(asked, { response: { ...RESPONSE, class: 'pii', classRank } }));
    assert.equal(on(0).effect, 'allow', asked.action);
    assert.deepEqual([on(1).effect, on(1).policyIds], ['deny', ['policy1']], asked.action);
  }
});

test('annotations say how a denial is meant, as for tools [AARM-R4]', async (t) => {
  const cases: [string, Decision['effect']][] = [
    ['@approver("ciso")', 'step_up'],
    ['@aarm_decision("defer")', 'defer'],
    ['@advice("x")', 'deny'],
  ];
  for (const [annotation, effect] of cases) {
    const engine = await native(t, `${PERMIT_ALL}${annotation} forbid (principal, action, resource is Server);`);
    const decision = engine.decide(decisionAbout(REQUESTS.sample));
    assert.equal(decision.effect, effect);
    assert.equal(Object.keys(decision.advice).length, effect === 'defer' ? 0 : 1);
    assert.equal(engine.decide(decisionAbout(REQUESTS.read_resource)).effect, 'allow');
  }
});

test('an action that the schema does not declare is denied like anything that is not permitted', async (t) => {
  const older = SCHEMA.replace(/\/\/ An agent reads a resource[\s\S]*$/, '');
  assert.doesNotMatch(older, /action "read_resource"/);
  const engine = await native(t, PERMIT_ALL, older);
  for (const asked of ALL) assert.deepEqual(engine.decide(decisionAbout(asked)), NOTHING, asked.action);
  assert.equal(engine.decide(decisionOn(CATALOG, 'read_file')).effect, 'allow');
});

test('a bundle from before there were other actions keeps its tools and gets nothing else', async (t) => {
  const engine = await native(
    t,
    PERMIT_ALL,
    `entity Agent, Server;
     entity Resource in [Server] = { "effects": String };
     action "call_tool";
     action "read_file", "pay" in [Action::"call_tool"] appliesTo { principal: Agent, resource: Resource };`,
  );
  for (const asked of ALL) assert.deepEqual(engine.decide(decisionAbout(asked)), NOTHING, asked.action);
  assert.equal(engine.decide(decisionOn(CATALOG, 'pay')).effect, 'allow');
});

test('a compatibility bundle permits calls of tools only', async (t) => {
  const catalog = withOthers(referenceCatalog(referenceEntry('echo')), { resources: [NOTES], prompts: [GREET] });
  const engine = await engineOf(t, catalog, PERMIT_ALL);
  for (const asked of ALL) assert.deepEqual(engine.decide(decisionAbout(asked)), NOTHING, asked.action);
  assert.equal(engine.decide(decisionOn(catalog, 'echo')).effect, 'allow');
});

test('a tool with the name of another action keeps it, and the other action is denied', async (t) => {
  const named = referenceCatalog(referenceEntry('get_task'), referenceEntry('elicit'), referenceEntry('echo'));
  const tasks = (action: 'get_task' | 'cancel_task'): Asked => ({ action, tool: toolOf(named, 'echo') });
  const [server] = named.servers;
  assert.ok(server);
  const schema = nativeSchema(named);
  assert.match(schema, /\/\/ "get_task" is a tool of this catalog/);
  const engine = await engineOf(t, named, PERMIT_ALL, schema);
  for (const name of ['get_task', 'elicit']) assert.equal(engine.decide(decisionOn(named, name)).effect, 'allow');
  assert.deepEqual(engine.decide(decisionAbout(tasks('get_task'))), NOTHING);
  assert.deepEqual(engine.decide(decisionAbout({ ...REQUESTS.elicit, server })), NOTHING);
  assert.equal(engine.decide(decisionAbout(tasks('cancel_task'))).effect, 'allow');
});

test('a tool that has left the catalog does not lend its action to another kind of request', async (t) => {
  const schema = SCHEMA.replace(
    'action "list_roots" appliesTo',
    'action "list_roots" in [Action::"call_tool"] appliesTo',
  );
  const engine = await native(t, PERMIT_ALL, schema);
  assert.deepEqual(engine.decide(decisionAbout(REQUESTS.list_roots)), NOTHING);
});

test('what is not in the catalog of the bundle is denied, and that is an error', async (t) => {
  const engine = await native(t, PERMIT_ALL);
  const foreign: Asked[] = [
    { ...REQUESTS.read_resource, resource: resourceOf(LOCAL, 'other', 'file:///other') },
    { ...REQUESTS.get_prompt, prompt: promptOf(LOCAL, 'notes') },
    { ...REQUESTS.get_task, tool: { ...toolOf(CATALOG, 'pay'), name: 'greet' } },
    { ...REQUESTS.list_roots, server: { ...WEB, id: 'elsewhere' } },
  ];
  for (const asked of foreign) {
    const { effect, error } = engine.decide(decisionAbout(asked));
    assert.equal(effect, 'deny');
    assert.match(error ?? '', /not in the catalog/);
  }
});

test('texts of peers that Cedar cannot carry deny, and texts that look like Cedar are texts [ATK-13]', async (t) => {
  const engine = await native(t, PERMIT_ALL);
  const broken = '\ud800';
  const refused: Asked[] = [
    { ...REQUESTS.read_resource, uri: broken },
    { ...REQUESTS.get_prompt, arguments: { [broken]: 'x' } },
    { ...REQUESTS.get_prompt, arguments: { x: broken } },
    { ...REQUESTS.complete, argument: { name: broken, value: '' } },
    { ...REQUESTS.complete, argument: { name: '', value: broken } },
    { ...REQUESTS.elicit, message: broken },
    { ...REQUESTS.elicit, fields: [broken] },
    { ...REQUESTS.elicit, host: broken },
    { ...REQUESTS.elicit, during: broken },
    { ...REQUESTS.sample, includeContext: broken },
    { ...REQUESTS.sample, during: broken },
    { ...REQUESTS.list_roots, during: broken },
  ];
  for (const asked of refused) {
    const { effect, error } = engine.decide(decisionAbout(asked));
    assert.deepEqual([effect, error], ['deny', 'the request holds an unpaired surrogate'], asked.action);
  }
  const odd: Asked[] = [
    { ...REQUESTS.get_prompt, arguments: Object.fromEntries([['__entity', '{"type":"Agent","id":"admin"}']]) },
    { ...REQUESTS.get_prompt, arguments: Object.fromEntries([['__proto__', 'x']]) },
    { ...REQUESTS.elicit, fields: ['__extn', '__proto__'] },
    { ...REQUESTS.read_resource, uri: 'Agent::"admin"' },
  ];
  for (const asked of odd) assert.equal(engine.decide(decisionAbout(asked)).effect, 'allow', asked.action);
});

test('a count that Cedar would see as another number denies', async (t) => {
  const engine = await native(t, PERMIT_ALL);
  for (const count of [1.5, 2 ** 60, Number.NaN, Number.POSITIVE_INFINITY]) {
    for (const given of [{ maxTokens: count }, { messages: count }]) {
      const { effect, error } = engine.decide(decisionAbout({ ...REQUESTS.sample, ...given }));
      assert.deepEqual([effect, error], ['deny', 'the request holds a count that is no safe integer']);
    }
  }
});

test('a request that does not fit what the schema declares is unfit, and the error names the member alone', async (t) => {
  const schema = SCHEMA.replace('"uri": String,', '"uri": Long,');
  const decision = (await native(t, PERMIT_ALL, schema)).decide(decisionAbout(REQUESTS.subscribe));
  assert.deepEqual(decision, { ...NOTHING, error: 'context.uri is not of type Long', unfit: true });
});

test('a policy that cannot be evaluated denies other requests as it denies calls [D-13] [G12]', async (t) => {
  const overflow =
    'forbid (principal, action == Action::"sample", resource) when { context.max_tokens * 4611686018427387904 > 1 };';
  const engine = await native(t, PERMIT_ALL + overflow);
  const decision = engine.decide(decisionAbout(REQUESTS.sample));
  assert.deepEqual(decision, { ...NOTHING, policyIds: ['policy1'], error: 'policy1: integer overflow' });
});

test('a closed engine denies everything', async (t) => {
  const engine = await native(t, PERMIT_ALL);
  engine.close();
  for (const asked of ALL) assert.equal(engine.decide(decisionAbout(asked)).effect, 'deny', asked.action);
});

test('a declared action that does not fit the request is refused at load, and says what to change [W-24]', async (t) => {
  const cases: [string, string | RegExp, string, string][] = [
    [
      'another principal',
      /(action "elicit" appliesTo \{\s+principal: )\[Agent\]/,
      '$1[Server]',
      'Action::"elicit" must apply to principal Agent and resource Server',
    ],
    [
      'another resource',
      /(action "get_prompt" appliesTo \{[^:]*:[^:]*: )\[Prompt\]/,
      '$1[Resource]',
      'resource Prompt',
    ],
    ['one resource of two', '[Prompt, McpResource]', '[Prompt]', 'resource Prompt and McpResource'],
    ['a member that is never sent', '"uri": String,', '"uri": String, "url": String,', 'context.url'],
    ['a member that is not always sent', '"host"?: String', '"host": String', 'context.host'],
    ['the answer', /("during": String,[^}]*)"response"\?/, '$1"response"', 'context.response'],
    [
      'a group',
      'action "list_roots" appliesTo',
      'action "asks";\naction "list_roots" in [Action::"asks"] appliesTo',
      'Action::"list_roots" may not be in another action',
    ],
    ['no place for servers', 'entity McpResource in [Server]', 'entity McpResource', 'McpResource entities do not fit'],
    [
      'an attribute that is never sent',
      '"template": Bool,',
      '"template": Bool, "owner": String,',
      'McpResource entities do not fit',
    ],
    [
      'an attribute of prompts',
      /(entity Prompt in \[Server\] = \{)/,
      '$1 "owner": String,',
      'Prompt entities do not fit',
    ],
    ['an attribute of servers', 'entity Server;', 'entity Server = { "owner": String };', 'Server entities do not fit'],
    [
      'a context that is no record',
      /action "list_roots" appliesTo[\s\S]*$/,
      'action "list_roots" appliesTo { principal: Agent, resource: Server, context: Odd };\ntype Odd = { "during": Long, "x": Odd2 }; type Odd2 = String;',
      'context.x',
    ],
  ];
  for (const [what, from, to, says] of cases) {
    const schema = SCHEMA.replace(from, to);
    assert.notEqual(schema, SCHEMA, what);
    await assert.rejects(native(t, PERMIT_ALL, schema), (error) => {
      assert.ok(error instanceof GatewayError && error.code === 'POLICY_INVALID', `${what}: ${error}`);
      assert.ok(
        error.detail.startsWith('schema.cedarschema') && error.detail.includes(says),
        `${what}: ${error.detail}`,
      );
      return true;
    });
  }
});

test('a schema may leave out what its policies do not read', async (t) => {
  const schema = `entity Agent, Server;
    entity Resource, McpResource, Prompt in [Server];
    action "call_tool";
    action "read_file", "pay" in [Action::"call_tool"] appliesTo { principal: Agent, resource: Resource };
    action "get_prompt" appliesTo { principal: Agent, resource: Prompt, context: { "arguments": Set<{ "name": String }> } };
    action "sample" appliesTo { principal: Agent, resource: [Server, Resource], context: { "max_tokens"?: Long } };`;
  const policy = `${PERMIT_ALL}
    forbid (principal, action == Action::"get_prompt", resource) when { context.arguments.contains({ name: "x" }) };
    forbid (principal, action == Action::"sample", resource) when { context has max_tokens && context.max_tokens > 9 };`;
  const engine = await native(t, policy, schema);
  const effects = (asked: Asked) => engine.decide(decisionAbout(asked, { workflow: 'w' })).effect;
  assert.equal(effects(REQUESTS.get_prompt), 'allow');
  assert.equal(effects({ ...REQUESTS.get_prompt, arguments: { x: 'y' } }), 'deny');
  assert.equal(effects(REQUESTS.sample), 'deny');
  assert.equal(effects({ ...REQUESTS.sample, maxTokens: 9 }), 'allow');
  assert.equal(effects(REQUESTS.read_resource), 'deny');
});
