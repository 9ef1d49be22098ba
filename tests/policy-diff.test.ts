import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { nativeSchema } from '../packages/gateway/src/policy/schema.ts';
import { catalogWith, promptRecord, resourceRecord } from './support/catalog.ts';
import { COMPAT_MANIFEST, toolRecord } from './support/policy.ts';
import { policyBench } from './support/policy-bench.ts';

const APPROVED = {
  tools: [
    toolRecord('read_file', {}, { path: { type: 'string' } }),
    toolRecord('send', { server: 'web', destination_class: 'external', effects: 'write' }, { to: { type: 'string' } }),
  ],
  resources: [resourceRecord('note', 'file:///note')],
  prompts: [promptRecord('greet')],
};
const ALL = '@id("all") permit (principal, action, resource);\n';
const BULK = (size: number) =>
  `@id("bulk") forbid (principal, action, resource) when { context has response && context.response.size > ${size} };\n`;
const SENDING = `@id("sending") @advice("Ask Ada.")
forbid (principal, action == Action::"send", resource)
when { context.arguments has to && context.arguments.to like "*@evil.example" && context.session.class_rank >= 2 };
`;

async function compared(t: TestContext, before: Record<string, string>, after: Record<string, string>, runs = 400) {
  const bench = await policyBench(t, APPROVED, {});
  const [old, young] = [await bench.bundle('old', before), await bench.bundle('new', after)];
  const args = ['diff', old, young, '--runs', String(runs), '--seed', '9'];
  return { bench, old, young, args, ...(await bench.json(...args)) };
}

test('a bundle equals itself, also with other comments, and other names for what decides', async (t) => {
  const { bench, args, code, report } = await compared(
    t,
    { 'a.cedar': ALL + SENDING },
    { 'b.cedar': `// Everything.\n${ALL}${SENDING.replace('"sending"', '"no-sending"')}` },
  );
  assert.deepEqual([code, report.decisions], [0, []]);
  assert.deepEqual(report.texts, [
    { change: 'removed', what: 'policy', name: 'sending', where: 'a.cedar:2' },
    { change: 'added', what: 'policy', name: 'no-sending', where: 'b.cedar:3' },
  ]);
  const { stdout } = await bench.policy(...args);
  assert.match(stdout, /No request was found that is decided differently\. That does not prove that there is none\.\n/);
  assert.match(stdout, /400 random requests, seed 9\.\n$/);
});

test('a rule that is in one bundle only is found, with the smallest request that it decides', async (t) => {
  const found = await compared(t, { 'a.cedar': ALL }, { 'a.cedar': ALL + SENDING });
  assert.equal(found.code, 1);
  const [change, ...others] = found.report.decisions as Record<string, unknown>[];
  assert.deepEqual(others, []);
  const { scenario, test: asTest, ...rest } = change ?? {};
  assert.deepEqual(rest, {
    about: 'call_tool send',
    stage: 'request',
    before: { effect: 'allow', policies: ['all'], advice: {}, error: null },
    after: { effect: 'deny', policies: ['sending'], advice: { advice: 'Ask Ada.' }, error: null },
  });
  const { caller, call, arguments: given, session, ...more } = scenario as Record<string, unknown>;
  assert.deepEqual([caller, call, more], ['somebody', 'send', {}]);
  assert.match(JSON.stringify(given), /^\{"to":"x*@evil\.example"\}$/);
  assert.match(JSON.stringify(session), /^\{"class":"[a-z_]+"\}$/);
  const { stdout } = await found.bench.policy(...found.args);
  assert.match(
    stdout,
    /call_tool send\n {2}old {2}allow by all\n {2}new {2}deny by sending\n {2}- name: "call_tool send: /,
  );
  // The example is a test of the new bundle that passes, and of the old one that fails.
  const item = String(asTest);
  await found.bench.bundle('policy', { 'a.cedar': ALL + SENDING, 'tests/a.yaml': `tests:\n${item}` });
  assert.equal((await found.bench.policy('test')).code, 0);
  await found.bench.bundle('policy', { 'a.cedar': ALL });
  assert.equal((await found.bench.policy('test')).code, 1);
});

test('a limit that moved shows at the second decision, once for each thing that it is about', async (t) => {
  const { code, report } = await compared(t, { 'a.cedar': ALL + BULK(1000) }, { 'a.cedar': ALL + BULK(2000) });
  assert.equal(code, 1);
  const changes = report.decisions as { about: string; stage: string; scenario: { response: { size: number } } }[];
  assert.ok(changes.every(({ stage, scenario: { response } }) => stage === 'answer' && response.size > 1000));
  const abouts = changes.map(({ about }) => about);
  assert.equal(new Set(abouts).size, abouts.length);
  for (const about of ['call_tool read_file', 'read_resource note', 'get_prompt greet', 'complete greet'])
    assert.ok(abouts.includes(about), about);
  assert.deepEqual(report.texts, [{ change: 'changed', what: 'policy', name: 'bulk', where: 'a.cedar:2' }]);
});

test('an answer to what neither bundle, or only one, passes on is no difference of its own', async (t) => {
  const none = '@id("n") permit (principal, action == Action::"get_prompt", resource);\n';
  const { report } = await compared(t, { 'a.cedar': none + BULK(10) }, { 'a.cedar': ALL });
  const changes = report.decisions as { about: string; stage: string }[];
  assert.deepEqual(
    changes.filter(({ stage }) => stage === 'answer').map(({ about }) => about),
    ['get_prompt greet'],
  );
});

test('advice that changed is a change, although the decision is the same', async (t) => {
  const forbid = (advice: string) => `@id("f") @advice("${advice}") forbid (principal, action, resource);\n`;
  const { bench, args, code } = await compared(t, { 'a.cedar': forbid('Old.') }, { 'a.cedar': forbid('New.') }, 50);
  assert.equal(code, 1);
  const { stdout } = await bench.policy(...args);
  assert.match(stdout, /old advice {2}\{"advice":"Old\."\}\n {2}new advice {2}\{"advice":"New\."\}\n/);
});

test('policies without a name are compared by what they say, and types and actions of the schema by name', async (t) => {
  const [plain, other] = [
    'permit (principal, action, resource);\n',
    'forbid (principal, action == Action::"send", resource);\n',
  ];
  const schema = nativeSchema(catalogWith(APPROVED));
  const { report } = await compared(
    t,
    { 'a.cedar': plain + other },
    { 'a.cedar': other + plain, 'schema.cedarschema': schema.replace('"to"?: String', '"to"?: String, "cc"?: String') },
  );
  assert.deepEqual(report.texts, [{ change: 'changed', what: 'action', name: 'send', where: 'schema.cedarschema' }]);
  assert.deepEqual(report.decisions, []);
});

test('a bundle of the other form is compared all the same', async (t) => {
  const compat = {
    'manifest.json': JSON.stringify(COMPAT_MANIFEST),
    'a.cedar': 'permit (principal, action, resource);',
  };
  const { code, report } = await compared(t, compat, { 'a.cedar': 'permit (principal, action, resource);' });
  assert.equal(code, 1);
  assert.deepEqual(report.texts, [
    { change: 'changed', what: 'request form', name: 'cmcp_request', where: 'manifest.json' },
  ]);
  const abouts = (report.decisions as { about: string }[]).map(({ about }) => about);
  assert.ok(abouts.includes('get_prompt greet') && !abouts.includes('call_tool send'), abouts.join());
});

test('a bundle that does not load is named, and two folders are needed', async (t) => {
  const bench = await policyBench(t, APPROVED, { 'a.cedar': ALL });
  const broken = await bench.bundle('broken', { 'a.cedar': 'permit (principal' });
  const ran = await bench.policy('diff', join(bench.folder, 'policy'), broken);
  assert.equal(ran.code, 1);
  assert.ok(ran.stderr.includes(`${broken}: a.cedar:1: `), ran.stderr);
  const missing = await bench.policy('diff', join(bench.folder, 'none'), broken);
  assert.match(missing.stderr, /none: there is no such folder/);
  assert.equal((await bench.policy('diff', broken)).code, 2);
});

test('a bundle that turns everything round is not listed without end', async (t) => {
  const tools = Array.from({ length: 120 }, (_, index) => toolRecord(`tool${index}`));
  const bench = await policyBench(t, { tools }, { 'a.cedar': ALL });
  const turned = await bench.bundle('turned', { 'a.cedar': ALL.replace('permit', 'forbid') });
  const { code, report } = await bench.json('diff', join(bench.folder, 'policy'), turned, '--runs', '480');
  assert.deepEqual([code, (report.decisions as unknown[]).length, Number(report.furtherKinds) > 0], [1, 100, true]);
});
