import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { isObject, JsonNumber, type JsonObject, parseJson } from '@cmcp/evidence';
import { decisionOn, engineOf, referenceCatalog, referenceEntry } from '../../../../tests/support/policy.ts';
import { compatAction } from './request-compat.ts';

const CATALOG = referenceCatalog(
  referenceEntry('crm_get_customer', { compliance_domain: 'pii', sensitivity_level: 'pii' }),
  referenceEntry('communication.send', { requires_baa: true }),
  referenceEntry('acme::"ledger"'),
);
const PERMIT = 'permit (principal, action, resource);\n';
const RESPONSE = { sizeBytes: 12, findings: 0, kinds: [], injection: 0, class: 'public', classRank: 0 };

const compat = (t: TestContext, policies: string) => engineOf(t, CATALOG, policies);

function args(text: string): JsonObject {
  const value = parseJson(text);
  assert.ok(isObject(value));
  return value;
}

test('actions are named as the reference names them', () => {
  const cases: [string, string][] = [
    ['crm_get_customer', 'CrmGetCustomer'],
    ['salesforce.contacts', 'Salesforce.contacts'],
    ['read__file_', 'ReadFile'],
    ['aBC', 'Abc'],
    ['x', 'X'],
    ['9lives', '9lives'],
  ];
  for (const [tool, action] of cases) assert.equal(compatAction(tool), action);
});

test('annotations are those of the reference: unknown values are ignored, and all of them are advice [AARM-R4]', async (t) => {
  const on = async (annotations: string) => {
    const engine = await compat(t, `${PERMIT}${annotations} forbid (principal, action, resource);`);
    return engine.decide(decisionOn(CATALOG, 'crm_get_customer'));
  };
  assert.equal((await on('@aarm_decision("maybe")')).effect, 'deny');
  assert.equal((await on('@aarm_decision("maybe") @approver("ciso")')).effect, 'step_up');
  const given = { approver: 'ciso', note: 'why', ttl: 'soon', severity: 'é', advise: 'x', aarm_decision: 'Defer' };
  const decision = await on(
    Object.entries(given)
      .map(([key, value]) => `@${key}("${value}")`)
      .join(' '),
  );
  assert.deepEqual([decision.effect, decision.advice], ['defer', given]);
});

test('a permit of the older form that redacts does so, and one that cannot be read is refused', async (t) => {
  const engine = await compat(t, '@redact("$.ssn") permit (principal, action, resource);');
  const { effect, redactions } = engine.decide(decisionOn(CATALOG, 'crm_get_customer'));
  assert.deepEqual([effect, redactions.map(({ text }) => text)], ['redact', ['$.ssn']]);
  await assert.rejects(
    compat(t, `${PERMIT}\n@redact("ssn") permit (principal, action, resource);`),
    /all\.cedar:3: @redact/,
  );
});

test('every part of the reference request reaches policies written for it [C-21] [D-11] [D-10] [D-17]', async (t) => {
  const conditions: [string, Parameters<typeof decisionOn>[2], string?][] = [
    ['principal == Agent::"anonymous"', { caller: { subject: 'someone', source: 'bearer' } }],
    ['action == Action::"CrmGetCustomer"', {}],
    ['resource == Resource::"crm_get_customer"', {}],
    ['resource in [Resource::"a", Resource::"crm_get_customer"]', {}],
    ['resource == acme::"ledger"', {}, 'acme::"ledger"'],
    ['context.server_identity == "http://localhost:9001/mcp"', {}],
    ['context.compliance_domain == "pii"', {}],
    ['context.baa_covered', {}],
    ['!context.baa_covered', {}, 'communication.send'],
    ['context.destination_class == "external"', {}],
    ['context.session_max_sensitivity == "mnpi"', { session: { maxClass: 'mnpi', maxClassRank: 3 } }],
    ['context.attestation_platform == "sev-snp"', { platform: 'sev-snp' }],
    ['context.workflow_id == "w1"', { workflow: 'w1' }],
    ['context.arguments.amount == 7', { arguments: { amount: 7 } }],
    ['context.arguments.rate == "0.5"', { arguments: args('{"rate":0.50}') }],
    ['!(context.arguments has note)', { arguments: { note: null } }],
    ['!(context has egress)', {}],
    ['!(context has workflow_id)', {}],
  ];
  for (const [condition, changes, tool = 'crm_get_customer'] of conditions) {
    const engine = await compat(t, `permit (principal, action, resource) when { ${condition} };`);
    const decision = engine.decide(decisionOn(CATALOG, tool, changes));
    assert.deepEqual([decision.effect, decision.error], ['allow', null], condition);
  }
});

test('at egress the ingress members stay, so a forbid that reads them decides instead of failing [W-21]', async (t) => {
  const forbid =
    'forbid (principal, action, resource) when { context.session_max_sensitivity == "mnpi" && !context.baa_covered };';
  const engine = await compat(t, PERMIT + forbid);
  const send = (maxClass: string) =>
    engine.decide(
      decisionOn(CATALOG, 'communication.send', { session: { maxClass, maxClassRank: 3 }, response: RESPONSE }),
    );
  assert.deepEqual(send('mnpi').policyIds, ['policy1']);
  assert.deepEqual([send('pii').effect, send('pii').error], ['allow', null]);
});

test('egress members reach egress policies', async (t) => {
  const conditions: [string, Parameters<typeof decisionOn>[2]][] = [
    ['context.egress', { response: RESPONSE }],
    ['context.response_size_bytes == 12', { response: RESPONSE }],
    ['context.injection_events == 3', { response: { ...RESPONSE, findings: 5, injection: 3 } }],
    ['context.reset_count == 2', { response: RESPONSE, session: { generation: 2 } }],
    ['context.sensitivity_level == 3', { response: RESPONSE, session: { maxClass: 'mnpi', maxClassRank: 3 } }],
    ['context.sensitivity_level == 2', { response: { ...RESPONSE, class: 'confidential', classRank: 2 } }],
    [
      'context.session_max_sensitivity == "confidential"',
      { response: { ...RESPONSE, class: 'confidential', classRank: 2 } },
    ],
    ['context.session_max_sensitivity == "public"', { response: RESPONSE }],
  ];
  for (const [condition, changes] of conditions) {
    const engine = await compat(t, `permit (principal, action, resource) when { ${condition} };`);
    assert.equal(engine.decide(decisionOn(CATALOG, 'crm_get_customer', changes)).effect, 'allow', condition);
  }
  const large = await compat(
    t,
    `${PERMIT}@hitl("ask") forbid (principal, action, resource) when { context has egress && context.response_size_bytes > 10 };`,
  );
  assert.equal(large.decide(decisionOn(CATALOG, 'crm_get_customer')).effect, 'allow');
  assert.equal(large.decide(decisionOn(CATALOG, 'crm_get_customer', { response: RESPONSE })).effect, 'deny');
});

test('bundles in the style of the reference decide as their authors meant, allow and deny [C-21] [D-11]', async (t) => {
  const engine = await compat(
    t,
    `@reason("only approved tools")
permit (principal, action, resource) when { resource in [Resource::"crm_get_customer", Resource::"communication.send"] };
forbid (principal, action == Action::"Communication.send", resource == Resource::"communication.send")
when { context.session_max_sensitivity == "mnpi" };
forbid (principal, action, resource)
when { ["pii", "hipaa_phi"].contains(context.session_max_sensitivity) && !context.baa_covered };
forbid (principal, action, resource)
when { context.arguments has amount && context.arguments.amount > 1000 };`,
  );
  const on = (tool: string, maxClass: string, given: JsonObject = {}) => {
    const decision = engine.decide(
      decisionOn(CATALOG, tool, { arguments: given, session: { maxClass, maxClassRank: 1 } }),
    );
    return `${decision.effect} ${decision.policyIds.join(',')}`;
  };
  assert.equal(on('crm_get_customer', 'mnpi'), 'allow policy0');
  assert.equal(on('communication.send', 'public'), 'allow policy0');
  assert.equal(on('communication.send', 'mnpi'), 'deny policy1');
  assert.equal(on('communication.send', 'pii'), 'deny policy2');
  assert.equal(on('crm_get_customer', 'pii'), 'allow policy0');
  assert.equal(on('crm_get_customer', 'public', { amount: 1000 }), 'allow policy0');
  assert.equal(on('crm_get_customer', 'public', { amount: 1001 }), 'deny policy3');
  assert.equal(on('acme::"ledger"', 'public'), 'deny ');
});

test('a forbid that cannot be evaluated denies [D-13] [G12]', async (t) => {
  const cases: [string, string, JsonObject][] = [
    ['missing attribute', 'context.arguments.amount > 5', {}],
    ['wrong type', 'context.arguments.amount > 5', { amount: 'much' }],
    ['overflow', 'context.arguments.amount * context.arguments.amount > 5', { amount: Number.MAX_SAFE_INTEGER }],
    ['float', 'context.arguments.amount > 5', args('{"amount":7.5}')],
    ['integer beyond Long', 'context.arguments.amount > 5', args('{"amount":99999999999999999999}')],
    ['no such member', 'context.tool_name == "x"', {}],
    ['a value in the message', 'decimal(context.arguments.amount).lessThan(decimal("1.0"))', { amount: 'canary' }],
  ];
  for (const [what, condition, given] of cases) {
    const engine = await compat(t, `${PERMIT}forbid (principal, action, resource) when { ${condition} };`);
    const decision = engine.decide(decisionOn(CATALOG, 'crm_get_customer', { arguments: given }));
    assert.deepEqual([decision.effect, decision.policyIds], ['deny', ['policy1']], what);
    assert.match(decision.error ?? '', /^policy1: /, what);
    assert.doesNotMatch(decision.error ?? '', /canary|much|99999|7\.5/, what);
  }
});

test('a name with "::" that is no entity denies', async (t) => {
  const catalog = referenceCatalog(referenceEntry('a::b'), referenceEntry('echo'));
  const engine = await engineOf(t, catalog, PERMIT);
  assert.equal(engine.decide(decisionOn(catalog, 'a::b')).effect, 'deny');
  assert.equal(engine.decide(decisionOn(catalog, 'echo')).effect, 'allow');
});

test('a policy whose scope no request can meet is refused at load, with what to write instead [W-24] [C-21]', async (t) => {
  const foreign = [
    'forbid (principal, action == cMCP::Action::"call_tool", resource);',
    'forbid (principal == cMCP::Agent::"a", action, resource);',
    'forbid (principal is User, action, resource);',
    'forbid (principal, action in [Action::"Echo", cMCP::Action::"call_tool"], resource);',
    'forbid (principal, action, resource is cMCP::Resource);',
    'forbid (principal, action, resource in Server::"crm");',
    'forbid (principal, action in [Action::"Echo"], resource is McpResource);',
    'forbid (principal, action, resource == Prompt::"greet");',
  ];
  for (const policy of foreign) {
    const refused = { code: 'POLICY_INVALID', detail: /policy1 is about .*never match/ };
    await assert.rejects(compat(t, PERMIT + policy), refused, policy);
  }
  await assert.doesNotReject(
    compat(t, `${PERMIT}forbid (principal is Agent, action in [Action::"X"], resource is Resource);`),
  );
});

test('two tools that would share one action are refused at load', async (t) => {
  const catalog = referenceCatalog(referenceEntry('read_file'), referenceEntry('read__file'));
  await assert.rejects(engineOf(t, catalog, PERMIT), { code: 'POLICY_INVALID' });
});

test('Cedar escapes in arguments are refused, and deep or broken values deny [ATK-13]', async (t) => {
  const engine = await compat(t, PERMIT);
  const forged = decisionOn(CATALOG, 'crm_get_customer', {
    arguments: args('{"a":[{"__extn":{"fn":"ip","arg":"::1"}}]}'),
  });
  assert.throws(() => engine.decide(forged), { code: 'ARGUMENTS_REFUSED' });
  let deep: JsonObject = {};
  for (let level = 0; level < 200; level += 1) deep = { deep };
  for (const given of [deep, { a: '\ud800' }, { a: new JsonNumber('1e999') }]) {
    assert.equal(engine.decide(decisionOn(CATALOG, 'crm_get_customer', { arguments: given })).effect, 'deny');
  }
});
