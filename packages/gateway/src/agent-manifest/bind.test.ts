import assert from 'node:assert/strict';
import { test } from 'node:test';
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
import { ed25519Signer } from '../../../evidence/src/testing/manifest.ts';
import type { Caller, CallerSource } from '../caller.ts';
import { loadCatalog } from '../catalog/load.ts';
import { loadConfig, readEnvironment } from '../index.ts';
import { sensitivityRanks } from '../policy/sensitivity.ts';
import { type Binding, type BoundManifest, bindManifest } from './bind.ts';
import { loadManifests } from './load.ts';

test('an agent is who its SVID says, whom its token of the trust domain names, or whom the configuration maps; never another [D-45]', async (t) => {
  const signer = await ed25519Signer();
  const bed = await TestBed.create({ tools: [{ name: 'echo' }], config: manifestConfig(['one']) });
  t.after(() => bed.close());
  const { folder } = bed;
  for (const name of ['one', 'two']) await issue(folder, name, await fitting(folder, name), signer);
  await writeAnchors(folder, [[signer]]);
  const config = await loadConfig(bed.configFile, readEnvironment({ CMCP_DEV_MODE: '1' }));
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
