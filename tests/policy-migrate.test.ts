import assert from 'node:assert/strict';
import { access, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type JsonObject, parseJson, stringifyJson } from '@cmcp/evidence';
import fc from 'fast-check';
import { parseCatalog } from '../packages/gateway/src/catalog/load.ts';
import { loadBundle } from '../packages/gateway/src/policy/bundle.ts';
import { createEngine } from '../packages/gateway/src/policy/engine.ts';
import type { DecisionInput, PolicyEngine } from '../packages/gateway/src/policy/types.ts';
import { cmcpInProcess } from './support/cli-in-process.ts';
import { lintFolder } from './support/lint-bed.ts';
import { catalogRecord, decisionOn, toolRecord } from './support/policy.ts';

const RECORD = catalogRecord([
  toolRecord('crm_get', { compliance_domain: 'pii' }, { id: { type: 'string' }, limit: { type: 'integer' } }),
  toolRecord(
    'send',
    { server: 'web', requires_baa: true, destination_class: 'external' },
    { to: { type: 'string' }, any: {} },
  ),
]);
const CATALOG = parseCatalog(stringifyJson(RECORD), 'catalog.json');

/** Runs `cmcp policy migrate` into the folder `new` beside the configuration. */
async function migrate(t: TestContext, policy: string | Record<string, string>, ...flags: string[]) {
  const config = await lintFolder(t, { policy, compat: true, catalog: RECORD });
  const out = join(dirname(config), 'new');
  const ran = await cmcpInProcess(
    ['policy', 'migrate', '--config', config, '--out', out, '--json', ...flags],
    dirname(config),
  );
  return { ...ran, old: join(dirname(config), 'policy'), out };
}

const CONDITIONS = [
  'context.compliance_domain == "pii"',
  'context.baa_covered',
  'context.destination_class == "external"',
  'context.session_max_sensitivity == "confidential"',
  'context.attestation_platform == "tpm"',
  'context has workflow_id && context.workflow_id == "w"',
  'context has egress && context.egress',
  'context has sensitivity_level && context.sensitivity_level >= 2',
  'context has injection_events && context.injection_events > 0',
  'context has egress && context.reset_count > 0',
  'context has response_size_bytes && context.response_size_bytes > 10',
  'context.server_identity == "https://tools.example/mcp"',
  'context.server_identity != ""',
  'context.arguments has to && context.arguments.to like "*@evil"',
  'context has arguments && context.arguments has limit && context.arguments.limit > 5',
  'context has nothing',
  'resource == Resource::"send"',
  'action == Action::"CrmGet"',
];
const POLICY = fc
  .record({
    effect: fc.constantFrom('permit', 'permit', 'forbid', '@advice("no") forbid', '@approver("boss") forbid'),
    principal: fc.constantFrom('', ' == Agent::"anonymous"', ' is Agent'),
    action: fc.constantFrom('', ' == Action::"CrmGet"', ' in [Action::"CrmGet", Action::"Send"]'),
    resource: fc.constantFrom('', ' == Resource::"send"', ' is Resource'),
    conditions: fc.array(
      fc.tuple(
        fc.constantFrom('when', 'unless'),
        fc.constantFrom(...CONDITIONS),
        fc.constantFrom('&&', '||'),
        fc.constantFrom(...CONDITIONS),
      ),
      { maxLength: 2 },
    ),
  })
  .map(({ effect, principal, action, resource, conditions }) => {
    const clauses = conditions.map(([kind, a, join, b]) => ` ${kind} { (${a}) ${join} (${b}) }`);
    return `${effect}(principal${principal}, action${action}, resource${resource})${clauses.join('')};`;
  });

const LEVELS: [string, number][] = [
  ['public', 0],
  ['pii', 1],
  ['confidential', 2],
];
const CALL: fc.Arbitrary<[string, JsonObject]> = fc.oneof(
  fc
    .constantFrom<JsonObject>({}, { limit: 9 }, { id: 'x', limit: 1 })
    .map((given): [string, JsonObject] => ['crm_get', given]),
  fc
    .constantFrom<JsonObject>({}, { to: 'a@evil' }, { to: 'b' }, { any: 1 })
    .map((given): [string, JsonObject] => ['send', given]),
);
const INPUT: fc.Arbitrary<DecisionInput> = fc
  .record({
    call: CALL,
    level: fc.constantFrom(...LEVELS),
    generation: fc.constantFrom(0, 2),
    workflow: fc.constantFrom(null, 'w', 'x'),
    platform: fc.constantFrom('tpm', 'software-only'),
    answer: fc.option(fc.tuple(fc.constantFrom(5, 50), fc.constantFrom(0, 1), fc.constantFrom(...LEVELS)), {
      nil: null,
    }),
  })
  .map(({ call: [name, given], level: [label, rank], generation, answer, ...rest }) => {
    const session = { class: label, classRank: rank, maxClass: label, maxClassRank: rank, generation };
    if (answer === null) return decisionOn(CATALOG, name, { arguments: given, session, ...rest });
    const [sizeBytes, findings, [seen, classRank]] = answer;
    const response = { sizeBytes, findings, kinds: [], injection: findings, class: seen, classRank };
    return decisionOn(CATALOG, name, { arguments: given, session, response, ...rest });
  });

async function engineAt(folder: string): Promise<PolicyEngine> {
  return createEngine(await loadBundle(folder), CATALOG);
}

test('a migrated bundle decides as the old one did, with the same policies and advice', async (t) => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(POLICY, { minLength: 1, maxLength: 4 }),
      fc.array(INPUT, { minLength: 60, maxLength: 60 }),
      async (policies, inputs) => {
        const { code, stdout, old, out } = await migrate(t, policies.join('\n'));
        assert.equal(code, 0, stdout);
        const [before, after] = [await engineAt(old), await engineAt(out)];
        for (const input of inputs) {
          const { escalations, ...now } = after.decide(input);
          const { escalations: _none, ...then } = before.decide(input);
          // Our form says what can be approved, and where a plain deny is among those that decide, it is one.
          if (then.effect === 'step_up' && escalations.length === 0) then.effect = 'deny';
          assert.deepEqual(now, then, policies.join('\n'));
        }
        before.close();
        after.close();
      },
    ),
    { numRuns: 15 },
  );
});

const REFUSED: [string, RegExp][] = [
  [`forbid(principal, action, resource) when { ${Array(300).fill('context.baa_covered').join(' && ')} };`, /too long/],
  ['forbid(principal, action, resource) when { context.arguments.to == "x" };', /not found|optional/],
  ['forbid(principal, action, resource) when { context.egress };', /optional|safety/],
  [
    'forbid(principal, action, resource) when { context has arguments && context.arguments has any };',
    /arguments\.any.*send/,
  ],
  ['forbid(principal, action, resource) when { context.tool_name == "x" };', /tool_name/],
  ['forbid(principal, action, resource) when { context.server_identity like "https:*" };', /server_identity/],
  ['forbid(principal, action, resource) when { [context].contains(context) };', /as a whole/],
  ['forbid(principal == Agent::"bob", action, resource);', /anonymous/],
  ['forbid(principal, action, resource) when { principal == Agent::"bob" };', /principal/],
  ['forbid(principal in Agent::"bob", action, resource);', /principal/],
  ['forbid(principal, action == Action::"crm_get", resource);', /no tool/],
  ['forbid(principal, action, resource == Resource::"CrmGet");', /no tool/],
  ['forbid(principal, action, resource in Resource::"send");', /resource/],
  ['forbid(principal, action, resource) when { resource == Resource::"other" };', /no tool/],
  [
    'forbid(principal, action, resource) when { context.arguments has limit && context.arguments.limit == 9007199254740993 };',
    /exactly/,
  ],
  ['forbid(principal, action, resource) when { context has arguments.to };', /one member/],
];

test('what cannot be rewritten faithfully is listed with file, line and reason, and nothing is written', async (t) => {
  for (const [policy, reason] of REFUSED) {
    const { code, stdout, out } = await migrate(t, `permit(principal, action, resource);\n\n${policy}`);
    const { refused, written } = parseJson(stdout) as unknown as {
      refused: { where: string; reason: string }[];
      written: string[];
    };
    assert.deepEqual([code, written, refused.map(({ where }) => where)], [1, [], ['all.cedar:3']], policy);
    assert.match(refused[0]?.reason ?? '', reason, policy);
    await assert.rejects(access(out));
  }
});

test('with --partial the rest is written, and what was left out stands there as a comment', async (t) => {
  const policy =
    '// Everybody.\npermit(principal, action, resource);\nforbid(principal, action, resource) when { context.egress };\n';
  const { code, out } = await migrate(t, policy, '--partial');
  assert.equal(code, 1);
  const text = await readFile(join(out, 'all.cedar'), 'utf8');
  assert.match(text, /^\/\/ Everybody\.\n[\s\S]*\n\/\/ Not rewritten: .*\n\/\/ forbid\(principal, action, resource\)/);
  assert.deepEqual(
    (await loadBundle(out)).policies.map(({ effect }) => effect),
    ['permit'],
  );
});

test("policies under the reference's published namespace are rewritten to the names that requests have", async (t) => {
  const policy =
    'permit(principal == cMCP::Agent::"bob", action == cMCP::Action::"call_tool", resource is cMCP::Resource);';
  const { code, out } = await migrate(t, policy);
  assert.equal(code, 0);
  const engine = await engineAt(out);
  t.after(() => engine.close());
  const asked = (subject: string) =>
    engine.decide(decisionOn(CATALOG, 'send', { caller: { subject, source: 'bearer' } })).effect;
  assert.deepEqual([asked('bob'), asked('eve')], ['allow', 'deny']);
});

test('a bundle in our form is not migrated again, and no folder is written into', async (t) => {
  const config = await lintFolder(t, { policy: 'permit(principal, action, resource);', catalog: RECORD });
  const run = (out: string) => cmcpInProcess(['policy', 'migrate', '--config', config, '--out', out], dirname(config));
  assert.match((await run(join(dirname(config), 'new'))).stderr, /nothing to migrate/);
  assert.match((await run(join(dirname(config), 'policy'))).stderr, /exists already/);
  assert.equal((await cmcpInProcess(['policy', 'migrate', '--config', config], dirname(config))).code, 2);
});
