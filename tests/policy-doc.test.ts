import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { type TestContext, test } from 'node:test';
import type { JsonObject } from '@cmcp/evidence';
import { WHEN_MEMBERS } from '../packages/gateway/src/authoring/policy/invariant.ts';
import { SCENARIO_MEMBERS } from '../packages/gateway/src/authoring/policy/scenario.ts';
import { ACTION_FORMS, COMMON_CONTEXT } from '../packages/gateway/src/policy/actions.ts';
import { adviceToAgent } from '../packages/gateway/src/policy/advice.ts';
import { ANNOTATIONS } from '../packages/gateway/src/policy/annotations.ts';
import { MODES } from '../packages/gateway/src/policy/mode.ts';
import { nativeSchema } from '../packages/gateway/src/policy/schema.ts';
import { type Asked, type Decision, EFFECTS } from '../packages/gateway/src/policy/types.ts';
import { templateRecord } from './support/catalog.ts';
import {
  catalogOf,
  decisionAbout,
  engineOf,
  promptOf,
  resourceOf,
  serverOf,
  toolOf,
  toolRecord,
  withOthers,
} from './support/policy.ts';
import { policyBench } from './support/policy-bench.ts';

const PAGE = await readFile(new URL('../docs/policy.md', import.meta.url), 'utf8');
const RULES = [...PAGE.matchAll(/```cedar\n([\s\S]*?)```/g)].map((match) => match[1] ?? '');

const TOOLS = catalogOf(
  toolRecord('deploy', { effects: 'write' }),
  toolRecord('read_file'),
  toolRecord('transfer', {}, { amount: { type: 'integer' } }),
  toolRecord('find_customer'),
);
const LOCAL = serverOf(TOOLS, 'local');
const FILES = { ...LOCAL, id: 'files' };
const SEARCH = { ...LOCAL, id: 'search' };
const OTHER = { ...LOCAL, id: 'other' };
const REPORTS = resourceOf(FILES, 'reports', 'file:///srv/reports/a');
const OUTSIDE = promptOf(OTHER, 'outside', { destinationClass: 'external' });
const INSIDE = promptOf(OTHER, 'inside');
const CATALOG = {
  ...withOthers(TOOLS, { resources: [REPORTS], prompts: [OUTSIDE, INSIDE] }),
  servers: [LOCAL, FILES, SEARCH, OTHER],
};

/** An engine with the page's rule of this name, and a permit for everything if it is a forbid. */
function withRule(t: TestContext, id: string) {
  const rule = RULES.find((text) => text.includes(`@id("${id}")`));
  assert.ok(rule, `the page has no rule ${id}`);
  const rest = rule.includes('\nforbid (') ? 'permit (principal, action, resource);' : '';
  return engineOf(t, CATALOG, `${rule}\n${rest}`, nativeSchema(CATALOG));
}

const form = (fields: string[]): Asked => {
  return { action: 'elicit', server: OTHER, during: 'deploy', mode: 'form', message: '', fields, host: null };
};
const web = (host: string): Asked => {
  return { action: 'elicit', server: OTHER, during: 'deploy', mode: 'url', message: '', fields: [], host };
};
const sample = (server: typeof LOCAL): Asked => {
  const flags = { includeContext: 'none', systemPrompt: false, tools: false };
  return { action: 'sample', server, during: 'deploy', maxTokens: 1, messages: 1, ...flags };
};
const prompt = (which: typeof OUTSIDE): Asked => ({ action: 'get_prompt', prompt: which, arguments: { x: 'y' } });
const read = (uri: string): Asked => ({ action: 'read_resource', resource: REPORTS, uri });
const call = (name: string, args: JsonObject = {}): Asked => {
  return { action: 'call_tool', tool: toolOf(CATALOG, name), arguments: args };
};
const deploy = call('deploy');

const reporting = { caller: { subject: 'reporting', source: 'bearer' } } as const;
const support = { caller: { subject: 'support', source: 'bearer' } } as const;
const release = { caller: { subject: 'release', source: 'bearer' } } as const;
const exposed = { session: { maxClassRank: 1 } };
const answer = (sizeBytes: number) => ({
  response: { sizeBytes, findings: 0, kinds: [], injection: 0, class: 'public', classRank: 0 },
});

const FINANCE = { subject: 'clerk', source: 'oauth', groups: ['finance'] } as const;

type Requests = Parameters<typeof decisionAbout>[];

/** Requests that each rule of the page leaves alone or allows, and requests that it denies, does not reach, or decides on otherwise. */
const DECIDED: Record<string, Partial<Record<Decision['effect'], Requests>>> = {
  'finance-transfers': {
    allow: [[call('transfer'), { caller: { ...FINANCE, onBehalfOf: 'anna' } }]],
    deny: [[call('transfer'), { caller: FINANCE }], [call('transfer')], [deploy, { caller: FINANCE }]],
  },
  'reporting-reads-reports': {
    allow: [[read('file:///srv/reports/a'), reporting]],
    deny: [[read('file:///srv/reports/a')], [read('file:///srv/keys'), reporting], [deploy, reporting]],
  },
  'no-sampling-by-outsiders': { allow: [[sample(OTHER)], [form([])]], deny: [[sample(SEARCH)]] },
  'no-secrets-in-forms': { allow: [[form(['name'])]], deny: [[form(['name', 'password'])]] },
  'only-our-login': { allow: [[web('login.example')], [form([])]], deny: [[web('login.example.evil.example')]] },
  'no-arguments-to-external-prompts': {
    allow: [[prompt(OUTSIDE)], [prompt(INSIDE), exposed]],
    deny: [[prompt(OUTSIDE), exposed]],
  },
  'no-bulk': {
    allow: [[deploy], [deploy, answer(9)]],
    deny: [
      [deploy, answer(1_000_001)],
      [web('x'), answer(1_000_001)],
    ],
  },
  'large-transfers-need-finance': {
    allow: [[call('transfer')], [call('transfer', { amount: 1000 })], [deploy]],
    step_up: [[call('transfer', { amount: 1001 })]],
    deny: [[call('transfer', { amount: 1001 }), answer(9)]],
  },
  'deploys-wait-for-the-board': {
    allow: [[deploy, { trustLevel: 'hardware' }], [call('transfer')]],
    defer: [[deploy]],
  },
  'support-sees-customers-masked': {
    redact: [
      [call('find_customer'), support],
      [call('find_customer'), { ...support, ...answer(9) }],
    ],
    deny: [[call('find_customer')], [deploy, support]],
  },
  'deploys-by-release-only': {
    allow: [[deploy, { ...release, trustLevel: 'hardware' }]],
    deny: [
      [deploy, release],
      [deploy, { trustLevel: 'hardware' }],
    ],
  },
};

test('every rule on the page about policies decides as the page says', async (t) => {
  assert.equal(RULES.length, Object.keys(DECIDED).length);
  for (const [id, decided] of Object.entries(DECIDED)) {
    const engine = await withRule(t, id);
    for (const [effect, requests] of Object.entries(decided))
      for (const request of requests) assert.equal(engine.decide(decisionAbout(...request)).effect, effect, id);
  }
});

test('the page has an example of every decision, and a row for it and for every annotation', () => {
  const effects = new Set(Object.values(DECIDED).flatMap((decided) => Object.keys(decided)));
  assert.deepEqual([...effects].sort(), ['allow', 'defer', 'deny', 'redact', 'step_up']);
  for (const effect of effects) assert.match(PAGE, new RegExp(`^\\| .*\\| \`${effect}\` \\|$`, 'm'), effect);
  for (const name of Object.keys(ANNOTATIONS)) assert.match(PAGE, new RegExp(`^\\| .*\`@${name}(\\(|\`)`, 'm'), name);
  for (const mode of MODES) assert.match(PAGE, new RegExp(`^\\| \`${mode}\` \\|`, 'm'), mode);
});

test('the page says what the examples tell and remove', async (t) => {
  const transfer = await withRule(t, 'large-transfers-need-finance');
  const asked = transfer.decide(decisionAbout(call('transfer', { amount: 1001 })));
  assert.deepEqual(Object.keys(adviceToAgent(asked, 'native')).sort(), [
    'advice',
    'approver',
    'severity',
    'ttl_seconds',
  ]);
  const masked = await withRule(t, 'support-sees-customers-masked');
  const { redactions } = masked.decide(decisionAbout(call('find_customer'), support));
  assert.deepEqual(
    redactions.map(({ text }) => text),
    ['$.customer.ssn', '$.orders[*].card', 'class:pii'],
  );
});

test('a rule about the scope keeps a tool out of a list, and a condition on the context does not', async (t) => {
  const engine = await withRule(t, 'deploys-by-release-only');
  const listed = (subject: string) =>
    engine.couldAllow({ subject, source: 'bearer' }, { action: 'call_tool', tool: toolOf(CATALOG, 'deploy') });
  assert.deepEqual([listed('release'), listed('reporting')], [true, false]);
});

test('the page names every action with its entities and its members, and every member of all requests', () => {
  for (const { actions, entities, context } of ACTION_FORMS) {
    for (const action of actions) {
      const row = PAGE.split('\n').find(
        (line) => line.startsWith('| ') && line.split('|')[1]?.includes(`\`${action}\``),
      );
      assert.ok(row, `${action} is not on the page`);
      for (const entity of entities) assert.ok(row.includes(`\`${entity}\``), `${action}: ${entity}`);
      for (const { name, optional } of context)
        assert.ok(row.includes(`\`${name}\`${optional === true ? '?' : ''}`), `${action}: ${name}`);
    }
  }
  for (const { name, optional } of COMMON_CONTEXT)
    assert.match(PAGE, new RegExp(`^\\|.*\`${name}(\\.\\w+)?\`${optional === true ? '\\?' : ''}.*\\|`, 'm'), name);
});

/** A catalog that the page's tests are about, and a bundle of the page's rules. */
const BENCH = {
  servers: { files: { transport: 'stdio', spawn: { command: '/usr/bin/true', args: [] } } },
  tools: [
    toolRecord('deploy', { server: 'files', effects: 'write' }, { service: { type: 'string' } }),
    toolRecord('transfer', { server: 'files' }, { amount: { type: 'integer' } }),
    toolRecord('find_customer', { server: 'files' }),
    toolRecord('look_up', { server: 'web', destination_class: 'external' }),
  ],
  resources: [templateRecord('reports', 'file:///srv/reports/{year}', { server: 'files' })],
};
/** Of the blocks on the page those of tests; tests/policy-explain-doc.test.ts has the others. */
const YAML = [...PAGE.matchAll(/```yaml\n([\s\S]*?)```/g)]
  .map((match) => match[1] ?? '')
  .filter((text) => /^(?:tests|invariants):/m.test(text));
/** Without the rule that defers the deploys which the page's tests deny. */
const CALLS = RULES.filter((rule) => !rule.includes('deploys-wait-for-the-board')).join('\n');

test('the tests and invariants on the page run as the page says, and its bundles are compared', async (t) => {
  assert.equal(YAML.length, 2);
  const files = { 'all.cedar': CALLS, 'tests/a.yaml': YAML[0] ?? '', 'tests/b.yaml': YAML[1] ?? '' };
  const bench = await policyBench(t, BENCH, files);
  const tested = await bench.policy('test');
  assert.equal(tested.code, 0, tested.stdout + tested.stderr);
  const held = await bench.policy('test', '--property', '--runs', '400', '--seed', '1');
  assert.equal(held.code, 0, held.stdout + held.stderr);
  assert.doesNotMatch(held.stdout, /IDLE/);
  const proposed = await bench.bundle('proposed', { 'all.cedar': CALLS.replace('"release"', '"anybody"') });
  const diff = await bench.policy('diff', `${bench.folder}/policy`, proposed, '--runs', '2000', '--seed', '1');
  assert.equal(diff.code, 1);
  assert.match(
    diff.stdout,
    /call_tool deploy\n {2}old {2}allow by deploys-by-release-only\n {2}new {2}deny by no policy\n/,
  );
});

test('the page names everything that a test and an invariant can say', () => {
  const tables = PAGE.split('\n')
    .filter((line) => line.startsWith('| '))
    .join('\n');
  for (const word of [...SCENARIO_MEMBERS, ...WHEN_MEMBERS, ...EFFECTS])
    assert.ok(tables.includes(`\`${word}\``), word);
});
