import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '@cmcp/evidence';
import fc from 'fast-check';
import { catalogOf, decisionOn, toolRecord, withAgent } from '../../../../tests/support/policy.ts';
import type { Caller } from '../caller.ts';
import { type FlowSource, viewOf } from '../session/flow/view.ts';
import { NotEvaluable } from './cedar-value.ts';
import { parsePolicies } from './parse.ts';
import { prepare } from './prepared.ts';
import type { CedarRequest } from './request.ts';
import { nativeRequests } from './request-native.ts';
import { nativeSchema } from './schema.ts';
import { Sliced } from './sliced.ts';

const STRING = { type: 'string' };
const CATALOG = catalogOf(
  toolRecord('read_file', {}, { path: STRING, paths: { type: 'array', items: STRING }, size: { type: 'integer' } }),
  toolRecord(
    'pay',
    { server: 'web', effects: 'write', destination_class: 'external', sensitivity: 'pii' },
    { amount: { type: 'integer' }, to: { type: 'object', properties: { name: STRING, known: { type: 'boolean' } } } },
  ),
  toolRecord('free_form', { compliance_domain: 'mnpi', requires_baa: true }),
);
const SCHEMA = nativeSchema(CATALOG);
const requests = nativeRequests(SCHEMA, CATALOG);

const PRINCIPALS = [
  'principal',
  'principal == Agent::"a"',
  'principal in Agent::"a"',
  'principal is Agent',
  'principal is Server',
  'principal in Group::"ops"',
  'principal is Agent in Group::"ops"',
  'principal in Group::"none"',
];
const ACTIONS = [
  'action',
  'action == Action::"read_file"',
  'action == Action::"call_tool"',
  'action in Action::"call_tool"',
  'action in [Action::"pay", Action::"read_resource"]',
  'action in [Action::"call_tool", Action::"complete"]',
];
const RESOURCES = [
  'resource',
  'resource == Resource::"pay"',
  'resource in Server::"web"',
  'resource is Resource',
  'resource is Prompt',
  'resource is Resource in Server::"web"',
  'resource in Resource::"pay"',
];
/** Reads of every depth, of whole records, of what is not there, and ones that fail. */
const CONDITIONS = [
  'context.session.class_rank > 0',
  'context.session.max_class_rank + 9223372036854775807 > context.session.in_flight',
  'context.caller == {"subject": "a", "source": "bearer"}',
  'context has workflow && context.workflow.id like "on*"',
  'context.workflow.id == "onboarding"',
  'context has workflow.id',
  'context has arguments.to.name',
  'context.arguments has path && context.arguments.path like "/etc/*"',
  'context.arguments.amount > 100',
  'context.arguments.to.known',
  'context.arguments.to == {"name": "x", "known": true}',
  'context.arguments.paths.contains("x")',
  'context.arguments has nothing',
  'context has response && context.response.size > 10',
  'context.flow.sources.tools.contains("read_file")',
  'context.flow.sources == {"tools": ["pay"], "servers": ["web"], "classes": ["pii"]}',
  'context.flow.complete',
  'context.flow.max_sensitivity_rank + 9223372036854775807 > 0',
  'context == context',
  '{"a": context.session}.a.class == "pii"',
  '(if context.trust_level == "software" then context.arguments else {"path": "y"}) has path',
  'resource.destination_class == "external"',
  'resource has effects && resource.effects == "write"',
  'resource in Server::"web"',
  'principal == Agent::"a"',
  'action in Action::"call_tool"',
  'action == Action::"pay"',
  '[Action::"pay"].contains(action)',
  'Action::"read_file" in Action::"call_tool"',
  'Action::"complete" in Action::"call_tool"',
  'context.platform like "*t*"',
  'principal in Group::"ops"',
  'principal in [Group::"dev", Group::"none"]',
  'Agent::"a" in Group::"ops"',
  'Agent::"b" in Group::"ops"',
  'principal.source == "svid"',
  'principal.scopes.contains("tools:read")',
  'principal has on_behalf_of && principal.on_behalf_of == "anna"',
  'principal.on_behalf_of like "b*"',
  'Agent::"a".scopes.contains("tools:read")',
  'Agent::"b".source == "svid"',
  'context.caller.groups.containsAny(["ops", "dev"])',
  'context.caller has on_behalf_of',
  'context has workflow && context.workflow.source == "signed"',
];

const policy = fc
  .record({
    effect: fc.constantFrom('permit', 'forbid'),
    principal: fc.constantFrom(...PRINCIPALS),
    action: fc.constantFrom(...ACTIONS),
    resource: fc.constantFrom(...RESOURCES),
    conditions: fc.array(fc.tuple(fc.constantFrom('when', 'unless'), fc.constantFrom(...CONDITIONS)), { maxLength: 3 }),
  })
  .map(({ effect, principal, action, resource, conditions }) => {
    const clauses = conditions.map(([kind, body]) => ` ${kind} { ${body} }`).join('');
    return `${effect} (${principal}, ${action}, ${resource})${clauses};`;
  });

/** One of the usual values, and now and then the one that Cedar does not take. */
function mostly<T>(usual: T[], odd: T): fc.Arbitrary<T> {
  return fc.oneof({ weight: 12, arbitrary: fc.constantFrom(...usual) }, { weight: 1, arbitrary: fc.constant(odd) });
}

const text = fc.constantFrom('x', '/etc/passwd', '/srv', 'onboarding', 'context', '');
const givenArguments: fc.Arbitrary<JsonObject> = fc
  .record(
    {
      path: text,
      paths: fc.array(text, { maxLength: 2 }),
      size: fc.maxSafeInteger(),
      amount: mostly<number | string>([1, 101], '1'),
      to: fc.record({ name: text, known: fc.boolean() }, { requiredKeys: [] }),
    },
    { requiredKeys: [] },
  )
  .chain((given) => mostly<JsonObject>([{ ...given }], { ...given, extra: { deep: 1 } }));

const OWN: Readonly<Record<string, readonly string[]>> = {
  read_file: ['path', 'paths', 'size'],
  pay: ['amount', 'to'],
  free_form: [],
};

const caller: fc.Arbitrary<Caller> = fc.record(
  {
    subject: fc.constantFrom('a', 'b', 'A"\\'),
    source: fc.constantFrom('bearer', 'svid'),
    scopes: fc.subarray(['tools:read', 'tools', '__entity']),
    // In any order, and more than once.
    groups: fc.array(fc.constantFrom('ops', 'dev', 'A"\\'), { maxLength: 3 }),
    onBehalfOf: fc.constantFrom('anna', 'bert'),
    workflow: fc.constantFrom('onboarding', 'signed-one'),
  },
  { requiredKeys: ['subject', 'source'] },
);

const request: fc.Arbitrary<CedarRequest> = fc
  .record({
    tool: fc.constantFrom('read_file', 'pay', 'free_form'),
    arguments: givenArguments,
    caller,
    classRank: fc.integer({ min: 0, max: 3 }),
    workflow: fc.constantFrom(null, 'onboarding', 'other'),
    given: fc.subarray(['read_file', 'pay']),
    complete: fc.boolean(),
    response: fc.boolean(),
    platform: mostly(['tpm', 'software'], '\ud800'),
    inFlight: mostly([0, 1], 1.5),
    /** With arguments that are another tool's. */
    stray: mostly([false], true),
  })
  .map(
    ({
      tool,
      caller: who,
      classRank,
      workflow,
      response,
      platform,
      inFlight,
      stray,
      given: sources,
      complete,
      ...given
    }) => {
      const fitting = Object.entries(given.arguments).filter(([name]) => stray || OWN[tool]?.includes(name));
      const input = decisionOn(CATALOG, tool, { arguments: Object.fromEntries(fitting) });
      return requests.build({
        ...input,
        caller: who,
        session: { ...input.session, classRank, maxClassRank: classRank, inFlight },
        platform,
        workflow,
        flow: viewOf(sources.map(sourceOf), complete, { class: 'pii', rank: classRank }),
        ...(response
          ? { response: { sizeBytes: 11, findings: 0, kinds: [], injection: 0, class: 'public', classRank: 0 } }
          : {}),
      });
    },
  )
  .filter((built) => built !== null);

const sourceOf = (tool: string): FlowSource => ({
  tool,
  server: 'web',
  domain: 'external',
  sensitivity: { class: 'pii', rank: 1 },
});

/** What of an answer a decision is made of; Cedar gives reasons in no order, and tells errors in words of their own. */
function essence(ask: () => ReturnType<Sliced['ask']>) {
  let answer: ReturnType<Sliced['ask']>;
  try {
    answer = ask();
  } catch (error) {
    if (error instanceof NotEvaluable) return 'refused';
    throw error;
  }
  if (answer.type === 'failure') return 'refused';
  const { decision, diagnostics } = answer.response;
  const failed = diagnostics.errors.map(
    ({ policyId, error }) => `${policyId}: ${error.message.replace(/[;,(].*$/s, '')}`,
  );
  return { decision, reasons: diagnostics.reason.toSorted(), failed: failed.sort() };
}

test('slices, projections and remembered answers say what Cedar says of the whole bundle, reasons and errors included', () => {
  let [refused, allowed, failed] = [0, 0, 0];
  fc.assert(
    fc.property(
      fc.array(policy, { maxLength: 12 }),
      fc.array(request, { minLength: 1, maxLength: 12 }),
      (texts, asked) => {
        const policies = parsePolicies([{ path: 'random.cedar', text: texts.join('\n') }]);
        const whole = () => prepare(Object.fromEntries(policies.map(({ id, text }) => [id, text])), SCHEMA);
        const plain = whole();
        const sliced = new Sliced(whole(), policies, requests);
        try {
          // Each twice, so that the second answer is the remembered one.
          for (const each of [...asked, ...asked]) {
            const expected = essence(() => plain.ask(each));
            assert.deepEqual(
              essence(() => sliced.ask(each)),
              expected,
            );
            if (expected === 'refused') refused += 1;
            else if (expected.failed.length > 0) failed += 1;
            else if (expected.decision === 'allow') allowed += 1;
          }
        } finally {
          plain.release();
          sliced.release();
        }
      },
    ),
    { numRuns: 150 },
  );
  // The comparison saw every kind of answer.
  assert.ok(refused > 20 && allowed > 20 && failed > 20, `${refused} ${allowed} ${failed}`);
});

test('with more kinds of slices than are kept ready the whole bundle is asked, with the same answers', () => {
  const agents = Array.from({ length: 300 }, (_, index) => `agent-${index}`);
  const texts = agents.map((agent) => `permit (principal == Agent::"${agent}", action, resource);`);
  const policies = parsePolicies([{ path: 'many.cedar', text: texts.join('\n') }]);
  const sliced = new Sliced(
    prepare(Object.fromEntries(policies.map(({ id, text }) => [id, text])), SCHEMA),
    policies,
    requests,
  );
  for (const [index, subject] of agents.entries()) {
    const input = decisionOn(CATALOG, 'read_file');
    const built = requests.build({ ...input, caller: { ...input.caller, subject } });
    assert.ok(built !== null);
    const expected = { decision: 'allow', reasons: [`policy${index}`], failed: [] };
    assert.deepEqual(
      essence(() => sliced.ask(built)),
      expected,
    );
  }
  sliced.release();
});

test('a schema that names its agents, or has types of its own, is left to Cedar', () => {
  const enumerated = withAgent(SCHEMA, 'entity Agent enum ["a"];');
  const own = nativeRequests(enumerated, CATALOG);
  const built = own.build(decisionOn(CATALOG, 'read_file'));
  assert.ok(built !== null);
  assert.equal(own.fits(built), false);
  assert.equal(requests.fits(built), true);
});
