import assert from 'node:assert/strict';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type JsonObject, parseJson, stringifyJson } from '@cmcp/evidence';
import fc from 'fast-check';
import type { Finding } from '../packages/gateway/src/authoring/finding.ts';
import { parseCatalog } from '../packages/gateway/src/catalog/load.ts';
import { loadBundle } from '../packages/gateway/src/policy/bundle.ts';
import { createEngine } from '../packages/gateway/src/policy/engine.ts';
import type { Asked, Decision, DecisionInput } from '../packages/gateway/src/policy/types.ts';
import { NO_FLOW, viewOf } from '../packages/gateway/src/session/flow/view.ts';
import { cmcpInProcess } from './support/cli-in-process.ts';
import { LINT_RANKS, lintCatalog, lintFolder } from './support/lint-bed.ts';
import { decisionAbout } from './support/policy.ts';

const CATALOG = parseCatalog(stringifyJson(lintCatalog()), 'catalog.json', LINT_RANKS);
const TOOLS = CATALOG.tools.map(({ name }) => name);

const quoted = (type: string, names: readonly string[]) =>
  fc.constantFrom(...names.map((name) => `${type}::"${name}"`));
const SCOPES = {
  principal: fc.oneof(
    { weight: 3, arbitrary: fc.constant('') },
    quoted('Agent', ['ops', 'desk', 'nobody']).map((agent) => ` == ${agent}`),
  ),
  action: fc.oneof(
    fc.constant(''),
    fc.constant(' in Action::"call_tool"'),
    quoted('Action', [...TOOLS, 'elicit', 'sample', 'read_resource']).map((action) => ` == ${action}`),
  ),
  resource: fc.oneof(
    { weight: 3, arbitrary: fc.constant('') },
    quoted('Resource', [...TOOLS, 'ghost']).map((tool) => ` == ${tool}`),
    quoted('Server', ['local', 'web', 'apm', 'ghost']).map((server) => ` in ${server}`),
  ),
};
/** Each is of type Bool for every action. */
const ATOMS = fc.constantFrom(
  'true',
  'false',
  'context.session.max_class_rank >= 1',
  'context.session.class == "pii"',
  'context.trust_level == "hardware"',
  'context.caller.subject == "ops"',
  'context.caller.subject like "d*"',
  'context.caller.source == "bearer"',
  'context.flow.sources.tools.contains("patient")',
  'context.flow.sources.servers.isEmpty()',
  'context.flow.complete',
  'context has workflow',
  '(context has workflow && context.workflow.id == "w")',
  '(context has response && context.response.size > 10)',
  '(context has arguments && context.arguments has path && context.arguments.path == "a")',
  '(context has arguments && context.arguments has year && context.arguments.year * 4096 > 9)',
  '(context has mode && context.mode == "url")',
  '(resource has effects && resource.effects == "read")',
  '(resource has sensitivity_rank && resource.sensitivity_rank >= 2)',
  'resource in Server::"web"',
  'principal in [Agent::"ops", Agent::"ghost"]',
);
const CONDITION = fc.letrec<{ all: string }>((tie) => ({
  all: fc.oneof(
    { maxDepth: 2, depthSize: 'small' },
    ATOMS,
    tie('all').map((inside) => `!(${inside})`),
    fc.tuple(tie('all'), tie('all')).map(([a, b]) => `(${a} && ${b})`),
    fc.tuple(tie('all'), tie('all')).map(([a, b]) => `(${a} || ${b})`),
  ),
})).all;
const POLICY = fc
  .tuple(
    fc.constantFrom('permit', 'permit', 'forbid'),
    SCOPES.principal,
    SCOPES.action,
    SCOPES.resource,
    fc.array(fc.tuple(fc.constantFrom('when', 'unless'), CONDITION), { maxLength: 2 }),
  )
  .map(([effect, principal, action, resource, conditions]) => {
    const clauses = conditions.map(([kind, body]) => ` ${kind} { ${body} }`);
    return `${effect} (principal${principal}, action${action}, resource${resource})${clauses.join('')};`;
  });

const ARGUMENTS: Record<string, fc.Arbitrary<JsonObject>> = {
  read_note: fc.constantFrom({}, { path: 'a' }, { path: 'b' }),
  board: fc.constantFrom({}, { year: 2026 }, { year: Number.MAX_SAFE_INTEGER }, { page: 1 }),
};
const [NOTES] = CATALOG.resources;
const WEB = CATALOG.servers.find(({ id }) => id === 'web');
const elicit = { action: 'elicit' as const, during: 'send_mail', message: 'Sure?' };
const ASKED: fc.Arbitrary<Asked> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc
      .constantFrom(...CATALOG.tools)
      .chain((tool) =>
        (ARGUMENTS[tool.name] ?? fc.constant({})).map(
          (given): Asked => ({ action: 'call_tool', tool, arguments: given }),
        ),
      ),
  },
  fc.constantFrom<Asked>(
    ...(NOTES === undefined ? [] : [{ action: 'read_resource' as const, resource: NOTES, uri: 'note:///a' }]),
    ...(WEB === undefined
      ? []
      : [
          { ...elicit, server: WEB, mode: 'form' as const, fields: ['a'], host: null },
          { ...elicit, server: WEB, mode: 'url' as const, fields: [], host: 'a' },
        ]),
  ),
);
const SESSION = fc
  .constantFrom(...LINT_RANKS)
  .map(([label, rank]) => ({ class: label, classRank: rank, maxClass: label, maxClassRank: rank }));
const PATIENT_FLOW = viewOf(
  [{ tool: 'patient', server: 'local', domain: 'external', sensitivity: { class: 'hipaa_phi', rank: 3 } }],
  true,
  { class: 'public', rank: 0 },
);
const INPUT: fc.Arbitrary<DecisionInput> = fc
  .record({
    asked: ASKED,
    subject: fc.constantFrom('ops', 'desk', 'third', 'david'),
    source: fc.constantFrom('bearer' as const, 'stdio' as const),
    session: SESSION,
    flow: fc.constantFrom(NO_FLOW, PATIENT_FLOW, { ...PATIENT_FLOW, complete: false }),
    workflow: fc.constantFrom(null, 'w', 'x'),
    trustLevel: fc.constantFrom('hardware', 'software'),
    response: fc.constantFrom(
      undefined,
      { sizeBytes: 5, findings: 0, kinds: [], injection: 0, class: 'public', classRank: 0 },
      { sizeBytes: 50, findings: 1, kinds: [], injection: 0, class: 'pii', classRank: 1 },
    ),
  })
  .map(({ asked, subject, source, response, ...rest }) =>
    decisionAbout(asked, { caller: { subject, source }, ...rest, ...(response === undefined ? {} : { response }) }),
  );

/** What the linter claims, as a statement about one decision; null for what claims nothing about decisions. */
function holdsFor({ rule, message }: Finding, decision: Decision, { asked }: DecisionInput): boolean {
  const { policyIds, effect, error } = decision;
  const [, about = ''] = /^([a-z0-9_]+): /.exec(message) ?? [];
  if (error !== null) return true;
  if (rule === 'unreachable' || rule === 'idle') return !policyIds.includes(about);
  if (rule === 'overridden') return !policyIds.includes(about);
  if (rule === 'never-permitted')
    return asked.action !== 'call_tool' || asked.tool.name !== about || effect !== 'allow';
  if (rule === 'shadowed') {
    const [, cover = ''] = /^[a-z0-9]+: ([a-z0-9]+) \(/.exec(message) ?? [];
    return !policyIds.includes(about) || policyIds.includes(cover);
  }
  return (
    rule !== 'unconditional-permit' || asked.action !== 'call_tool' || effect !== 'allow' || policyIds.includes(about)
  );
}

async function linted(t: TestContext, policies: readonly string[]): Promise<{ found: Finding[]; folder: string }> {
  const config = await lintFolder(t, { policy: policies.join('\n') });
  const { stdout } = await cmcpInProcess(['policy', 'lint', '--config', config, '--json'], dirname(config));
  return { found: (parseJson(stdout) as unknown as { findings: Finding[] }).findings, folder: dirname(config) };
}

test('what the linter claims of random policies, no decision of the engine contradicts', async (t) => {
  const claimed = new Map<string, number>();
  await fc.assert(
    fc.asyncProperty(
      fc.array(POLICY, { minLength: 1, maxLength: 5 }),
      fc.array(INPUT, { minLength: 60, maxLength: 60 }),
      async (policies, inputs) => {
        const { found, folder } = await linted(t, policies);
        fc.pre(found.every(({ severity }) => severity !== 'error'));
        for (const { rule } of found) claimed.set(rule, (claimed.get(rule) ?? 0) + 1);
        const engine = createEngine(await loadBundle(join(folder, 'policy')), CATALOG);
        const mayFail = found.some(({ rule }) => rule === 'can-fail');
        for (const input of inputs) {
          const decision = engine.decide(input);
          assert.ok(decision.error === null || decision.unfit || mayFail, decision.error ?? '');
          const wrong = found.find((finding) => !holdsFor(finding, decision, input));
          assert.equal(wrong, undefined, `${policies.join('\n')}\n${JSON.stringify(decision)}`);
        }
        engine.close();
      },
    ),
    { numRuns: 20 },
  );
  for (const rule of ['unreachable', 'never-permitted']) assert.ok(claimed.has(rule), rule);
});
