import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { promptRecord } from './support/catalog.ts';
import { toolRecord } from './support/policy.ts';
import { policyBench } from './support/policy-bench.ts';

const APPROVED = {
  tools: [
    toolRecord('read_file', {}, { path: { type: 'string' } }),
    toolRecord('send', { server: 'web', destination_class: 'external', effects: 'write' }),
  ],
  prompts: [promptRecord('greet')],
};
const RULES = `// What is allowed.
@id("calls")
permit (principal, action in Action::"call_tool", resource);

@id("no-sending") @advice("Ask Ada.") @approver("ada")
forbid (principal, action in Action::"call_tool", resource)
when { resource.destination_class == "external" && context.session.max_class_rank >= 1 };
@id("no-bulk")
forbid (principal, action in Action::"call_tool", resource)
when { context has response && context.response.size > 1000 };
`;
const PASSING = `
defaults: { caller: agent-1, call: send }
tests:
  - name: reads are allowed
    call: read_file
    arguments: { path: /srv/a }
    expect: allow
    policies: [calls]
  - name: nothing is sent after sensitive data
    session: { class: pii }
    expect: step_up
    policies: [no-sending]
    advice: { advice: Ask Ada., approver: ada }
  - name: large answers are withheld
    response: { size: 1001 }
    expect: deny
    policies: [no-bulk]
  - name: prompts are not
    prompt: greet
    expect: deny
    policies: []
`;

const bench = (t: TestContext, files: Record<string, string>) =>
  policyBench(t, APPROVED, { 'all.cedar': RULES, ...files });

test('cmcp policy test runs the tests of the bundle on its engine, and passes when all of them do', async (t) => {
  const { policy, json } = await bench(t, { 'tests/a.yaml': PASSING });
  const { code, stdout, stderr } = await policy('test', '--min-coverage', '100');
  assert.equal(code, 0, stdout + stderr);
  assert.match(stdout, /passed {2}nothing is sent after sensitive data\n/);
  assert.match(stdout, /4 of 4 tests passed\.\n3 of 3 policies decided in some test: 100%\.\n$/);
  const { report } = await json('test', '--filter', 'large');
  assert.deepEqual(report.tests, [
    {
      name: 'large answers are withheld',
      where: 'tests/a.yaml:14',
      passed: true,
      expected: { effect: 'deny', policies: ['no-bulk'], advice: {} },
      got: { effect: 'deny', policies: ['no-bulk'], advice: {}, error: null },
      differs: [],
    },
  ]);
});

test('a failed test says what was expected, what was decided and where it stands', async (t) => {
  const { policy } = await bench(t, {
    'tests/a.yaml': `
tests:
  - { name: effect, caller: a, call: send, expect: deny }
  - { name: policies, caller: a, call: send, session: { class: pii }, expect: step_up, policies: [no-bulk] }
  - { name: advice, caller: a, call: send, session: { class: pii }, expect: step_up, advice: { approver: bob } }
  - { name: unfit, caller: a, call: read_file, arguments: { path: 7 }, expect: allow }
  - { name: escape, caller: a, call: read_file, arguments: { __entity: 7 }, expect: allow }
`,
  });
  const { code, stdout } = await policy('test');
  assert.equal(code, 1);
  assert.match(stdout, /FAILED {2}effect {2}\(tests\/a\.yaml:3\)\n +expected deny\n +got +allow by calls\n/);
  assert.match(stdout, /policies {2}\(.*:4\)\n +expected step_up by no-bulk\n +got +step_up by no-sending\n/);
  assert.match(stdout, /expected advice \{"approver":"bob"\}\n +got advice +\{"advice":"Ask Ada\.","approver":"ada"\}/);
  assert.match(stdout, /got +deny by no policy \(context\.arguments\.path is not of type String\)/);
  assert.match(stdout, /got +deny by no policy \(ARGUMENTS_REFUSED: /);
  assert.match(stdout, /0 of 5 tests passed\./);
});

test('coverage is by policy: those that decided nowhere are named with their lines, and --min-coverage fails', async (t) => {
  const { policy } = await bench(t, {
    'tests/a.yaml': 'tests: [{ name: a, caller: a, call: send, expect: allow }]',
    'more.cedar': `permit (principal, action, resource) when { context.session.generation > 0 };`,
  });
  const { code, stdout } = await policy('test', '--min-coverage', '25');
  assert.equal(code, 0, stdout);
  assert.match(stdout, /1 of 4 policies decided in some test: 25%\.\nThese did not:\n/);
  assert.match(
    stdout,
    /\n {2}all\.cedar:5 +forbid no-sending\n {2}all\.cedar:8 +forbid no-bulk\n {2}more\.cedar:1 +permit p/,
  );
  const short = await policy('test', '--min-coverage', '26');
  assert.equal(short.code, 1);
  assert.match(short.stdout, /25%, which is less than 26%/);
});

test('a policy that could not be evaluated is not covered by the test that it denied', async (t) => {
  const { json } = await bench(t, {
    'tests/a.yaml': 'tests: [{ name: a, caller: a, call: read_file, session: { in_flight: 9 }, expect: deny }]',
    'more.cedar':
      '@id("over") forbid (principal, action, resource) when { context.session.in_flight * 9000000000000000000 > 1 };',
  });
  const { report } = await json('test');
  const { policies } = report.coverage as { policies: { id: string; covered: boolean }[] };
  assert.deepEqual(
    policies.map(({ id, covered }) => [id, covered]),
    [
      ['calls', false],
      ['no-sending', false],
      ['no-bulk', false],
      ['over', false],
    ],
  );
});

test('a bundle without tests, and a filter that no test meets, fail', async (t) => {
  for (const files of [{}, { 'tests/README.md': 'none' }, { 'tests/a.yaml': 'tests: []' }]) {
    const { policy } = await bench(t, { ...files });
    const { code, stdout } = await policy('test');
    assert.equal(code, 1);
    assert.match(stdout, /There are no such tests/);
  }
  const { policy } = await bench(t, { 'tests/a.yaml': PASSING });
  assert.equal((await policy('test', '--filter', 'nobody')).code, 1);
});

test('every test that cannot be read is named with its file and line, and nothing is run', async (t) => {
  const { policy } = await bench(t, {
    'tests/a.yaml': `tests:
  - { name: a, caller: a, call: sent, expect: allow }
  - { name: b, caller: a, call: send, expect: perhaps }
  - { name: c, caller: a, call: send, expect: allow, policies: [cals] }
  - { name: d, caller: a, call: send, expect: allow, polices: [calls] }
  - { caller: a, call: send, expect: allow }`,
    'tests/b.yaml':
      'defaults:\n  session: { class: pi }\ntests:\n  - { name: e, caller: a, call: send, expect: allow }',
    'tests/c.yaml': 'tests: {',
  });
  const { code, stdout, stderr } = await policy('test');
  assert.deepEqual([code, stdout], [1, '']);
  const problems = [
    /a\.yaml:2 at \/tests\/0\/call: the catalog has no tool "sent"; did you mean "send"\?/,
    /a\.yaml:3 at \/tests\/1\/expect: must be one of "allow", "redact", "deny"/,
    /a\.yaml:4 at \/tests\/2\/policies\/0: the bundle has no policy "cals"/,
    /a\.yaml:5 at \/tests\/3\/polices: unknown member.*"policies"/,
    /a\.yaml:6 at \/tests\/4: "name" is missing/,
    /b\.yaml:2 at \/defaults\/session\/class: unknown data class "pi"/,
    /c\.yaml:1: not valid YAML/,
  ];
  for (const problem of problems) assert.match(stderr, problem);
});

test('a file of tests that would be passed over is refused, and so is a file in place of their folder', async (t) => {
  const { policy } = await bench(t, { 'tests/a.yml': PASSING });
  const { code, stderr } = await policy('test');
  assert.equal(code, 1);
  assert.match(stderr, /tests\/a\.yml: tests are read from \.yaml files; rename it/);
  const other = await bench(t, {});
  await writeFile(join(other.folder, 'policy', 'tests'), '');
  assert.match((await other.policy('test')).stderr, /tests: this is not a folder/);
});

test('options that make no sense are wrong usage', async (t) => {
  const { policy } = await bench(t, { 'tests/a.yaml': PASSING });
  for (const args of [
    ['test', 'all'],
    ['test', '--min-coverage', '101'],
    ['test', '--min-coverage', '50', '--filter', 'a'],
  ])
    assert.equal((await policy(...args)).code, 2, args.join(' '));
});
