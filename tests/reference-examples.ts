import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { loadCatalog } from '../packages/gateway/src/catalog/load.ts';
import type { CatalogTool } from '../packages/gateway/src/catalog/types.ts';
import { loadBundle } from '../packages/gateway/src/policy/bundle.ts';
import { createEngine } from '../packages/gateway/src/policy/engine.ts';
import { decisionAbout, decisionOn, toolOf } from './support/policy.ts';

/*
 * Run by hand where someone has the reference's own examples, which are not part of this repository:
 * `CMCP_REFERENCE_EXAMPLES=<folder> npm run test:reference`. The golden hashes are the published ones.
 */
const examples = process.env.CMCP_REFERENCE_EXAMPLES;
if (examples === undefined) throw new Error("set CMCP_REFERENCE_EXAMPLES to the folder of the reference's examples");
const GOLDEN = [
  {
    name: 'minimal',
    policies: 'sha256:0f30eae7f46868c8250b1b78be3bfd0cd25b247c0c110271ebd599e7aa5a0e74',
    catalog: 'sha256:d7fc3e42744ea15a93f6c7309c08722bec66939c55338bafec0774ee63ac8b00',
  },
  {
    name: 'bfsi-demo',
    policies: 'sha256:6a8a10f8ba4b366038fbf996203114bb990833402ec3317071bc510ffabe9457',
    catalog: 'sha256:7b81b9430c2a3ca7d0cc15de08e2a0e92167de763ebc9f96bd4b685c98b88260',
  },
];

for (const { name, policies, catalog } of GOLDEN) {
  const folder = join(examples, name);

  test(`the reference's example ${name} has its golden catalog hash [C-08] [C-37]`, async () => {
    assert.equal((await loadCatalog(join(folder, 'catalog.json'))).hash, catalog);
  });

  test(`the reference's example ${name} has its golden bundle hash and permits what it should [C-21]`, async (t) => {
    const bundle = await loadBundle(join(folder, 'policies'));
    assert.equal(bundle.hash, policies);
    const loaded = await loadCatalog(join(folder, 'catalog.json'));
    const engine = createEngine(bundle, loaded);
    t.after(() => engine.close());
    for (const tool of loaded.tools) assert.equal(engine.decide(decisionOn(loaded, tool.name)).effect, 'allow');
  });
}

test("the reference's bfsi example denies health data to uncovered tools [C-21]", async (t) => {
  const folder = join(examples, 'bfsi-demo');
  const catalog = await loadCatalog(join(folder, 'catalog.json'));
  const engine = createEngine(await loadBundle(join(folder, 'policies')), catalog);
  t.after(() => engine.close());
  const session = { maxClass: 'hipaa_phi', maxClassRank: 3 };
  const query = toolOf(catalog, 'crm.query');
  const on = (changes: Partial<CatalogTool>, seen = session) => {
    const asked = { action: 'call_tool' as const, tool: { ...query, ...changes }, arguments: {} };
    return engine.decide(decisionAbout(asked, { session: seen }));
  };
  assert.equal(on({}).effect, 'allow');
  assert.deepEqual(on({ requiresBaa: true }).policyIds, ['policy2']);
  const sending = { name: 'communication.send' };
  assert.equal(on(sending).effect, 'allow');
  assert.deepEqual(on(sending, { ...session, maxClass: 'mnpi' }).policyIds, ['policy1']);
});
