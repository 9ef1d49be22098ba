import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import type { EvasionResult, PersonaResult, PolicyResult } from '../benchmarks/scenarios/measure.ts';
import { nativeSchema } from '../packages/gateway/src/policy/schema.ts';
import { viewOf } from '../packages/gateway/src/session/flow/view.ts';
import { catalogOf, decisionOn, engineOf, serverOf, toolRecord } from './support/policy.ts';

const PAGE = await readFile(new URL('../docs/data-flow.md', import.meta.url), 'utf8');
const RULES = [...PAGE.matchAll(/```cedar\n([\s\S]*?)```/g)].map((match) => match[1] ?? '');
const ids = RULES.map((rule) => /@id\("([\w-]+)"\)/.exec(rule)?.[1] ?? '');

const OUTSIDE = { destination_class: 'external', compliance_domain: 'external', effects: 'write' };
const TOOLS = catalogOf(
  toolRecord('post', OUTSIDE),
  toolRecord('mail', OUTSIDE),
  toolRecord('partner', OUTSIDE),
  toolRecord('chart', { sensitivity: 'hipaa_phi', compliance_domain: 'hipaa_phi' }),
  toolRecord('mislabelled', { sensitivity: 'pii', compliance_domain: 'hipaa_phi' }),
);
const LOCAL = serverOf(TOOLS, 'local');
const CATALOG = {
  ...TOOLS,
  servers: [...TOOLS.servers, { ...LOCAL, id: 'mail' }, { ...LOCAL, id: 'partner' }],
  tools: TOOLS.tools.map((tool) => ({ ...tool, server: { ...LOCAL, id: tool.name } })),
};

const PII = { class: 'pii', rank: 1 };
const CRM = { tool: 'find_customer', server: 'crm', domain: 'pii', sensitivity: PII };
const SEEN = { class: 'pii', classRank: 1, maxClass: 'pii', maxClassRank: 1 };
const known = { session: SEEN, flow: viewOf([], true, PII) };
const carried = { session: SEEN, flow: viewOf([CRM], true, PII) };
const forgotten = { session: SEEN, flow: viewOf([], false, PII) };

type Circumstances = Partial<typeof known>;

/** What each rule of the page lets pass, and what it denies. */
const DECIDED: Record<string, { allow: [string, Circumstances][]; deny: [string, Circumstances][] }> = {
  'closed-after-sensitive-data': {
    allow: [
      ['post', {}],
      ['chart', carried],
    ],
    deny: [
      ['post', known],
      ['post', carried],
      ['post', forgotten],
    ],
  },
  'sensitive-data-stays': {
    allow: [
      ['post', {}],
      ['post', known],
      ['chart', carried],
    ],
    deny: [
      ['post', carried],
      ['post', forgotten],
    ],
  },
  'customers-stay-out-of-the-mail': {
    allow: [
      ['mail', {}],
      ['mail', known],
      ['post', carried],
    ],
    deny: [
      ['mail', carried],
      ['mail', forgotten],
    ],
  },
  'closed-but-for-the-partner': {
    allow: [
      ['post', {}],
      ['partner', known],
    ],
    deny: [
      ['post', known],
      ['partner', carried],
      ['partner', forgotten],
    ],
  },
  'health-tools-are-labelled': {
    allow: [
      ['chart', {}],
      ['post', {}],
    ],
    deny: [['mislabelled', {}]],
  },
};

test('each rule of the page decides as the page says, in a bundle of its own [C-33] [L-09]', async (t) => {
  assert.deepEqual(Object.keys(DECIDED), ids);
  for (const [at, rule] of RULES.entries()) {
    const engine = await engineOf(t, CATALOG, `${rule}\npermit (principal, action, resource);`, nativeSchema(CATALOG));
    const { allow, deny } = DECIDED[ids[at] ?? ''] ?? { allow: [], deny: [] };
    for (const [tool, given] of allow)
      assert.equal(engine.decide(decisionOn(CATALOG, tool, given)).effect, 'allow', `${ids[at]}: ${tool}`);
    for (const [tool, given] of deny) {
      const decision = engine.decide(decisionOn(CATALOG, tool, given));
      assert.deepEqual(
        [decision.effect, decision.error, decision.policyIds],
        ['deny', null, [ids[at]]],
        `${ids[at]}: ${tool}`,
      );
    }
  }
});

test('the figures of the page are those of the committed result, and keep what is promised', async () => {
  const file = new URL('../benchmarks/results/scenarios.json', import.meta.url);
  const { results } = JSON.parse(await readFile(file, 'utf8')) as { results: PolicyResult[] };
  const [byClass, knownOnly, byFlow] = results;
  assert.ok(byClass && knownOnly && byFlow);
  const blocks = ({ rightful, wrongful, missed }: PersonaResult) => [rightful, wrongful, missed];
  assert.deepEqual(blocks(byClass.overall), [5, 11, 0], 'the published result');
  assert.deepEqual(blocks(byFlow.overall), [5, 0, 0]);
  const stopped = (result: PolicyResult, name: RegExp): string[] =>
    result.evasions.filter(({ evasion }) => name.test(evasion)).map(toldOf);
  const unseen = /^summarised|^compressed|^encrypted/;
  assert.deepEqual(stopped(byFlow, unseen), ['0/30', '0/30', '0/30']);
  assert.deepEqual(stopped(byFlow, /^flooded/), ['30/30', '30/30']);
  assert.deepEqual(stopped(knownOnly, /^flooded/), ['0/30', '0/30'], 'why the rule has to read max_sensitivity');
  const rest = byFlow.evasions.filter(({ evasion }) => !unseen.test(evasion) && evasion !== 'split over two calls');
  assert.ok(rest.every(({ stopped: { count, of } }) => count === of));
  const row = (title: string): string[] | undefined =>
    PAGE.split('\n')
      .find((line) => line.startsWith(`| ${title}`))
      ?.split('|')
      .map((cell) => cell.trim())
      .slice(2, 4);
  assert.deepEqual(row('blocked rightly'), ['5', '5']);
  assert.deepEqual(row('blocked wrongly, of 11'), ['11', '0']);
  assert.deepEqual(row('blocked wrongly where'), [`${byClass.addressed.wrongful}`, `${byFlow.addressed.wrongful}`]);
  const [halves] = byFlow.evasions.filter(({ evasion }) => evasion === 'split over two calls');
  assert.match(
    row('split over two calls')?.[1] ?? '',
    new RegExp(`^${halves?.stopped.count} of ${halves?.stopped.of} `),
  );
});

const toldOf = ({ stopped: { count, of } }: EvasionResult): string => `${count}/${of}`;
