import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { type TestContext, test } from 'node:test';
import { parseJson, stringifyJson } from '@cmcp/evidence';
import type { Finding } from '../packages/gateway/src/authoring/finding.ts';
import { RULES, type RuleId } from '../packages/gateway/src/authoring/policy/lint/rules.ts';
import { parseCatalog } from '../packages/gateway/src/catalog/load.ts';
import { startingPolicy } from '../packages/gateway/src/policy/starting-policy.ts';
import { LINT_RANKS, type LintCase, lint, lintCatalog } from './support/lint-bed.ts';
import { LINT_CASES } from './support/lint-cases.ts';

async function findings(t: TestContext, given: LintCase): Promise<Finding[]> {
  const { stdout, stderr } = await lint(t, given, '--json');
  assert.equal(stderr, '');
  return (parseJson(stdout) as unknown as { findings: Finding[] }).findings;
}

for (const [rule, { found, missed }] of Object.entries(LINT_CASES)) {
  test(`the linter reports ${rule} where it is so, with file and line and a fix`, async (t) => {
    for (const [given, where, says] of found) {
      const all = await findings(t, given);
      const hit = all.find((each) => each.rule === rule && each.where === where && says.test(each.message));
      assert.ok(hit, `${JSON.stringify(given.policy)}: ${JSON.stringify(all, null, 1)}`);
      assert.equal(hit.severity, RULES[rule as RuleId]);
      assert.ok(hit.fix.length > 3);
    }
  });

  test(`the linter does not report ${rule} where it nearly is so`, async (t) => {
    for (const given of missed) {
      const hits = (await findings(t, given)).filter((each) => each.rule === rule);
      assert.deepEqual(hits, [], JSON.stringify(given.policy));
    }
  });
}

const NARROW = `permit(principal == Agent::"ops", action in Action::"call_tool", resource) when { resource.server != "apm" };
permit(principal == Agent::"desk", action == Action::"report", resource) when { context.session.max_class_rank == 0 };`;

test('a bundle with nothing to say of exits 0 with --strict, and the linter says so', async (t) => {
  assert.deepEqual(await lint(t, { policy: NARROW }, '--strict'), { code: 0, stdout: 'Nothing found.\n', stderr: '' });
});

test('warnings exit 1 with --strict only, notes never, errors always', async (t) => {
  const codes = async (policy: string) => [
    (await lint(t, { policy })).code,
    (await lint(t, { policy }, '--strict')).code,
  ];
  const note = 'permit(principal, action == Action::"sample", resource);';
  assert.deepEqual(await codes(`${NARROW}\n${note}`), [0, 0]);
  assert.deepEqual(await codes(`${NARROW}\nforbid(principal, action, resource == Resource::"nothing");`), [0, 1]);
  assert.deepEqual(await codes('permit(principal, action == Action::"nothing", resource);'), [1, 1]);
});

test('every error is reported at once, file by file, each with its fix', async (t) => {
  const typo = 'permit(principal, action == Action::"read_note", resource) when { context.arguments.paht == "x" };';
  const policy = {
    'b.cedar': `${typo}\n\n${typo}`,
    'a.cedar': 'permit(principal, action == Action::"raed_note", resource);',
  };
  const { code, stdout } = await lint(t, { policy });
  assert.equal(code, 1);
  assert.equal(
    stdout,
    `a.cedar
  1  error  ill-typed  unrecognized action \`Action::"raed_note"\`
                       fix: did you mean \`Action::"read_note"\`?

b.cedar
  1  error  ill-typed  attribute \`arguments.paht\` in context for Action::"read_note" not found
                       fix: did you mean \`path\`?
  3  error  ill-typed  attribute \`arguments.paht\` in context for Action::"read_note" not found
                       fix: did you mean \`path\`?

3 errors.
`,
  );
});

test('of two rules that cover each other, only the later is called superfluous', async (t) => {
  const permit = 'permit(principal == Agent::"ops", action in Action::"call_tool", resource)';
  const found = await findings(t, { policy: `${permit};\n${permit} when { true };` });
  const places = found.filter(({ rule }) => rule === 'shadowed').map(({ where }) => where);
  assert.deepEqual(places, ['all.cedar:2']);
});

test('a typo that no schema could catch tells why: the argument has several types', async (t) => {
  const policy = 'permit(principal, action == Action::"send_mail", resource) when { context.arguments.to == "x" };';
  const [found] = await findings(t, { policy });
  assert.match(found?.fix ?? '', /several types/);
});

test('the page about policies has a row for every rule, with its severity', async () => {
  const page = await readFile(new URL('../docs/policy.md', import.meta.url), 'utf8');
  const rows = [...page.matchAll(/^\| `([a-z-]+)` \| (error|warning|info) \| \S.* \| \S.* \|$/gm)];
  assert.deepEqual(Object.fromEntries(rows.map(([, rule, severity]) => [rule, severity])), RULES);
});

test('the starting policy of a catalog has no errors, and is warned of for what its comments say to narrow', async (t) => {
  const {
    'manifest.json': _,
    'schema.cedarschema': __,
    ...policy
  } = startingPolicy(parseCatalog(stringifyJson(lintCatalog()), 'c', LINT_RANKS));
  const found = await findings(t, { policy });
  assert.deepEqual([...new Set(found.map(({ rule }) => rule))].sort(), [
    'catch-all-only',
    'idle',
    'sensitive-to-anyone',
    'telemetry-egress',
    'unconditional-permit',
  ]);
  assert.ok(found.every(({ rule, where }) => rule === 'idle' || where.startsWith('10-allow-catalogued-tools.cedar:')));
});
