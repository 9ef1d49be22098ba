import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { JsonNumber } from '@cmcp/evidence';
import { promptRecord, resourceRecord, templateRecord } from './support/catalog.ts';
import { toolRecord } from './support/policy.ts';
import { policyBench } from './support/policy-bench.ts';

const APPROVED = {
  tools: [
    toolRecord('read_file', { sensitivity: 'pii' }, { path: { type: 'string' }, lines: { type: 'integer' } }),
    toolRecord(
      'send',
      { server: 'web', destination_class: 'external', effects: 'write' },
      { to: { type: 'string' }, urgent: { type: 'boolean' } },
    ),
  ],
  resources: [resourceRecord('note', 'file:///note'), templateRecord('logs', 'file:///logs/{day}')],
  prompts: [promptRecord('greet', { server: 'web', destination_class: 'external' })],
  servers: { web: { asks: ['elicit', 'sample', 'list_roots'] } },
};
const ALLOW = '@id("all") permit (principal, action, resource);\n';
const NO_EXTERNAL = `@id("no-external")
forbid (principal, action in [Action::"call_tool", Action::"update_task", Action::"get_task", Action::"cancel_task"], resource)
when { resource.destination_class == "external" && context.session.class_rank > 1 };
@id("no-prompts")
forbid (principal, action in [Action::"get_prompt", Action::"complete"], resource is Prompt)
when { context.session.class_rank > 1 };
@id("no-asks")
forbid (principal, action in [Action::"elicit", Action::"sample", Action::"list_roots"], resource)
when { context.session.class_rank > 1 };
`;
const HOLE = `unless { principal == Agent::"ada" && context.trust_level == "hardware" }`;
const INVARIANT = `invariants:
  - name: no session above pii reaches an external server
    never: allow
    when: { class_above: pii, destination: external }
`;
const bench = (t: TestContext, files: Record<string, string>) => policyBench(t, APPROVED, files);

test('an invariant that holds is held against random requests of every kind, and found to hold', async (t) => {
  const { policy } = await bench(t, { 'all.cedar': ALLOW + NO_EXTERNAL, 'tests/invariants.yaml': INVARIANT });
  const { code, stdout } = await policy('test', '--property', '--seed', '1', '--runs', '800');
  assert.equal(code, 0, stdout);
  assert.match(stdout, /held {4}no session above pii reaches an external server {2}\([1-9]\d+ requests\)/);
  assert.match(stdout, /0 of 1 invariants are violated\. 800 random requests, seed 1\.\nThat none was found does not/);
});

test('a violation is shown as the smallest request, as a test that fails, and the seed finds it again', async (t) => {
  const rules = ALLOW + NO_EXTERNAL.replace('> 1 };', `> 1 }\n${HOLE};`);
  const { policy, folder } = await bench(t, { 'all.cedar': rules, 'tests/invariants.yaml': INVARIANT });
  const { code, stdout } = await policy('test', '--property', '--seed', '5', '--runs', '800');
  assert.equal(code, 1, stdout);
  assert.match(stdout, /BROKEN {2}no session above pii reaches an external server {2}\(tests\/invariants\.yaml:2\)/);
  assert.match(stdout, /1 of 1 invariants are violated\. 800 random requests, seed 5\./);
  const [item = ''] = /- name: [\s\S]*?\n(?=\n)/.exec(stdout.replaceAll(/^ {2}/gm, '')) ?? [];
  assert.match(
    item,
    /^- name: no session above pii reaches an external server\n {2}caller: ada\n.*\n {2}session: \{ class: [a-z_]+ \}\n {2}trust_level: hardware\n {2}expect: deny\n$/,
  );
  assert.equal((await policy('test', '--property', '--seed', '5', '--runs', '800')).stdout, stdout);
  await writeFile(join(folder, 'policy', 'tests', 'found.yaml'), `tests:\n${item}`);
  const failed = await policy('test');
  assert.match(failed.stdout, /FAILED .*\n +expected deny\n +got +allow by all\n/);
});

test('what rules and invariants name is tried: callers, arguments, patterns, counts and the second decision', async (t) => {
  const { json } = await bench(t, {
    'all.cedar': `${ALLOW}
@id("a") forbid (principal, action == Action::"send", resource) unless { context.arguments has to && context.arguments.to like "*@rare.example" };
@id("b") forbid (principal, action == Action::"read_file", resource) unless { context.arguments has lines && context.arguments.lines == 4711 };
@id("c") forbid (principal, action == Action::"read_resource", resource) unless { context.uri == "file:///logs/2026" };
@id("d") forbid (principal, action == Action::"get_prompt", resource) unless { context.arguments.contains({ name: "topic", value: "secret word" }) };
@id("e") forbid (principal, action == Action::"elicit", resource) unless { context.fields.contains("account") };
@id("f") forbid (principal, action == Action::"sample", resource) unless { context.max_tokens > 80000 };
@id("g") forbid (principal, action in Action::"call_tool", resource) when { context has response } unless { context.response.size < 12 || context.response.findings == 77 };
@id("h") forbid (principal, action == Action::"subscribe", resource) unless { context has workflow && context.workflow.id == "nightly" && context.caller.subject == "robot" };
`,
    'tests/invariants.yaml': `invariants:
  - { name: a, never: allow, when: { tool: send } }
  - { name: b, never: allow, when: { tool: read_file } }
  - { name: c, never: allow, when: { action: read_resource } }
  - { name: d, never: allow, when: { action: get_prompt } }
  - { name: e, never: allow, when: { action: elicit } }
  - { name: f, never: allow, when: { action: sample } }
  - { name: g, never: allow, when: { action: call_tool, stage: answer } }
  - { name: h, never: allow, when: { action: subscribe } }
  - { name: i, never: [allow, deny], when: { caller: carol, tool: send, arguments: { to: dave, urgent: true } } }
`,
  });
  const { report, code, stderr } = await json('test', '--property', '--seed', '3', '--runs', '6000');
  assert.deepEqual([code, stderr], [1, '']);
  const found = report.invariants as { name: string; violation: { scenario: unknown } | null }[];
  assert.deepEqual(
    found.filter(({ violation }) => violation === null).map(({ name }) => name),
    [],
  );
  const smallest = new Map(found.map(({ name, violation }) => [name, violation?.scenario]));
  assert.deepEqual(
    { ...(smallest.get('b') as object), caller: '' },
    { caller: '', call: 'read_file', arguments: { lines: 4711 } },
  );
  assert.deepEqual(smallest.get('i'), { caller: 'carol', call: 'send', arguments: { to: 'dave', urgent: true } });
});

test('matchers tell requests apart: labels, levels, effects, stages, and what is not', async (t) => {
  const matched = async (when: string): Promise<Set<string>> => {
    const { json } = await bench(t, {
      'all.cedar': ALLOW,
      'tests/a.yaml': `invariants: [{ name: a, never: allow, when: ${when} }]`,
    });
    const kinds = new Set<string>();
    for (const seed of ['1', '2', '3']) {
      const { report } = await json('test', '--property', '--seed', seed, '--runs', '150');
      const [{ violation }] = report.invariants as [{ violation: { scenario: object } | null }];
      if (violation !== null) kinds.add(JSON.stringify(violation.scenario));
    }
    return kinds;
  };
  const only = async (when: string, ...patterns: RegExp[]): Promise<void> => {
    const kinds = await matched(when);
    assert.ok(kinds.size > 0, when);
    for (const kind of kinds) for (const pattern of patterns) assert.match(kind, pattern, when);
  };
  await only('{ tool: send, effects: write, server: web }', /send/);
  await only('{ destination: internal, sensitivity_above: public }', /read_file/);
  await only('{ stage: answer }', /"response":\{\}/);
  await only('{ max_class_above: confidential, not: { class_above: public } }', /"max_class":"(?!public)/);
  await only('{ carries_above: pii, class_above: public }', /"flow":/);
  await only(
    '{ not: { action: [call_tool, read_resource, subscribe, complete, get_prompt, elicit] } }',
    /task|sample|roots/,
  );
  await only('{ trust_level: [hardware, operator-root], platform: tpm2 }', /tpm2/, /hardware|operator-root/);
  assert.deepEqual([...(await matched('{ effects: write, destination: internal }'))], []);
});

test('an invariant that no request concerns is said to be idle; none at all is a failure', async (t) => {
  const { policy } = await bench(t, {
    'all.cedar': ALLOW,
    'tests/a.yaml': 'invariants: [{ name: writes, never: allow, when: { effects: write, destination: internal } }]',
  });
  const { code, stdout } = await policy('test', '--property', '--runs', '100');
  assert.equal(code, 0);
  assert.match(stdout, /IDLE {4}writes {2}\(no request concerned it; tests\/a\.yaml:1\)/);
  const none = await bench(t, { 'all.cedar': ALLOW });
  const ran = await none.policy('test', '--property');
  assert.deepEqual([ran.code, /There are no invariants/.test(ran.stdout)], [1, true]);
});

test('an invariant is closed: what it cannot say is refused with its line', async (t) => {
  const { policy } = await bench(t, {
    'all.cedar': ALLOW,
    'tests/a.yaml': `invariants:
  - { name: a, never: allow, when: { tol: send } }
  - { name: b, never: allow, when: { tool: sent } }
  - { name: c, never: alow, when: {} }
  - { name: d, never: allow, when: { class_above: pi } }
  - { name: e, never: allow, when: { not: { server: wob } } }
  - { name: f, never: allow }
  - { name: g, never: allow, when: { caller: 7 } }
  - { never: allow, when: {} }`,
  });
  const { code, stderr } = await policy('test', '--property');
  assert.equal(code, 1);
  const problems = [
    /a\.yaml:2 at \/invariants\/0\/when\/tol: unknown member.*"tool"/,
    /a\.yaml:3 at .*when\/tool: unknown; did you mean "send"\?/,
    /a\.yaml:4 at .*never: unknown; did you mean "allow"\?/,
    /a\.yaml:5 at .*class_above: unknown; did you mean "pii"\?/,
    /a\.yaml:6 at .*not\/server: unknown; did you mean "web"\?/,
    /a\.yaml:7 at .*when: must be an object/,
    /a\.yaml:8 at .*caller: must be text, or a list/,
    /a\.yaml:9 at .*: "name" is missing/,
  ];
  for (const problem of problems) assert.match(stderr, problem);
});

test('options of the random mode go with it alone, and are bounded', async (t) => {
  const { policy } = await bench(t, { 'all.cedar': ALLOW, 'tests/a.yaml': INVARIANT });
  for (const args of [
    ['--runs', '5'],
    ['--property', '--runs', '0'],
    ['--property', '--seed', '-1'],
    ['--property', '--filter', 'a'],
  ])
    assert.equal((await policy('test', ...args)).code, 2, args.join(' '));
});

test('an answer is decided only where the request was passed on, and never where nothing can be asked for', async (t) => {
  const { policy, bundle } = await bench(t, {
    'all.cedar': '@id("late") permit (principal, action, resource) when { context has response };',
    'tests/a.yaml': 'invariants: [{ name: answers, never: allow, when: { stage: answer } }]',
  });
  assert.match((await policy('test', '--property', '--runs', '100')).stdout, /IDLE {4}answers/);
  await bundle('policy', { 'all.cedar': ALLOW });
  assert.match((await policy('test', '--property', '--runs', '100')).stdout, /BROKEN {2}answers/);
  const empty = await policyBench(t, {}, { 'all.cedar': ALLOW, 'tests/a.yaml': INVARIANT });
  assert.match((await empty.policy('test', '--property')).stdout, /\. 0 random requests, seed/);
});

test('a request is quoted with its numbers as they are', async (t) => {
  const tools = [toolRecord('pay', {}, { amount: { const: new JsonNumber('0.5') }, id: { const: 7 } })];
  const { policy } = await policyBench(
    t,
    { tools },
    {
      'all.cedar': '@id("a") permit (principal, action == Action::"pay", resource);',
      'tests/a.yaml': 'invariants: [{ name: a, never: allow, when: { arguments: { amount: 0.5 } } }]',
    },
  );
  const { stdout } = await policy('test', '--property', '--json', '--runs', '50');
  assert.match(stdout, /"amount": 0\.5\n/);
  assert.match((await policy('test', '--property', '--runs', '50')).stdout, /arguments: \{ amount: 0\.5 \}\n/);
});
