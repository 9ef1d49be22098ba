import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { Gateway, loadConfig, readEnvironment } from '@cmcp/gateway';
import { callMeta, endSession } from './support/calls.ts';
import { TestBed } from './support/gateway.ts';
import { quietProcess } from './support/process.ts';
import { sessionFile } from './support/session-files.ts';

async function withBed(run: (bed: TestBed) => Promise<void>): Promise<void> {
  const bed = await TestBed.create({ tools: [{ name: 'echo' }] });
  try {
    await run(bed);
  } finally {
    await bed.close();
  }
}

test('without dev mode and without hardware nothing starts, and nothing is left behind', () =>
  withBed(async (bed) => {
    const { gateway, started } = await bed.start();
    await gateway.stop();
    await bed.writeConfig('data: ./production');
    const environment = readEnvironment({
      CMCP_POLICY_HASH: started.policyHash,
      CMCP_CATALOG_HASH: started.catalogHash,
    });
    const config = await loadConfig(bed.configFile, environment);
    const production = new Gateway(config, { environment, report: () => undefined, process: quietProcess() });
    await assert.rejects(production.start(), { code: 'ATTESTATION_UNAVAILABLE' });
    assert.equal(existsSync(join(bed.folder, 'production')), false);
  }));

test('every session commits to what governs it: policy, catalog, mode, configuration and the code that runs [W-11]', () =>
  withBed(async (bed) => {
    const { started, url } = await bed.start();
    const client = await bed.client(url);
    const { session_id } = callMeta(await client.callTool({ name: 'echo', arguments: {} }));
    await endSession(client);
    const { bundle } = await sessionFile(started, session_id);
    const { measurement, rules_hash, approvers_hash, egress_hash, ...detail } = bundle.entries[0]?.detail ?? {};
    for (const hash of [measurement, rules_hash, approvers_hash, egress_hash]) {
      assert.match(String(hash), /^sha256:[0-9a-f]{64}$/);
    }
    const config = await loadConfig(bed.configFile, readEnvironment({ CMCP_DEV_MODE: '1' }));
    assert.deepEqual(detail, {
      cmcp_v: 1,
      bundle_hash: started.policyHash,
      policy_version: '1.0.0',
      policy_key: 'none',
      catalog_hash: started.catalogHash,
      policy_approval: 'none',
      policy_overrides: 0,
      catalog_approval: 'none',
      catalog_overrides: 0,
      rules_version: 'built-in',
      mode: 'enforcing',
      config_hash: config.hash,
      agents_hash: config.agentsHash,
      operators_hash: config.operatorsHash,
      egress: 'no-children',
      launch_level: 'ML0',
      tls_spki: 'none',
      trust_level: 'software',
      key_origin: 'process',
      durability: 'strict',
      digests: 'salted',
      decision_recording: 'off',
      isolation: 'single_tenant',
      rollback_protection: 'none',
      exposure: 'public',
      previous_session: 'none',
      prev_claim_hash: 'none',
    });
  }));

test('the key of this run is published where the gateway says, and remembered for its user only where there is one', () =>
  withBed(async (bed) => {
    const { started } = await bed.start();
    const jwk = JSON.parse(await readFile(started.keyFile, 'utf8')) as Record<string, string>;
    assert.equal(jwk.x, started.publicKey);
    await bed.stop();
    const environment = readEnvironment({ CMCP_DEV_MODE: '1', XDG_CONFIG_HOME: join(bed.folder, 'home') });
    const config = await loadConfig(bed.configFile, environment);
    const gateway = new Gateway(config, { environment, report: () => undefined });
    const again = await gateway.start();
    await gateway.stop();
    const known = await readFile(join(bed.folder, 'home', 'cmcp', 'known_keys'), 'utf8');
    assert.equal(known.split(' ')[0], again.publicKey);
    assert.notEqual(again.publicKey, started.publicKey, 'a key lives in memory and goes with its process');
  }));
