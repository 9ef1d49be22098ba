import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { isObject, type JsonObject, parseJson } from '@cmcp/evidence';
import fc from 'fast-check';
import {
  catalogOf,
  decisionOn,
  engineOf,
  folderOf,
  NATIVE_MANIFEST,
  toolRecord,
} from '../../../../tests/support/policy.ts';
import { GatewayError } from '../errors.ts';
import { loadBundle } from './bundle.ts';
import { createEngine } from './engine.ts';
import { nativeSchema } from './schema.ts';

const STRING = { type: 'string' };
const INTEGER = { type: 'integer' };

const CATALOG = catalogOf(
  toolRecord(
    'read_file',
    {},
    { path: STRING, paths: { type: 'array', items: STRING }, size: INTEGER, ratio: { type: 'number' } },
  ),
  toolRecord(
    'pay',
    { server: 'web', effects: 'write', destination_class: 'external', sensitivity: 'pii' },
    { amount: INTEGER },
  ),
  toolRecord('free_form', { compliance_domain: 'mnpi', requires_baa: true }),
);
const SCHEMA = nativeSchema(CATALOG);
const PERMIT = 'permit (principal, action in Action::"call_tool", resource);\n';

const native = (t: TestContext, policies: string) => engineOf(t, CATALOG, policies, SCHEMA);

function args(text: string): JsonObject {
  const value = parseJson(text);
  assert.ok(isObject(value));
  return value;
}

test('nothing permitted is denied: by an empty policy and by policies that do not match [G13] [OMCP-07]', async (t) => {
  const nothing = {
    effect: 'deny',
    policyIds: [],
    advice: {},
    redactions: [],
    escalations: [],
    error: null,
    unfit: false,
  };
  assert.deepEqual((await native(t, '// empty')).decide(decisionOn(CATALOG, 'read_file')), nothing);
  const other = await native(t, 'permit (principal == Agent::"someone", action, resource);');
  assert.deepEqual(other.decide(decisionOn(CATALOG, 'read_file')), nothing);
});

test('a permit allows and is named; a forbid wins and is named, in the order of the bundle', async (t) => {
  const fillers = Array.from({ length: 10 }, () => 'permit (principal == Agent::"x", action, resource);').join('\n');
  const forbid = 'forbid (principal, action in Action::"call_tool", resource) when { resource.effects == "write" };\n';
  const engine = await native(t, `${PERMIT}${fillers}${PERMIT}${forbid}${forbid}`);
  const allowed = engine.decide(decisionOn(CATALOG, 'read_file'));
  assert.deepEqual(allowed, {
    effect: 'allow',
    policyIds: ['policy0', 'policy11'],
    advice: {},
    redactions: [],
    escalations: [],
    error: null,
    unfit: false,
  });
  const denied = engine.decide(decisionOn(CATALOG, 'pay', { arguments: { amount: 1 } }));
  assert.deepEqual(denied, {
    effect: 'deny',
    policyIds: ['policy12', 'policy13'],
    advice: {},
    redactions: [],
    escalations: [],
    error: null,
    unfit: false,
  });
});

test('a forbid on an argument value denies that value only [D-10] [G11] [AISVS-10.2.5]', async (t) => {
  const forbid =
    'forbid (principal, action == Action::"read_file", resource) when { context.arguments has path && context.arguments.path like "/etc/*" };';
  const engine = await native(t, PERMIT + forbid);
  const on = (text: string) => engine.decide(decisionOn(CATALOG, 'read_file', { arguments: args(text) }));
  assert.equal(on('{"path":"/srv/a"}').effect, 'allow');
  assert.deepEqual(on('{"path":"/etc/passwd"}').policyIds, ['policy1']);
  assert.equal(on('{}').effect, 'allow');
});

test('an argument of another type, or one that was not approved, cannot slip past a forbid [OMCP-62] [G11]', async (t) => {
  const forbid =
    'forbid (principal, action == Action::"read_file", resource) when { context.arguments has path && context.arguments.path == "/etc/passwd" };';
  const engine = await native(t, PERMIT + forbid);
  const shapes = [
    '{"path":["/etc/passwd"]}',
    '{"path":{"path":"/etc/passwd"}}',
    '{"path":7}',
    '{"path":true}',
    '{"paths":"/etc/passwd"}',
    '{"paths":[["/etc/passwd"]]}',
    '{"Path":"/etc/passwd"}',
    '{"file":"/etc/passwd"}',
    '{"size":1.5}',
    '{"size":9007199254740993}',
  ];
  for (const text of shapes) {
    const decision = engine.decide(decisionOn(CATALOG, 'read_file', { arguments: args(text) }));
    assert.equal(decision.effect, 'deny', text);
    assert.match(decision.error ?? '', /^context\.arguments/, text);
    assert.doesNotMatch(decision.error ?? '', /passwd|file|9007/, 'an error text holds no value of the request');
  }
  const left = engine.decide(decisionOn(CATALOG, 'read_file', { arguments: args('{"ratio":0.5,"size":null}') }));
  assert.equal(left.effect, 'allow', 'an approved argument that Cedar cannot type is left out, a null is absent');
  const open = engine.decide(decisionOn(CATALOG, 'free_form', { arguments: args('{"anything":[1,"a",{}]}') }));
  assert.equal(open.effect, 'allow', 'a tool approved with an open schema takes any argument');
});

/** The gateway says nothing of groups but their names. */
const NAMED_GROUPS = 'entity Group = { "name": String };';

test('a policy that cannot be evaluated denies, though Cedar would skip it and allow [D-13] [G12]', async (t) => {
  const failing: [string, string, JsonObject, RegExp][] = [
    ['missing attribute', 'Group::"x".name == "x"', {}, /^policy1: /],
    ['wrong type', 'context.arguments.amount < 5', { amount: 'much' }, /not of type Long/],
    [
      'overflow',
      'context.arguments.amount * 1000000 > 5',
      { amount: Number.MAX_SAFE_INTEGER },
      /^policy1: integer overflow$/,
    ],
    ['float', 'context.arguments.amount > 5', args('{"amount":7.5}'), /not of type Long/],
  ];
  const schema = SCHEMA.replace('entity Group;', NAMED_GROUPS).replaceAll('"amount"?', '"amount"');
  for (const [what, condition, given, error] of failing) {
    const policy = `forbid (principal, action == Action::"pay", resource) when { ${condition} };`;
    const engine = await engineOf(t, CATALOG, PERMIT + policy, schema);
    const decision = engine.decide(decisionOn(CATALOG, 'pay', { arguments: { amount: 1, ...given } }));
    assert.equal(decision.effect, 'deny', what);
    assert.match(decision.error ?? '', error, what);
    assert.deepEqual(decision.advice, {});
  }
});

test('an error denies also when the policy that fails is a permit [D-13]', async (t) => {
  const schema = SCHEMA.replace('entity Group;', NAMED_GROUPS);
  const engine = await engineOf(
    t,
    CATALOG,
    `${PERMIT}permit (principal, action, resource) when { Group::"x".name == "x" };`,
    schema,
  );
  const decision = engine.decide(decisionOn(CATALOG, 'read_file'));
  assert.deepEqual([decision.effect, decision.policyIds], ['deny', ['policy1']]);
});

const FLOW = {
  tools: ['crm', 'erp'],
  servers: ['a', 'b'],
  domains: [],
  classes: ['pii'],
  max: { class: 'mnpi', rank: 3 },
  complete: false,
};

test('every member of the request reaches policies [D-17] [C-22]', async (t) => {
  const conditions: [string, Parameters<typeof decisionOn>[2]][] = [
    ['principal == Agent::"agent-2"', { caller: { subject: 'agent-2', source: 'bearer' } }],
    ['context.caller.subject == "agent-2"', { caller: { subject: 'agent-2', source: 'bearer' } }],
    ['context.caller.source == "stdio"', { caller: { subject: 'a', source: 'stdio' } }],
    ['context.session.class == "pii"', { session: { class: 'pii' } }],
    ['context.session.class_rank == 2', { session: { classRank: 2 } }],
    ['context.session.max_class == "mnpi"', { session: { maxClass: 'mnpi' } }],
    ['context.session.max_class_rank == 3', { session: { maxClassRank: 3 } }],
    ['context.session.in_flight == 4', { session: { inFlight: 4 } }],
    ['context.flow.sources.tools.contains("crm")', { flow: FLOW }],
    ['context.flow.sources.servers.containsAll(["a", "b"])', { flow: FLOW }],
    ['context.flow.sources.classes == ["pii"]', { flow: FLOW }],
    ['context.flow.max_sensitivity == "mnpi" && context.flow.max_sensitivity_rank == 3', { flow: FLOW }],
    ['!context.flow.complete', { flow: FLOW }],
    ['context.session.generation == 5', { session: { generation: 5 } }],
    ['context.platform == "sev-snp"', { platform: 'sev-snp' }],
    ['context.trust_level == "hardware"', { trustLevel: 'hardware' }],
    ['context has workflow && context.workflow.id == "w" && context.workflow.source == "asserted"', { workflow: 'w' }],
    [
      'context has response && context.response.size == 9',
      { response: { sizeBytes: 9, findings: 0, kinds: [], injection: 0, class: 'public', classRank: 0 } },
    ],
    [
      'context has response && context.response.findings == 2 && context.response.injection == 1',
      { response: { sizeBytes: 9, findings: 2, kinds: [], injection: 1, class: 'public', classRank: 0 } },
    ],
    [
      'context has response && context.response.kinds.contains("secret") && !context.response.kinds.contains("link")',
      { response: { sizeBytes: 9, findings: 1, kinds: ['secret'], injection: 0, class: 'public', classRank: 0 } },
    ],
    [
      'context has response && context.response.class == "pii" && context.response.class_rank == 1',
      { response: { sizeBytes: 9, findings: 0, kinds: [], injection: 0, class: 'pii', classRank: 1 } },
    ],
  ];
  for (const [condition, changes] of conditions) {
    const engine = await native(
      t,
      `permit (principal, action in Action::"call_tool", resource) when { ${condition} };`,
    );
    assert.equal(engine.decide(decisionOn(CATALOG, 'read_file')).effect, 'deny', condition);
    assert.equal(engine.decide(decisionOn(CATALOG, 'read_file', changes)).effect, 'allow', condition);
  }
});

test('every attribute of the resource reaches policies [C-22] [W-24]', async (t) => {
  const conditions: [string, string, string][] = [
    ['resource == Resource::"pay"', 'pay', 'read_file'],
    ['resource in Server::"web"', 'pay', 'read_file'],
    ['resource.server == "web"', 'pay', 'read_file'],
    ['resource.sensitivity == "pii"', 'pay', 'read_file'],
    ['resource.sensitivity_rank >= 1', 'pay', 'read_file'],
    ['resource.destination_class == "external"', 'pay', 'read_file'],
    ['resource.effects == "write"', 'pay', 'read_file'],
    ['resource.compliance_domain == "mnpi"', 'free_form', 'read_file'],
    ['resource.requires_baa', 'free_form', 'read_file'],
    ['action == Action::"pay"', 'pay', 'read_file'],
  ];
  for (const [condition, yes, no] of conditions) {
    const engine = await native(
      t,
      `permit (principal, action in Action::"call_tool", resource) when { ${condition} };`,
    );
    assert.equal(engine.decide(decisionOn(CATALOG, yes)).effect, 'allow', condition);
    assert.equal(engine.decide(decisionOn(CATALOG, no)).effect, 'deny', condition);
  }
});

test('hints of a server are no part of the request [MCP26-36] [MCP25-17]', async (t) => {
  const hinted = catalogOf(
    toolRecord('read_file', {
      definition: {
        name: 'read_file',
        title: 'Safe',
        annotations: { readOnlyHint: true, destructiveHint: false },
        _meta: { trusted: true },
        inputSchema: { type: 'object', properties: {} },
      },
      effects: 'write',
    }),
  );
  const policy = `${PERMIT}forbid (principal, action in Action::"call_tool", resource) when { resource.effects == "write" };`;
  const engine = await engineOf(t, hinted, policy, nativeSchema(hinted));
  assert.equal(engine.decide(decisionOn(hinted, 'read_file')).effect, 'deny');
});

test('annotations of the denying policies say how it is denied, and become advice [AARM-R4]', async (t) => {
  const on = async (annotations: string, egress = false) => {
    const engine = await native(
      t,
      `${PERMIT}${annotations} forbid (principal, action in Action::"call_tool", resource);`,
    );
    const response = egress
      ? { response: { sizeBytes: 0, findings: 0, kinds: [], injection: 0, class: 'public', classRank: 0 } }
      : {};
    return engine.decide(decisionOn(CATALOG, 'read_file', response));
  };
  const cases: [string, string][] = [
    ['', 'deny'],
    ['@aarm_decision("defer")', 'defer'],
    ['@aarm_decision(" Step_Up ")', 'step_up'],
    ['@aarm_decision("deny") @hitl("yes")', 'deny'],
    ['@escalation("ops")', 'step_up'],
    ['@escalate("ops")', 'step_up'],
    ['@hitl', 'step_up'],
    ['@note("approver")', 'deny'],
  ];
  for (const [annotations, effect] of cases) assert.equal((await on(annotations)).effect, effect, annotations);
  const advice = '@advice("ask") @approver("ciso") @escalate("a") @escalation("b") @hitl @ttl("15m") @severity("high")';
  assert.deepEqual((await on(`${advice} @note("why") @aarm_decision("defer")`)).advice, {
    advice: 'ask',
    approver: 'ciso',
    escalate: 'a',
    escalation: 'b',
    hitl: '',
    ttl: '15m',
    severity: 'high',
  });
  assert.equal((await on('@approver("ciso")', true)).effect, 'deny', 'an answer cannot be approved after the fact');
});

test('advice of several forbids is merged, the later policy wins, beyond ten too', async (t) => {
  const forbids = Array.from(
    { length: 12 },
    (_, index) =>
      `@advice("${index}") ${index === 3 ? '@approver("x")' : ''} forbid (principal, action in Action::"call_tool", resource);`,
  );
  const { advice } = (await native(t, PERMIT + forbids.join('\n'))).decide(decisionOn(CATALOG, 'read_file'));
  assert.deepEqual(advice, { advice: '11', approver: 'x' });
});

test('names that Cedar would read as an entity are refused, and text that looks like one is text [ATK-13]', async (t) => {
  const engine = await native(t, PERMIT);
  const forged = args('{"anything":{"__entity":{"type":"Agent","id":"admin"}}}');
  assert.throws(() => engine.decide(decisionOn(CATALOG, 'free_form', { arguments: forged })), {
    code: 'ARGUMENTS_REFUSED',
  });
  const text = decisionOn(CATALOG, 'read_file', { arguments: { path: 'Agent::"admin"' } });
  assert.equal(engine.decide(text).effect, 'allow');
});

test('unpaired surrogates and deep nesting deny, and the engine goes on', async (t) => {
  const engine = await native(t, PERMIT);
  let deep: JsonObject = {};
  for (let level = 0; level < 400; level += 1) deep = { deep };
  for (const given of [{ path: '\ud800' }, { '\ud800': 1 }, deep]) {
    const decision = engine.decide(decisionOn(CATALOG, 'read_file', { arguments: given }));
    assert.equal(decision.effect, 'deny');
    assert.notEqual(decision.error, null);
  }
  assert.equal(engine.decide(decisionOn(CATALOG, 'read_file', { workflow: '\udfff' })).effect, 'deny');
  assert.equal(engine.decide(decisionOn(CATALOG, 'read_file')).effect, 'allow');
});

test('a request that Cedar itself cannot read denies', async (t) => {
  const engine = await native(t, PERMIT);
  // Cedar answers "failure" to the first and throws at the second.
  for (const changes of [{ session: { inFlight: 1.5 } }, { platform: '\ud800' }]) {
    const decision = engine.decide(decisionOn(CATALOG, 'read_file', changes));
    assert.equal(decision.effect, 'deny');
    assert.notEqual(decision.error, null);
  }
});

test('a tool of another catalog is denied', async (t) => {
  const engine = await native(t, PERMIT);
  const other = catalogOf(toolRecord('delete_file'));
  assert.equal(engine.decide(decisionOn(other, 'delete_file')).effect, 'deny');
});

test('a closed engine denies, and closing again does no harm to the next', async (t) => {
  const engine = await native(t, PERMIT);
  engine.close();
  const successor = await native(t, PERMIT);
  engine.close();
  assert.equal(engine.decide(decisionOn(CATALOG, 'read_file')).effect, 'deny');
  assert.equal(successor.decide(decisionOn(CATALOG, 'read_file')).effect, 'allow');
});

test('engines alive at the same time keep to their own policies', async (t) => {
  const [yes, no] = [await native(t, PERMIT), await native(t, '')];
  const third = await native(t, `${PERMIT}${PERMIT}`);
  for (let round = 0; round < 3; round += 1) {
    assert.equal(no.decide(decisionOn(CATALOG, 'read_file')).effect, 'deny');
    assert.equal(yes.decide(decisionOn(CATALOG, 'read_file')).effect, 'allow');
    assert.deepEqual(third.decide(decisionOn(CATALOG, 'read_file')).policyIds, ['policy0', 'policy1']);
  }
});

test('a schema that would let a tool escape its policies is refused, and says what to change [W-24]', async (t) => {
  const cases: [string, string | RegExp, string, string][] = [
    ['no action for a tool', /action "pay"[^;]*;/, '', 'no action "pay"'],
    ['outside the group', 'action "pay" in [Action::"call_tool"]', 'action "pay"', 'in Action::"call_tool"'],
    [
      'in another group too',
      '"pay" in [Action::"call_tool"]',
      '"pay" in [Action::"call_tool", Action::"safe"]',
      'nothing else',
    ],
    ['a group in a group', 'action "call_tool";', 'action "call_tool" in [Action::"safe"];', 'another action'],
    ['other entities', 'principal: [Agent],', 'principal: [Server],', 'principal Agent'],
    ['a member that is never sent', '"caller": Caller', '"caller": Caller, "moon": String', 'context.moon'],
    ['a member that is not always sent', '"workflow"?: Workflow', '"workflow": Workflow', 'context.workflow'],
    ['an attribute that is never sent', '"requires_baa": Bool,', '"requires_baa": Bool, "owner": String,', 'Resource'],
  ];
  for (const [what, from, to, says] of cases) {
    const schema = `action "safe";\n${SCHEMA}`.replace(from, to);
    assert.notEqual(schema, `action "safe";\n${SCHEMA}`, what);
    await assert.rejects(
      engineOf(t, CATALOG, PERMIT, schema),
      (error) => error instanceof GatewayError && error.code === 'POLICY_INVALID' && error.detail.includes(says),
      what,
    );
  }
});

test('a schema may leave out members that its policies do not read', async (t) => {
  const schema = `entity Agent, Server;
    entity Resource in [Server] = { "effects": String };
    type Context = { "session": { "class_rank": Long } };
    action "call_tool";
    action "read_file", "pay", "free_form" in [Action::"call_tool"] appliesTo { principal: Agent, resource: Resource, context: Context };`;
  const policy = `${PERMIT}forbid (principal, action, resource) when { context.session.class_rank > 0 && resource.effects == "write" };`;
  const engine = await engineOf(t, CATALOG, policy, schema);
  const paid = (classRank: number) =>
    engine.decide(decisionOn(CATALOG, 'pay', { arguments: { amount: 1 }, workflow: 'w', session: { classRank } }))
      .effect;
  assert.deepEqual([paid(0), paid(1)], ['allow', 'deny']);
});

test('a member that neither the approved schema nor the policy schema describes denies, nested too [OMCP-62]', async (t) => {
  const schema = SCHEMA.replace('"path"?: String,', '"path"?: String, "opts"?: { "a": String },');
  const engine = await engineOf(t, CATALOG, PERMIT, schema);
  const on = (opts: JsonObject) => engine.decide(decisionOn(CATALOG, 'read_file', { arguments: { opts } })).effect;
  assert.deepEqual([on({ a: 'x' }), on({ a: 'x', b: 'y' })], ['allow', 'deny']);
});

test('whatever the arguments, a call is allowed only if they fit what was approved, and nothing is thrown [G12]', async (t) => {
  const engine = await native(t, PERMIT);
  const value = fc.oneof(
    fc.string(),
    fc.maxSafeInteger(),
    fc.boolean(),
    fc.constant(null),
    fc.array(fc.oneof(fc.string(), fc.integer())),
  );
  const key = fc.constantFrom('path', 'paths', 'size', 'ratio', 'other');
  fc.assert(
    fc.property(fc.dictionary(key, value), (given) => {
      const { effect, error } = engine.decide(decisionOn(CATALOG, 'read_file', { arguments: given }));
      const { path, paths, size, other } = given;
      const fits =
        (path === undefined || path === null || typeof path === 'string') &&
        (size === undefined || size === null || typeof size === 'number') &&
        (paths === undefined ||
          paths === null ||
          (Array.isArray(paths) && paths.every((each) => typeof each === 'string'))) &&
        (other === undefined || other === null);
      assert.equal(effect, fits ? 'allow' : 'deny');
      assert.equal(error === null, fits);
    }),
    { numRuns: 150 },
  );
});

test('the engine says which bundle it is', async (t) => {
  const folder = await folderOf(t, {
    'manifest.json': JSON.stringify({ ...NATIVE_MANIFEST, version: '2.1.0' }),
    'schema.cedarschema': SCHEMA,
    'p.cedar': PERMIT,
  });
  const bundle = await loadBundle(folder);
  const engine = createEngine(bundle, CATALOG);
  t.after(() => engine.close());
  assert.deepEqual([engine.bundleHash, engine.version, engine.request], [bundle.hash, '2.1.0', 'native']);
});
