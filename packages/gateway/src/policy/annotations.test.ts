import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import {
  COMPAT_MANIFEST,
  catalogOf,
  decisionOn,
  folderOf,
  NATIVE_MANIFEST,
  referenceCatalog,
  referenceEntry,
  toolRecord,
} from '../../../../tests/support/policy.ts';
import { GatewayError } from '../errors.ts';
import { type Bundle, loadBundle } from './bundle.ts';
import { createEngine } from './engine.ts';
import { nativeSchema } from './schema.ts';
import { sensitivityRanks } from './sensitivity.ts';

const CATALOG = catalogOf(toolRecord('read_file'));
const SCHEMA = nativeSchema(CATALOG);
const FORBID = 'forbid (principal, action in Action::"call_tool", resource);';
const PERMIT = 'permit (principal, action in Action::"call_tool", resource);';

async function bundle(t: TestContext, policies: string, more: Record<string, string> = {}): Promise<Bundle> {
  const files = { 'manifest.json': JSON.stringify(NATIVE_MANIFEST), 'schema.cedarschema': SCHEMA, 'a.cedar': policies };
  return loadBundle(await folderOf(t, { ...files, ...more }));
}

/** Asserts that loading, or the engine, refuses it at this place, with these words. */
async function refused(t: TestContext, policies: string, words: RegExp, more?: Record<string, string>): Promise<void> {
  const load = async (): Promise<void> => createEngine(await bundle(t, policies, more), CATALOG).close();
  await assert.rejects(load, (error) => {
    assert.ok(error instanceof GatewayError, String(error));
    assert.equal(error.code, 'POLICY_INVALID');
    assert.match(error.detail, words);
    return true;
  });
}

test('a misspelt annotation is refused with its line and the nearest that there is', async (t) => {
  const cases: [string, string][] = [
    ['advise', 'advice'],
    ['Advice', 'advice'],
    ['aproover', 'approver'],
    ['aarm_decison', 'aarm_decision'],
    ['tll', 'ttl'],
    ['ID', 'id'],
    ['htil', 'hitl'],
    ['serverity', 'severity'],
    ['redcat', 'redact'],
    ['redact_fields', 'redact'],
  ];
  for (const [key, meant] of cases) {
    const policies = `// @${key}\n${PERMIT}\n@owner("@${key}")\n\n@${key}("x")\n${FORBID}`;
    await refused(t, policies, new RegExp(`^a\\.cedar:5: @${key} does nothing; did you mean @${meant}\\?$`));
  }
});

test('an annotation of the author’s own is left alone', async (t) => {
  const own = '@owner("x") @uid("x") @kid("1") @ticket("T-1") @note("n") @team @url("u")';
  assert.deepEqual((await bundle(t, `${own} ${FORBID}`)).warnings, []);
});

test('a value that an annotation cannot have is refused with its line', async (t) => {
  const cases: [string, RegExp][] = [
    ['ttl("15 minutes")', /^a\.cedar:2: @ttl\("15 minutes"\): write a whole number and a unit, .*"15m"/],
    ['ttl', /@ttl\(""\)/],
    ['ttl("0s")', /@ttl/],
    ['ttl("500ms")', /@ttl/],
    ['ttl("1500ms")', /@ttl/],
    ['aarm_decision("maybe")', /write "deny", "step_up", "defer"/],
    ['aarm_decision("modify")', /write "deny", "step_up", "defer"/],
    ['severity("urgent")', /write "low", "medium", "high", "critical"/],
    ['severity("High")', /write "low"/],
  ];
  for (const [annotation, words] of cases) await refused(t, `\n@${annotation} ${FORBID}`, words);
  await bundle(t, `@ttl("2000ms") @aarm_decision(" Step_Up ") @severity("low") ${FORBID}`);
});

test('advice on a permit is warned of with its line: nobody is refused by one', async (t) => {
  const { warnings } = await bundle(t, `${FORBID}\n@id("x")\n@advice("y")\n${PERMIT}`);
  assert.deepEqual(warnings, ['a.cedar:3: @advice does nothing on a permit']);
});

test('a redaction that could not be carried out is refused with its line', async (t) => {
  const on = (what: string, scope: string) => `\n@redact("${what}") permit (principal, ${scope}, resource);`;
  const tools = 'action in Action::"call_tool"';
  await refused(t, `\n@redact("$.a") ${FORBID}`, /^a\.cedar:2: @redact stands on a forbid/);
  await refused(t, on('', tools), /^a\.cedar:2: @redact\(""\): an item is empty/);
  await refused(t, on('$.a, ssn', tools), /^a\.cedar:2: @redact\("\$\.a, ssn"\): ssn begins with neither/);
  await refused(t, on(`$.${'a'.repeat(1100)}`, tools), /at most 1024 characters/);
  await refused(t, on('class:secret', tools), /^a\.cedar:2: @redact names the class secret; known are public, pii/);
  await refused(t, on('$.a', 'action'), /^a\.cedar:2: @redact stands on a permit for every action/);
  for (const action of ['subscribe', 'complete', 'elicit', 'list_roots', 'update_task', 'cancel_task']) {
    const words = new RegExp(
      `^a\\.cedar:2: @redact stands on a permit for ${action}; name .*: call_tool, read_resource`,
    );
    await refused(t, on('$.a', `action == Action::"${action}"`), words);
    await refused(t, on('$.a', `action in [Action::"read_resource", Action::"${action}"]`), words);
  }
  for (const action of ['read_file', 'read_resource', 'get_prompt', 'get_task'])
    createEngine(await bundle(t, on('$.a', `action == Action::"${action}"`)), CATALOG).close();
});

test('a tool that has the name of an action is a tool', async (t) => {
  const catalog = referenceCatalog(referenceEntry('elicit'));
  const policies = '@redact("$.a") permit (principal, action == Action::"elicit", resource);';
  const loaded = await bundle(t, policies, { 'schema.cedarschema': nativeSchema(catalog) });
  const engine = createEngine(loaded, catalog);
  t.after(() => engine.close());
  assert.equal(engine.decide(decisionOn(catalog, 'elicit')).effect, 'redact');
});

test('a class of the configuration may be redacted', async (t) => {
  const loaded = await bundle(t, `@redact("class:secret") ${PERMIT}`);
  createEngine(loaded, CATALOG, sensitivityRanks({ secret: 9 })).close();
});

test('bundles of the reference’s form keep whatever annotations they have', async (t) => {
  const odd = '@advise("x") @ttl("soon") @severity("x") @aarm_decision("maybe") @redact("anything")';
  const loaded = await bundle(t, `${odd} forbid (principal, action, resource);`, {
    'manifest.json': JSON.stringify(COMPAT_MANIFEST),
  });
  assert.deepEqual([loaded.request, loaded.warnings], ['compat', []]);
});

test('how something is approved is written as it is read, and where it asks for an approval', async (t) => {
  const asks = '@approver("finance")';
  await refused(t, `@hitl\n@via("owl")\n${FORBID}`, /a\.cedar:2: @via\("owl"\): write "operator", "user", "callback"/);
  await refused(t, `${asks} @via("user") ${FORBID}`, /@via\("user"\): the user of an agent is never the one/);
  for (const hold of ['0s', '11m', '500ms', 'long'])
    await refused(
      t,
      `${asks} @hold("${hold}") ${FORBID}`,
      /@hold\(".*"\): write a whole number and a unit, from a second/,
    );
  assert.deepEqual((await bundle(t, `${asks} @via("operator") @hold("10m") ${FORBID}`)).warnings, []);
  const { warnings } = await bundle(t, `@hold("5s") ${FORBID}\n@via("user") ${PERMIT}`);
  assert.deepEqual(warnings, [
    'a.cedar:1: @hold does nothing on a forbid that asks for no approval',
    'a.cedar:2: @via does nothing on a permit',
  ]);
});
