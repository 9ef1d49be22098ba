import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import {
  COMPAT_MANIFEST,
  catalogOf,
  decisionAbout,
  decisionOn,
  folderOf,
  NATIVE_MANIFEST,
  referenceCatalog,
  referenceEntry,
  serverOf,
  toolRecord,
} from '../../../../../../tests/support/policy.ts';
import type { Catalog } from '../../../catalog/types.ts';
import { loadBundle } from '../../../policy/bundle.ts';
import { readBundleFiles } from '../../../policy/bundle-files.ts';
import { createEngine } from '../../../policy/engine.ts';
import { linesOf } from '../../../policy/places.ts';
import { nativeSchema } from '../../../policy/schema.ts';
import type { DecisionInput } from '../../../policy/types.ts';
import { type Explanation, explain } from './explain.ts';

const CATALOG = catalogOf(
  toolRecord('mail', { effects: 'write', destination_class: 'external' }, { to: { type: 'string' } }),
  toolRecord('read', {}, { path: { type: 'string' } }),
);
const CALLS = 'permit (principal, action in Action::"call_tool", resource)';

type Explain = (input: DecisionInput) => Explanation;

async function explainer(
  t: TestContext,
  policies: string,
  catalog: Catalog = CATALOG,
  native = true,
): Promise<Explain> {
  const folder = await folderOf(t, {
    'manifest.json': JSON.stringify(native ? NATIVE_MANIFEST : COMPAT_MANIFEST),
    'schema.cedarschema': native ? nativeSchema(catalog) : '',
    'all.cedar': policies,
  });
  const bundle = await loadBundle(folder);
  const engine = createEngine(bundle, catalog);
  t.after(() => engine.close());
  const lines = linesOf((await readBundleFiles(folder)).policies, bundle.policies);
  return (input) => explain({ bundle, engine, lines }, catalog, input);
}

const ids = (policies: readonly { id: string }[]): string[] => policies.map(({ id }) => id);
/** The changes of each step of each way. */
const changes = ({ ways }: Explanation): string[][][] => ways.map((steps) => steps.map((step) => step.changes));
const reasons = ({ unmet }: Explanation): unknown[] =>
  unmet.flatMap(({ clauses }) =>
    clauses.flatMap(({ reasons: all }) => all.map(({ text, truth, values }) => [text, truth, values])),
  );

const seen = (classRank: number) => ({ session: { classRank, maxClassRank: classRank } });

test('a forbid that applies is named with its line, and what it read would have to be otherwise', async (t) => {
  const policies = `${CALLS};\n\n// why\n@id("inside")\n@advice("not now")\nforbid (principal, action, resource)
when { resource is Resource && resource.effects != "read" && (context.session.class_rank >= 1 || context.platform == "x") };`;
  const explanation = (await explainer(t, policies))(decisionOn(CATALOG, 'mail', seen(1)));
  assert.deepEqual(explanation.matched, [
    { id: 'policy0', effect: 'permit', place: 'all.cedar:1' },
    { id: 'inside', effect: 'forbid', place: 'all.cedar:4' },
  ]);
  assert.deepEqual(explanation.decision, {
    effect: 'deny',
    policyIds: ['inside'],
    advice: { advice: 'not now' },
    error: null,
  });
  assert.deepEqual(changes(explanation), [[['context.session.class_rank is 1 and would have to be below 1']]]);
});

test('of a policy that does not apply, the parts that decided are told with their values', async (t) => {
  const policies = `@id("a") ${CALLS} when { context.session.class_rank < 1 && context.trust_level == "hardware" }
unless { !(context.arguments has to) };
@id("b") permit (principal == Agent::"other", action == Action::"mail", resource);
@id("c") permit (principal, action == Action::"sample", resource);`;
  const explained = await explainer(t, policies);
  const first = explained(decisionOn(CATALOG, 'mail', seen(2)));
  assert.deepEqual([ids(first.matched), ids(first.unmet), first.elsewhere], [[], ['a'], 2]);
  assert.deepEqual(reasons(first), [
    ['context.session.class_rank < 1', 'false', [{ name: 'context.session.class_rank', value: '2' }]],
    ['context.arguments has to', 'false', [{ name: 'context.arguments.to', value: null }]],
  ]);
  assert.deepEqual(changes(first), [
    [
      [
        'context.session.class_rank is 2 and would have to be below 1',
        'context.trust_level is "software" and would have to be "hardware"',
        'context.arguments.to is missing and would have to be there',
      ],
    ],
  ]);
  const second = explained(decisionOn(CATALOG, 'mail', { arguments: { to: 'a' } }));
  assert.deepEqual(reasons(second), [
    ['context.trust_level == "hardware"', 'false', [{ name: 'context.trust_level', value: '"software"' }]],
  ]);
});

test('a member that would have to be something is not asked for twice', async (t) => {
  const policy = `${CALLS} when { context.arguments has to && context.arguments.to == "a" };`;
  const explanation = (await explainer(t, policy))(decisionOn(CATALOG, 'mail'));
  assert.deepEqual(changes(explanation), [[['context.arguments.to is missing and would have to be "a"']]]);
});

test('a request that no permit is about says so, and names those that nearly are', async (t) => {
  const policies = `@id("by") permit (principal == Agent::"other", action == Action::"mail", resource);
@id("at") permit (principal, action in [Action::"mail", Action::"read"], resource in Server::"web");
@id("far") permit (principal == Agent::"other", action == Action::"sample", resource);
@id("no") forbid (principal, action == Action::"mail", resource);`;
  const explanation = (await explainer(t, policies))(decisionOn(CATALOG, 'mail'));
  assert.deepEqual(changes(explanation), [
    [
      [],
      [
        'no permit is about mail by agent-1: add one',
        'by (all.cedar:1) would be about it, but for its principal: principal == Agent::"other"',
        'at (all.cedar:2) would be about it, but for its resource: resource in Server::"web"',
      ],
    ],
  ]);
});

test('an allowed request has the forbid that takes least, and what would end its permits', async (t) => {
  const policies = `${CALLS} when { context.platform like "soft*" };
@id("two") forbid (principal, action == Action::"mail", resource) when { context.session.in_flight > 3 && context.platform == "x" };
@id("one") forbid (principal, action == Action::"mail", resource) when { ["a", "b"].contains(context.caller.subject) };`;
  const explanation = (await explainer(t, policies))(decisionOn(CATALOG, 'mail'));
  assert.deepEqual(changes(explanation), [
    [['context.caller.subject is "agent-1" and would have to be one of ["a", "b"]']],
    [['context.platform like "soft*" is true (context.platform is "software-only") and would have to be false']],
  ]);
});

test('a policy that cannot be evaluated is told with what Cedar says, and denies [D-13]', async (t) => {
  const catalog = referenceCatalog(referenceEntry('echo'));
  const policies = `permit (principal, action, resource);
@id("broken") forbid (principal, action, resource)
when { context.attestation_platform != "x" && context.arguments.limit > 3 && context.egress };`;
  const explained = await explainer(t, policies, catalog, false);
  const explanation = explained(decisionOn(catalog, 'echo'));
  const [failed] = explanation.failed;
  assert.equal(failed?.id, 'policy1');
  assert.match(failed?.message ?? '', /does not have the attribute `limit`/);
  const [step] = explanation.ways[0] ?? [];
  assert.deepEqual(
    [step?.changes, ...(step?.alternatives ?? [])],
    [
      ['context.attestation_platform is "software-only" and would have to be "x"'],
      ['context.arguments.limit is missing and would have to be at most 3'],
    ],
  );
  assert.equal(explained(decisionOn(catalog, 'echo', { arguments: { limit: 3 } })).decision.effect, 'allow');
});

test('conditions that Cedar cannot take back from its JSON form are asked about as they are written', async (t) => {
  const long = Array.from({ length: 200 }, (_, index) => `context.platform == "p${index}"`).join(' || ');
  const large = 'context.session.class_rank > 9223372036854775806';
  const explanation = (await explainer(t, `${CALLS} when { ${long} } when { ${large} } unless { ${large} };`))(
    decisionOn(CATALOG, 'mail'),
  );
  const texts = explanation.unmet.flatMap(({ clauses }) => clauses.map(({ reasons: all }) => all[0]?.text));
  assert.deepEqual(texts, [`when { ${long} }`, `when { ${large} }`]);
});

test('what is put to no policy says why', async (t) => {
  const explained = await explainer(t, `${CALLS};`);
  const unfit = explained(decisionOn(CATALOG, 'mail', { arguments: { cc: 'x' } }));
  assert.equal(unfit.refused, 'context.arguments holds a member that was not approved');
  const escaped = explained(decisionOn(CATALOG, 'mail', { arguments: { __entity: 'x' } }));
  assert.match(escaped.refused ?? '', /ARGUMENTS_REFUSED/);
  const older = await explainer(
    t,
    'permit (principal, action, resource);',
    referenceCatalog(referenceEntry('echo')),
    false,
  );
  const server = serverOf(CATALOG, 'local');
  const roots = older(decisionAbout({ action: 'list_roots', server, during: 'mail' }));
  assert.match(roots.refused ?? '', /declares no such action/);
  assert.deepEqual([unfit.ways, unfit.matched, roots.decision.effect], [[], [], 'deny']);
});

/** Conditions that validate for every call of `mail`, and read what the requests of {@link REQUEST} vary. */
const LEAF = fc.constantFrom(
  'context.session.class_rank >= 1',
  'context.session.in_flight == 0',
  'context.platform == "x"',
  'context.caller.subject like "agent*"',
  'context.arguments has to',
  '(context.arguments has to && context.arguments.to == "a")',
  '["a", "b"].contains(context.platform)',
  'context has workflow',
  'context has workflow.id',
  'resource.destination_class == "external"',
  'principal == Agent::"agent-1"',
  '(if context.platform == "x" then context.session.in_flight > 1 else true)',
  'resource in Server::"local"',
  'context.session.class_rank + 9223372036854775807 > 0',
);
const { tree: CONDITION } = fc.letrec<{ tree: string }>((tie) => ({
  tree: fc.oneof(
    { maxDepth: 3 },
    LEAF,
    fc.tuple(tie('tree'), tie('tree')).map(([a, b]) => `(${a} && ${b})`),
    fc.tuple(tie('tree'), tie('tree')).map(([a, b]) => `(${a} || ${b})`),
    tie('tree').map((a) => `!(${a})`),
  ),
}));
const SCOPE = fc.constantFrom('principal', 'principal == Agent::"agent-1"', 'principal == Agent::"agent-2"');
const POLICY = fc
  .tuple(
    fc.constantFrom('permit', 'forbid'),
    SCOPE,
    fc.array(fc.tuple(fc.constantFrom('when', 'unless'), CONDITION), { maxLength: 2 }),
  )
  .map(([effect, principal, clauses]) => {
    const written = clauses.map(([word, condition]) => ` ${word} { ${condition} }`).join('');
    return `${effect} (${principal}, action == Action::"mail", resource)${written};`;
  });
const REQUEST = fc.record({
  rank: fc.nat(2),
  inFlight: fc.nat(2),
  platform: fc.constantFrom('x', 'a', 'software-only'),
  to: fc.option(fc.constantFrom('a', 'b')),
  workflow: fc.option(fc.constant('w')),
});

test('what is said to apply, to fail and to be unmet is what the engine decided by, for any policies and requests', async (t) => {
  await fc.assert(
    fc.asyncProperty(fc.array(POLICY, { minLength: 1, maxLength: 4 }), REQUEST, async (policies, given) => {
      const explained = await explainer(t, policies.join('\n'));
      const { rank, inFlight, platform, to, workflow } = given;
      const session = { classRank: rank, maxClassRank: rank, inFlight };
      const input = { session, platform, workflow, arguments: to === null ? {} : { to } };
      const { decision, matched, failed, unmet, elsewhere, ways } = explained(decisionOn(CATALOG, 'mail', input));
      assert.equal(matched.length + failed.length + unmet.length + elsewhere, policies.length);
      const forbids = matched.filter(({ effect }) => effect === 'forbid');
      const deciding = forbids.length > 0 ? forbids : failed.length > 0 ? [] : matched;
      assert.deepEqual(new Set(decision.policyIds), new Set([...ids(deciding), ...ids(failed)]));
      for (const { clauses } of [...unmet, ...failed]) {
        assert.ok(clauses.length > 0);
        for (const { reasons: all } of clauses) assert.ok(all.length > 0);
      }
      const denies = decision.effect === 'deny';
      assert.ok(!denies || ways[0]?.length, 'there is always a way out of a denial');
    }),
    { numRuns: 15 },
  );
});
