import type { JsonObject } from '@cmcp/evidence';
import type { Catalog, CatalogTool } from '../../catalog/types.ts';
import type { PolicyEngine } from '../../policy/types.ts';
import { LEAST } from './generate/choose.ts';
import { Ideas } from './generate/ideas.ts';
import { argumentsFor } from './generate/value.ts';
import { offeredBy } from './items-of.ts';
import type { Vocabulary } from './scenario.ts';
import { yamlItem } from './scenario-yaml.ts';
import { TESTS_FOLDER } from './test-files.ts';
import { decided, readOrNull } from './workshop.ts';

interface StartingTest {
  name: string;
  scenario: JsonObject;
  expect: 'allow' | 'deny';
  policies: string[];
}

const HEAD = `# Tests of the policy beside this folder, run by: cmcp policy test
# Each describes a request and says how it is to be decided, and by which policies. docs/policy.md says what can be written.
defaults:
  caller: agent

`;

const INVARIANTS = `# Held against random requests by: cmcp policy test --property
invariants:
- name: no agent that has seen sensitive data changes something at an external server
  never: allow
  when: { class_above: public, action: [call_tool, update_task], destination: external, effects: write }
`;

/** The tests that a starting bundle begins with, as files of the bundle. They pass for its catalog. */
export function startingTests(vocabulary: Vocabulary, engine: PolicyEngine): Record<string, string> {
  // What is made for an odd schema may not fit it: that is no way to begin.
  const passing = candidates(vocabulary.catalog).filter(({ scenario, expect, policies }) => {
    const input = readOrNull({ caller: 'agent', ...scenario }, vocabulary);
    const decision = input && decided(engine, input);
    return decision?.effect === expect && JSON.stringify(decision.policyIds) === JSON.stringify(policies);
  });
  const items = passing.map(({ name, scenario, ...expected }) => yamlItem({ name, ...scenario, ...expected }));
  const tests = items.length === 0 ? '' : `tests:\n${items.join('\n')}\n`;
  return { [`${TESTS_FOLDER}/start.yaml`]: HEAD + tests + INVARIANTS };
}

function candidates(catalog: Catalog): StartingTest[] {
  const [prompt] = catalog.prompts;
  const uri = catalog.resources.flatMap(({ pattern }) => (pattern.kind === 'uri' ? [pattern.uri] : []))[0];
  return [
    ...toolTests(catalog),
    ...(uri === undefined ? [] : [allowed('a catalogued resource is read', { read: uri }, 'resources')]),
    ...(prompt === undefined ? [] : [allowed('a catalogued prompt is used', { prompt: prompt.name }, 'prompts')]),
    ...askTests(catalog),
  ];
}

function allowed(name: string, scenario: JsonObject, kind: 'tools' | 'resources' | 'prompts'): StartingTest {
  return { name, scenario, expect: 'allow', policies: [`allow-catalogued-${kind}`] };
}

function toolTests({ tools }: Catalog): StartingTest[] {
  const reading = tools.find(({ effects }) => effects === 'read') ?? tools[0];
  const sending = tools.find(({ effects, destinationClass }) => effects === 'write' && destinationClass === 'external');
  const forbidden: StartingTest['policies'] = ['no-external-writes-after-sensitive-data'];
  return [
    ...(reading === undefined ? [] : [allowed('a catalogued tool is called', callOf(reading), 'tools')]),
    ...(sending === undefined
      ? []
      : [
          allowed('an external server is written to while nothing sensitive was seen', callOf(sending), 'tools'),
          {
            name: 'nothing is written to an external server after sensitive data',
            scenario: { ...callOf(sending), session: { class: 'pii' } },
            expect: 'deny' as const,
            policies: forbidden,
          },
        ]),
  ];
}

function callOf({ name, inputSchema }: CatalogTool): JsonObject {
  return { call: name, arguments: argumentsFor(inputSchema, { choose: LEAST, ideas: new Ideas() }) };
}

function askTests(catalog: Catalog): StartingTest[] {
  const by = catalog.servers.flatMap((server) => {
    return offeredBy(server, catalog).map(({ name }) => ({ server: server.id, during: name }));
  })[0];
  if (by === undefined) return [];
  return [
    { name: 'a server puts a form to the user', scenario: { elicit: by }, expect: 'allow', policies: ['allow-forms'] },
    {
      name: 'no server sends the user to a web page',
      scenario: { elicit: { ...by, mode: 'url', host: 'example.com' } },
      expect: 'deny',
      policies: [],
    },
    { name: 'no server asks the model', scenario: { sample: by }, expect: 'deny', policies: [] },
  ];
}
