import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { JsonObject } from '@cmcp/evidence';
import {
  fitting,
  hashesOf,
  issue,
  manifestConfig,
  spiffeOf,
  writeAnchors,
} from '../../../../tests/support/agent-manifests.ts';
import { TestBed } from '../../../../tests/support/gateway.ts';
import { ed25519Signer, type ManifestSigner } from '../../../evidence/src/testing/manifest.ts';
import type { Caller, CallerSource } from '../caller.ts';
import { loadCatalog } from '../catalog/load.ts';
import { type Config, loadConfig, readEnvironment } from '../index.ts';
import { sensitivityRanks } from '../policy/sensitivity.ts';
import { type Binding, type BoundManifest, bindManifest } from './bind.ts';
import { loadManifests } from './load.ts';

/** A folder with a manifest for each of two agents, one of whom the configuration maps. */
async function prepared(t: TestContext): Promise<{ config: Config; folder: string; signer: ManifestSigner }> {
  const signer = await ed25519Signer();
  const bed = await TestBed.create({ tools: [{ name: 'echo' }], config: manifestConfig(['one']) });
  t.after(() => bed.close());
  const { folder } = bed;
  for (const name of ['one', 'two']) await issue(folder, name, await fitting(folder, name), signer);
  await writeAnchors(folder, [[signer]]);
  return { config: await loadConfig(bed.configFile, readEnvironment({ CMCP_DEV_MODE: '1' })), folder, signer };
}

test('nobody is taken for the agent of the one manifest outside development, in the profile, or where some are mapped [D-45]', async (t) => {
  const { config } = await prepared(t);
  const of = async (changes: Partial<Config>) =>
    (await loadManifests({ ...config, ...changes })).of({ subject: 'x', source: 'bearer' })?.identified ?? null;
  const section = config.agentManifest ?? assert.fail();
  const agentManifest = { ...section, manifests: section.manifests.map((path) => join(path, 'one')), subjects: {} };
  assert.deepEqual(await of({ agentManifest }), { subject: spiffeOf('one'), source: 'manifest-dev' });
  assert.equal(await of({ agentManifest, dev: false }), null);
  assert.equal(await of({ agentManifest, profile: 'aarm' }), null);
  assert.equal(await of({ agentManifest: { ...agentManifest, subjects: { one: spiffeOf('one') } } }), null);
});

test('manifests are the same as long as their bytes and the keys are: another of either is something to activate', async (t) => {
  const { config, folder, signer } = await prepared(t);
  const before = await loadManifests(config);
  assert.ok(before.isSameAs(await loadManifests(config)));
  await issue(folder, 'two', await fitting(folder, 'two'), signer);
  assert.equal(before.isSameAs(await loadManifests(config)), false);
  const renewed = await loadManifests(config);
  await writeAnchors(folder, [[signer, ['spiffe://trust.example/another']]]);
  assert.equal(renewed.isSameAs(await loadManifests(config)), false);
  await writeAnchors(folder, [[signer]]);
  assert.ok(renewed.isSameAs(await loadManifests(config)));
  await rm(join(folder, 'manifests/two'));
  assert.equal(renewed.isSameAs(await loadManifests(config)), false);
});

test('an agent is who its SVID says, whom its token of the trust domain names, or whom the configuration maps; never another [D-45]', async (t) => {
  const { config, folder } = await prepared(t);
  const catalog = await loadCatalog(config.catalog.path, sensitivityRanks());
  const refusals: JsonObject[] = [];
  const authority = {
    manifests: await loadManifests(config),
    policy: { bundleHash: (await hashesOf(folder)).policy },
    catalog,
    base: { catalog },
  } as unknown as Binding['authority'];
  const refused: Binding['refused'] = async (_, detail) => void refusals.push(detail);
  const binding: Binding = { authority, mode: 'enforcing', nowMicros: Date.UTC(2026, 1, 1) * 1000, refused };
  const keyThumbprint = `sha256:${'7'.repeat(64)}`;
  const bound = (subject: string, source: CallerSource, more: Partial<Caller> = {}): Promise<BoundManifest | null> =>
    bindManifest(binding, { subject, source, ...more });
  const told = async (...caller: Parameters<typeof bound>): Promise<unknown> => {
    const { agent_id, subject_source, agent_key_thumbprint } = (await bound(...caller))?.identity ?? {};
    return agent_id === undefined ? null : [agent_id, subject_source, agent_key_thumbprint];
  };
  const [one, two] = [spiffeOf('one'), spiffeOf('two')];
  assert.deepEqual(await told(two, 'svid', { keyThumbprint }), [two, 'svid', keyThumbprint]);
  assert.deepEqual(await told(two, 'svid'), [two, 'svid', undefined]);
  assert.deepEqual(await told(two, 'jwt-svid', { keyThumbprint }), [two, 'config', undefined], 'no handshake, no key');
  assert.deepEqual(await told('one', 'bearer'), [one, 'config', undefined]);
  assert.deepEqual(await told(two, 'bearer'), [two, 'config', undefined], 'the configuration calls an agent so');
  assert.equal(await told(two, 'oauth'), null, 'an authorization server names no agents of the trust domain');
  assert.equal(await told('one', 'svid'), null, 'what a certificate says is not mapped');
  assert.equal(await told('two', 'bearer'), null);
  assert.deepEqual(refusals, []);
  await assert.rejects(bindManifest({ ...binding, mode: 'silent' }, { subject: one, source: 'svid' }), {
    code: 'MANIFEST_REFUSED',
  });
  assert.deepEqual(Object.keys(refusals[0] ?? {}), ['manifest_id', 'check']);
});
