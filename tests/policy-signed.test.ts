import assert from 'node:assert/strict';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { bundleSignaturePreimage } from '@cmcp/evidence';
import { loadBundle } from '@cmcp/gateway';
import { callMeta } from './support/calls.ts';
import { type TestBed, withBed } from './support/gateway.ts';
import { sessionFile, verifyStored } from './support/session-files.ts';
import { inForce, pinned, putBundle, signer } from './support/signed-policy.ts';

const TOOLS = { tools: [{ name: 'echo' }] };
const onBed = (run: (bed: TestBed) => Promise<void>): Promise<void> => withBed(TOOLS, run);

test('a refused reload changes nothing, is entered, and the disk is not asked again by calls [D-15]', () =>
  onBed(async (bed) => {
    const key = await signer(bed);
    const hash = await putBundle(bed, { version: '1.0', by: key });
    await bed.writeConfig(pinned({ key }));
    const { gateway, started, url } = await bed.start();
    const client = await bed.client(url);
    const echo = async () => callMeta(await client.callTool({ name: 'echo', arguments: {} }));
    const { session_id } = await echo();
    await putBundle(bed, { version: '1.1', by: key });
    await writeFile(join(bed.folder, 'policy', 'more.cedar'), '// not signed');
    await assert.rejects(gateway.reload(), { code: 'POLICY_SIGNATURE_INVALID' });
    assert.ok(bed.reports.some((line) => line.startsWith('policy.refused POLICY_SIGNATURE_INVALID')));
    await rm(join(bed.folder, 'policy'), { recursive: true });
    await rm(join(bed.folder, 'catalog.json'));
    for (let calls = 0; calls < 3; calls += 1) assert.equal((await echo()).session_id, session_id);
    assert.equal((await inForce(bed)).bundle_hash, hash);
    await gateway.stop();
    const { bundle } = await sessionFile(started, started.gatewaySession);
    const refused = bundle.entries.filter((entry) => entry.action === 'policy.refused');
    assert.deepEqual(
      refused.map((entry) => entry.detail),
      [{ error_code: 'POLICY_SIGNATURE_INVALID' }],
    );
    assert.equal((await verifyStored(started, session_id)).verdict, 'verified');
  }));

test('sessions and activations name version and key of the bundle; there is no way back to an older one [D-15]', () =>
  onBed(async (bed) => {
    const key = await signer(bed);
    const hash = await putBundle(bed, { version: '1.9', by: key });
    await bed.writeConfig(pinned({ hash, key }));
    const { gateway, started, url } = await bed.start();
    const client = await bed.client(url);
    const newer = await putBundle(bed, { version: '1.10', by: key });
    const answer = await bed.operator('POST', '/operator/v1/policy/activate', { bundle_hash: newer });
    const told = { activated: true, bundle_hash: newer, version: '1.10', policy_key: key.keyId };
    assert.deepEqual([answer.status, answer.body], [200, told]);
    const { session_id } = callMeta(await client.callTool({ name: 'echo', arguments: {} }));
    await gateway.stop();
    const detail = (await sessionFile(started, session_id)).bundle.entries[0]?.detail;
    assert.deepEqual([detail?.bundle_hash, detail?.policy_version, detail?.policy_key], [newer, '1.10', key.keyId]);
    const { bundle } = await sessionFile(started, started.gatewaySession);
    const loads = bundle.entries.filter((entry) => entry.entry_type === 'policy_load').map((entry) => entry.detail);
    const common = { policy_key: key.keyId, request: 'native', approval: 'none' };
    assert.deepEqual(loads, [
      { bundle_hash: hash, version: '1.9', ...common },
      { bundle_hash: newer, version: '1.10', ...common },
    ]);
    const asked = bundle.entries.find((entry) => entry.action === 'operator.policy_activate');
    assert.deepEqual([asked?.caller, asked?.detail], ['op', { expected: newer }]);
    const again = await bed.start();
    assert.equal(again.started.policyHash, newer, 'the hash that is pinned is older, and the newer one survives');
    await again.gateway.stop();
    // Neither the pinned hash nor the bundle's file brings it back.
    await putBundle(bed, { version: '1.9', by: key });
    await assert.rejects(bed.start(), { code: 'POLICY_VERSION_OLD' });
    await bed.writeConfig(pinned({ key }));
    await assert.rejects(bed.start(), { code: 'POLICY_VERSION_OLD' });
  }));

test('a hash that is pinned later asks for its own bundle, or a newer one than before [D-15]', () =>
  onBed(async (bed) => {
    const key = await signer(bed);
    const later = await putBundle(bed, { version: '3', by: key });
    await putBundle(bed, { version: '2', by: key });
    await bed.writeConfig(pinned({ key }));
    await (await bed.start()).gateway.stop();
    await bed.writeConfig(pinned({ key, hash: later }));
    await assert.rejects(bed.start(), { code: 'POLICY_HASH_MISMATCH' });
    await putBundle(bed, { version: '3', by: key });
    assert.equal((await bed.start()).started.policyHash, later);
  }));

test('with a key, a version that cannot be compared is refused; operators can name the bundle that they mean', () =>
  onBed(async (bed) => {
    const key = await signer(bed);
    await putBundle(bed, { version: '1', by: key });
    await bed.writeConfig(pinned({ key }));
    const { gateway } = await bed.start();
    const hash = await putBundle(bed, { version: '2', by: key });
    const other = `sha256:${'0'.repeat(64)}`;
    const path = '/operator/v1/policy/activate';
    const refused = await bed.operator('POST', path, { bundle_hash: other });
    assert.deepEqual([refused.status, refused.body.error_code], [409, 'POLICY_HASH_MISMATCH']);
    for (const body of [{ bundle_hash: 'x' }, { hash }, []])
      assert.equal((await bed.operator('POST', path, body)).body.error_code, 'INVALID_PARAMS');
    assert.equal((await bed.operator('GET', path)).body.error_code, 'METHOD_NOT_ALLOWED');
    assert.equal((await bed.operator('POST', '/operator/v1/policy/other')).body.error_code, 'ROUTE_NOT_FOUND');
    assert.equal((await bed.operator('POST', path, undefined, 'agent-token-of-the-tests')).status, 403);
    const activated = await bed.operator('POST', path);
    assert.equal(activated.body.bundle_hash, hash);
    const unchanged = await bed.operator('POST', path, {});
    assert.deepEqual([unchanged.status, unchanged.body.activated], [200, false]);
    await gateway.stop();
    await assert.rejects(putBundle(bed, { version: '3-beta', by: key }), { code: 'POLICY_INVALID' });
    // Signed by other means.
    const manifest = join(bed.folder, 'policy', 'manifest.json');
    const unordered = (await loadBundle(join(bed.folder, 'policy'))).hash;
    const signature = key.sign(bundleSignaturePreimage(unordered));
    await writeFile(manifest, JSON.stringify({ ...JSON.parse(await readFile(manifest, 'utf8')), signature }));
    await assert.rejects(bed.start(), { code: 'POLICY_INVALID' });
  }));

test('another catalog under the same signed bundle is an activation', () =>
  onBed(async (bed) => {
    const key = await signer(bed);
    await putBundle(bed, { version: '1', by: key });
    await bed.writeConfig(pinned({ key }));
    const { gateway } = await bed.start();
    await bed.writeCatalog([{ name: 'echo', description: 'another' }]);
    assert.equal((await gateway.reload()).activated, true);
  }));

test('what is activated without a key leaves no floor, and needs no version that can be compared', () =>
  onBed(async (bed) => {
    const hash = await putBundle(bed, { version: 'nine', by: null });
    await bed.writeConfig(pinned({ hash }));
    for (let starts = 0; starts < 2; starts += 1) await (await bed.start()).gateway.stop();
    const key = await signer(bed);
    await putBundle(bed, { version: '1', by: key });
    await bed.writeConfig(pinned({ key }));
    await bed.start();
    assert.equal((await inForce(bed)).version, '1');
  }));
