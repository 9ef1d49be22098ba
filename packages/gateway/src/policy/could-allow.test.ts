import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import {
  catalogOf,
  decisionAbout,
  engineOf,
  promptOf,
  referenceCatalog,
  referenceEntry,
  resourceOf,
  serverOf,
  toolOf,
  toolRecord,
  withAgent,
  withOthers,
} from '../../../../tests/support/policy.ts';
import type { Catalog } from '../catalog/types.ts';
import type { Bundle } from './bundle.ts';
import { CouldAllow } from './could-allow.ts';
import { createEngine } from './engine.ts';
import { parsePolicies } from './parse.ts';
import type { RequestBuilder } from './request.ts';
import { nativeRequests } from './request-native.ts';
import { nativeSchema } from './schema.ts';
import type { Askable, Asked, DecisionInput } from './types.ts';

const TOOLS = catalogOf(
  toolRecord('read_file', {}, { path: { type: 'string' } }),
  toolRecord('pay', { server: 'web', effects: 'write', destination_class: 'external', sensitivity: 'confidential' }),
);
const LOCAL = serverOf(TOOLS, 'local');
const WEB = serverOf(TOOLS, 'web');
const CATALOG = withOthers(TOOLS, {
  resources: [resourceOf(LOCAL, 'notes', 'file:///notes.txt'), resourceOf(WEB, 'page', 'https://tools.example/')],
  prompts: [promptOf(LOCAL, 'greet'), promptOf(WEB, 'sell', { sensitivityRank: 2, requiresBaa: true })],
});
const SCHEMA = nativeSchema(CATALOG);
const AGENT = { subject: 'agent-1', source: 'bearer' } as const;
const OTHER = { subject: 'agent-2', source: 'bearer' } as const;
const IN_OPS = { ...AGENT, groups: ['ops', 'dev'] };
const FOR_ANNA = { ...AGENT, onBehalfOf: 'anna' };
const WITH_SCOPE = { ...AGENT, source: 'oauth', scopes: ['read'] } as const;
const CALLS = 'permit (principal, action in Action::"call_tool", resource)';

const call = (name: string, catalog = CATALOG): Askable => ({ action: 'call_tool', tool: toolOf(catalog, name) });
const native = (t: TestContext, policies: string) => engineOf(t, CATALOG, policies, SCHEMA);

/** Everything that a list can hold. */
function askables(catalog: Catalog): Askable[] {
  return [
    ...catalog.tools.map((tool): Askable => ({ action: 'call_tool', tool })),
    ...catalog.resources.map((resource): Askable => ({ action: 'read_resource', resource })),
    ...catalog.prompts.map((prompt): Askable => ({ action: 'get_prompt', prompt })),
  ];
}

test('what is never permitted, or always forbidden, could not be allowed', async (t) => {
  const engine = await native(
    t,
    `permit (principal == Agent::"agent-1", action in Action::"call_tool", resource);
     permit (principal, action == Action::"read_resource", resource in Server::"local");
     forbid (principal, action in Action::"call_tool", resource) when { resource.effects == "write" };`,
  );
  const could = (caller: typeof AGENT | typeof OTHER) =>
    askables(CATALOG).map((asked) => engine.couldAllow(caller, asked));
  //                            pay    read_file notes  page   greet  sell
  assert.deepEqual(could(AGENT), [false, true, true, false, false, false]);
  assert.deepEqual(could(OTHER), [false, false, true, false, false, false]);
  assert.deepEqual(could(AGENT), could(AGENT), 'asked again, the answer is the same');
});

test('a condition on the context could hold, a condition beside it still counts', async (t) => {
  const cases: [string, boolean, boolean][] = [
    [`${CALLS} when { context.session.class_rank > 5 };`, true, true],
    [`${CALLS} unless { context.platform == "x" };`, true, true],
    [`${CALLS} when { context.platform == "x" } when { resource.effects == "read" };`, true, false],
    [`${CALLS} unless { resource.effects == "write" } when { context.platform == "x" };`, true, false],
    [`${CALLS} when { resource.effects == "read" && context.platform == "x" };`, true, true],
    [`${CALLS}; forbid (principal, action, resource) when { context.platform == "x" };`, true, true],
    [`${CALLS}; forbid (principal, action, resource) unless { context.platform == "x" };`, true, true],
    [`${CALLS}; forbid (principal, action, resource in Server::"web") when { context.platform == "x" };`, true, true],
    [`${CALLS}; forbid (principal, action, resource in Server::"web");`, true, false],
    [`${CALLS} when { resource.sensitivity_rank < 9223372036854775807 } when { context.platform == "x" };`, true, true],
    [
      `${CALLS} when { resource.sensitivity_rank > 9223372036854775806 } when { context.platform == "x" };`,
      false,
      false,
    ],
  ];
  for (const [policies, read, write] of cases) {
    const engine = await native(t, policies);
    const could = ['read_file', 'pay'].map((name) => engine.couldAllow(AGENT, call(name)));
    assert.deepEqual(could, [read, write], policies);
  }
});

test('long conditions are cut as well as short ones', async (t) => {
  const long = Array.from({ length: 200 }, (_, index) => `resource.server == "s${index}"`).join(' || ');
  const engine = await native(
    t,
    `${CALLS} when { context.platform == "x" } when { ${long} || resource.server == "web" };`,
  );
  assert.deepEqual([engine.couldAllow(AGENT, call('read_file')), engine.couldAllow(AGENT, call('pay'))], [false, true]);
});

test('an error that every request meets denies; one behind a condition on the context may never be met [D-13]', async (t) => {
  const overflows = 'resource.sensitivity_rank * 9223372036854775807 > 1';
  const cases: [string, boolean][] = [
    [`${CALLS}; forbid (principal, action, resource is Resource) when { ${overflows} };`, false],
    [`${CALLS}; ${CALLS} when { ${overflows} };`, false],
    [`${CALLS}; ${CALLS} when { context.platform == "x" } when { ${overflows} };`, true],
    [
      `${CALLS}; forbid (principal, action, resource is Resource) when { context.platform == "x" } when { ${overflows} };`,
      true,
    ],
    [`${CALLS} when { context.platform == "x" } when { ${overflows} };`, false],
  ];
  for (const [policies, expected] of cases) {
    const engine = await native(t, policies);
    assert.equal(engine.couldAllow(AGENT, call('pay')), expected, policies);
    const plain = decisionAbout({ action: 'call_tool', tool: toolOf(CATALOG, 'pay'), arguments: {} });
    const answers = [plain, { ...plain, platform: 'x' }].map((input) => engine.decide(input).effect);
    assert.equal(answers.includes('allow'), expected, policies);
  }
});

test('what the bundle does not declare, or the catalog does not hold, could not be allowed', async (t) => {
  const all = 'permit (principal, action, resource);';
  const older = await engineOf(t, CATALOG, all, SCHEMA.replace(/\/\/ An agent reads a resource[\s\S]*$/, ''));
  assert.deepEqual(
    askables(CATALOG).map((asked) => older.couldAllow(AGENT, asked)),
    [true, true, false, false, false, false],
  );
  const engine = await native(t, all);
  assert.equal(engine.couldAllow(AGENT, { action: 'get_prompt', prompt: promptOf(LOCAL, 'other') }), false);
  assert.equal(engine.couldAllow(AGENT, { action: 'get_prompt', prompt: promptOf(LOCAL, 'greet') }), true);
});

test('an agent that the schema does not have could not be allowed anything', async (t) => {
  const schema = withAgent(SCHEMA, 'entity Agent enum ["agent-1"];');
  const engine = await engineOf(t, CATALOG, `${CALLS};`, schema);
  assert.deepEqual(
    [AGENT, OTHER].map((caller) => engine.couldAllow(caller, call('pay'))),
    [true, false],
  );
});

test('a compatibility bundle is asked about its own action and resource', async (t) => {
  const catalog = withOthers(
    referenceCatalog(referenceEntry('crm_get'), referenceEntry('send'), referenceEntry('no::entity')),
    { prompts: CATALOG.prompts },
  );
  const engine = await engineOf(
    t,
    catalog,
    `permit (principal == Agent::"anonymous", action == Action::"CrmGet", resource == Resource::"crm_get") when { context.baa_covered };
     forbid (principal, action, resource == Resource::"send");
     permit (principal, action, resource);`,
  );
  const could = ['crm_get', 'send', 'no::entity'].map((name) => engine.couldAllow(AGENT, call(name, catalog)));
  assert.deepEqual(could, [true, false, false]);
  for (const prompt of catalog.prompts) assert.equal(engine.couldAllow(AGENT, { action: 'get_prompt', prompt }), false);
});

test('a closed engine allows nothing, also of what it remembers, and gives its place back once', async (t) => {
  const engine = await native(t, `${CALLS};`);
  assert.equal(engine.couldAllow(AGENT, call('pay')), true);
  engine.close();
  assert.equal(engine.couldAllow(AGENT, call('pay')), false);
  assert.equal(engine.couldAllow(OTHER, call('pay')), false);
  const successor = await native(t, `${CALLS} when { context.platform == "x" };`);
  engine.close();
  assert.equal(successor.couldAllow(AGENT, call('pay')), true);
});

test('an answer is remembered for its agent and item, and the number of those is bounded', async () => {
  const policies = parsePolicies([{ path: 'p.cedar', text: `${CALLS};` }]);
  const bundle: Bundle = {
    hash: '',
    version: '',
    signature: null,
    request: 'native',
    policies,
    schema: SCHEMA,
    warnings: [],
  };
  const requests = nativeRequests(SCHEMA, CATALOG);
  const evaluated: string[] = [];
  const scope: RequestBuilder['scope'] = (caller, asked) => {
    evaluated.push(`${caller.subject} ${asked.action}`);
    return requests.scope(caller, asked);
  };
  const could = new CouldAllow(bundle, { ...requestsOf(requests), scope }, 2);
  const [prompt] = askables(CATALOG).toReversed();
  assert.ok(prompt);
  const answers = () => [could.ask(AGENT, call('pay')), could.ask(AGENT, prompt)];
  assert.deepEqual([...answers(), ...answers()], [true, false, true, false]);
  assert.deepEqual(evaluated, ['agent-1 call_tool', 'agent-1 get_prompt']);
  assert.equal(could.ask(OTHER, call('pay')), true);
  assert.deepEqual(answers(), [true, false]);
  assert.equal(evaluated.length, 5);
  could.close();
});

const requestsOf = (requests: RequestBuilder): Omit<RequestBuilder, 'scope'> => ({
  build: () => null,
  principalKey: (caller) => requests.principalKey(caller),
  fits: () => false,
  groupsOf: () => [],
  explain: () => '',
});

const SCOPES = {
  principal: [
    'principal',
    'principal == Agent::"agent-1"',
    'principal is Agent',
    'principal == Agent::"nobody"',
    'principal in Group::"ops"',
  ],
  action: [
    'action',
    'action in Action::"call_tool"',
    'action == Action::"pay"',
    'action == Action::"Pay"',
    'action in [Action::"read_resource", Action::"get_prompt", Action::"read_file"]',
  ],
  resource: ['resource', 'resource in Server::"web"', 'resource is Resource', 'resource == Resource::"pay"'],
};
const FREE_OF_CONTEXT = [
  'true',
  'resource.sensitivity_rank >= 1',
  'resource has effects && resource.effects == "write"',
  'resource.effects == "read"',
  'principal == Agent::"agent-2"',
  'principal.name == "x"',
  'principal in Group::"ops"',
  'principal.scopes.contains("read")',
  'principal has on_behalf_of && principal.on_behalf_of == "anna"',
  'resource.sensitivity_rank * 9223372036854775807 > 1',
  'action in Action::"call_tool"',
  'Action::"read_file" in Action::"call_tool"',
  'resource in Server::"web" // context }\n',
  '"context" == "}" || resource.requires_baa',
];
const READING = [
  'context.session.class_rank >= 1',
  'context has workflow',
  'context has arguments && context.arguments has path && context.arguments.path == "x"',
  'context.missing',
  'context.session.in_flight * 9223372036854775807 > 1',
  'context has uri && context.uri like "file*" && resource.template == false',
  'resource.requires_baa || context.platform == "p1"',
];

const clause = fc
  .tuple(fc.constantFrom('when', 'unless'), fc.constantFrom(...FREE_OF_CONTEXT, ...READING))
  .map(([kind, body]) => `${kind} { ${body} }`);
const policy = fc
  .tuple(
    fc.constantFrom('permit', 'permit', 'forbid'),
    fc.constantFrom(...SCOPES.principal),
    fc.constantFrom(...SCOPES.action),
    fc.constantFrom(...SCOPES.resource),
    fc.array(clause, { maxLength: 3 }),
  )
  .map(([effect, ...parts]) => `${effect} (${parts.slice(0, 3).join(', ')}) ${parts[3].join(' ')};`);
const context = fc.record({
  caller: fc.constantFrom<DecisionInput['caller']>(AGENT, OTHER, IN_OPS, FOR_ANNA, WITH_SCOPE),
  workflow: fc.constantFrom(null, 'w'),
  platform: fc.constantFrom('p0', 'p1'),
  session: fc.record({ classRank: fc.nat(2), inFlight: fc.nat(2) }),
  path: fc.constantFrom('x', 'y'),
});

function withParticulars(asked: Askable, path: string): Asked {
  if (asked.action === 'read_resource') return { ...asked, uri: `file:///${path}` };
  if (asked.action === 'get_prompt') return { ...asked, arguments: { path } };
  return { ...asked, arguments: asked.tool.name === 'read_file' ? { path } : {} };
}

const REFERENCE = withOthers(
  referenceCatalog(referenceEntry('pay'), referenceEntry('read_file', { requires_baa: true })),
);

for (const [request, catalog] of [
  ['native', CATALOG],
  ['compat', REFERENCE],
] as const) {
  test(`whatever ${request} policies allow in some context, they could allow, and the reverse where they see none`, () => {
    fc.assert(
      fc.property(
        fc.array(policy, { minLength: 1, maxLength: 5 }),
        fc.array(context, { minLength: 4, maxLength: 8 }),
        (texts, contexts) => {
          // Not validated, so that policies fail in more ways than a native bundle could.
          const policies = parsePolicies([{ path: 'p.cedar', text: texts.join('\n') }]);
          const scoped =
            request === 'native' ? policies : policies.filter(({ text }) => !/Server::|Group::/.test(text));
          const engine = createEngine(
            { hash: '', version: '', signature: null, request, policies: scoped, schema: SCHEMA, warnings: [] },
            catalog,
          );
          const seesContext = texts.some((text) => READING.some((reading) => text.includes(reading)));
          try {
            for (const { caller, path, ...changes } of contexts) {
              for (const asked of askables(catalog)) {
                const { effect } = engine.decide(decisionAbout(withParticulars(asked, path), { caller, ...changes }));
                const could = engine.couldAllow(caller, asked);
                if (effect === 'allow') assert.ok(could, JSON.stringify(asked));
                if (!seesContext) assert.equal(could, effect === 'allow');
              }
            }
          } finally {
            engine.close();
          }
        },
      ),
      { numRuns: 100 },
    );
  });
}
