import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import type { JsonObject } from '@cmcp/evidence';
import { createSigningKey, nameSuccessor, type SigningKey } from '@cmcp/gateway';
import { callMeta } from './support/calls.ts';
import { GatedLog } from './support/gated-log.ts';
import { type TestBed, withBed } from './support/gateway.ts';
import { sessionFile, verifyStored } from './support/session-files.ts';
import { inForce, pinned, putBundle, signer } from './support/signed-policy.ts';
import { WatchedStore } from './support/watched-store.ts';

const REVOKE = '/operator/v1/policy/revoke-key';
const SUCCEED = '/operator/v1/policy/succeed-key';
const ACTIVATE = '/operator/v1/policy/activate';

interface Keys {
  first: SigningKey;
  second: SigningKey;
  third: SigningKey;
}

/** A bed with version 1 in place, signed by the first of three keys, which is pinned. */
const onBed = (run: (bed: TestBed, keys: Keys) => Promise<void>): Promise<void> =>
  withBed({ tools: [{ name: 'echo' }] }, async (bed) => {
    const keys = {
      first: await signer(bed, 'first'),
      second: await signer(bed, 'second'),
      third: await signer(bed, 'third'),
    };
    await putBundle(bed, { version: '1', by: keys.first });
    await bed.writeConfig(pinned({ key: keys.first }));
    await run(bed, keys);
  });

/** The same, where a log was made to fail: its gateway says so when it stops. */
const outlived = (run: Parameters<typeof onBed>[0]): Promise<void> => {
  let over = false;
  const done = onBed(async (bed, keys) => {
    await run(bed, keys);
    over = true;
  });
  return done.catch((error: unknown) => {
    if (!over || !String(error).includes('AUDIT_UNAVAILABLE')) throw error;
  });
};

const T0 = '2026-06-04T00:00:00Z';
const T1 = '2026-06-05T00:00:00Z';

const revoke = (bed: TestBed, { keyId }: SigningKey, reason = 'stolen') =>
  bed.operator('POST', REVOKE, { key_id: keyId, reason });
const succeed = (bed: TestBed, by: SigningKey, next: SigningKey, at = T0) =>
  bed.operator('POST', SUCCEED, { statement: nameSuccessor(by, next.x, at, 'yearly change') });

/** The error code that an activation ends in, or the version that is in force then. */
async function activated(bed: TestBed): Promise<unknown> {
  const { body } = await bed.operator('POST', ACTIVATE);
  return body.error_code ?? body.version;
}

test('a revoked key puts nothing in force: not now, not after a restart, not when files are gone [D-16]', () =>
  onBed(async (bed, { first, second }) => {
    const { gateway, started, url } = await bed.start();
    const client = await bed.client(url);
    const revoked = await revoke(bed, first);
    const said = { key_id: first.keyId, known: true, signs_what_is_in_force: true, key_in_force: null };
    assert.deepEqual([revoked.status, revoked.body], [200, said]);
    await putBundle(bed, { version: '2', by: first });
    assert.equal(await activated(bed), 'POLICY_KEY_REVOKED');
    await assert.rejects(gateway.reload(), { code: 'POLICY_KEY_REVOKED' });
    const { session_id } = callMeta(await client.callTool({ name: 'echo', arguments: {} }));
    assert.deepEqual([(await inForce(bed)).version, (await inForce(bed)).policy_key], ['1', first.keyId]);
    await gateway.stop();
    assert.equal((await verifyStored(started, session_id)).verdict, 'verified');
    const { bundle } = await sessionFile(started, started.gatewaySession);
    const entry = bundle.entries.find(({ action }) => action === 'operator.policy_revoke_key');
    assert.deepEqual([entry?.caller, entry?.detail], ['op', { key_id: first.keyId, reason: 'stolen' }]);
    assert.equal((await verifyStored(started, started.gatewaySession)).verdict, 'verified');
    await rm(join(bed.folder, 'first.jwk'));
    await rm(join(bed.dataDir, 'sessions'), { recursive: true });
    for (const version of ['1', '2']) {
      await putBundle(bed, { version, by: first });
      await assert.rejects(bed.start(), { code: 'POLICY_KEY_REVOKED' });
    }
    // What does not depend on the key's word does: another key, pinned by whoever writes the configuration.
    await bed.writeConfig(pinned({ key: second }));
    await assert.rejects(bed.start(), { code: 'POLICY_SIGNATURE_INVALID' });
    await putBundle(bed, { version: '0.9', by: second });
    await assert.rejects(bed.start(), { code: 'POLICY_VERSION_OLD' }, 'the floor is that of the store, not of a key');
    await putBundle(bed, { version: '2', by: second });
    await (await bed.start()).gateway.stop();
    await bed.writeConfig(pinned({ key: first }));
    await putBundle(bed, { version: '3', by: first });
    await assert.rejects(bed.start(), { code: 'POLICY_KEY_REVOKED' });
  }));

test('a successor signs once the key that named it is revoked, not before, and after any restart [D-16]', () =>
  onBed(async (bed, { first, second }) => {
    const { gateway, started } = await bed.start();
    const named = await succeed(bed, first, second);
    const ids = { current_key_id: first.keyId, successor_key_id: second.keyId };
    assert.deepEqual([named.status, named.body], [200, { ...ids, issued_at: T0, reason: 'yearly change' }]);
    await putBundle(bed, { version: '2', by: second });
    assert.equal(await activated(bed), 'POLICY_SIGNATURE_INVALID');
    assert.ok(bed.reports.some((line) => line.includes('signed by the successor')));
    await gateway.stop();
    await assert.rejects(bed.start(), { code: 'POLICY_SIGNATURE_INVALID' });
    await putBundle(bed, { version: '1', by: first });
    const again = await bed.start();
    assert.equal((await revoke(bed, first)).body.key_in_force, second.keyId);
    await putBundle(bed, { version: '2', by: first });
    assert.equal(await activated(bed), 'POLICY_KEY_REVOKED');
    await putBundle(bed, { version: '2', by: second });
    assert.equal(await activated(bed), '2');
    const { keys, policy_key } = await inForce(bed);
    assert.deepEqual(
      [keys, policy_key],
      [{ in_force: second.keyId, successor: null, revoked: [first.keyId] }, second.keyId],
    );
    await again.gateway.stop();
    const last = await bed.start();
    assert.equal((await inForce(bed)).policy_key, second.keyId, 'the configuration still pins the first');
    await last.gateway.stop();
    const { bundle } = await sessionFile(started, started.gatewaySession);
    const entry = bundle.entries.find(({ action }) => action === 'operator.policy_succeed_key');
    assert.deepEqual([entry?.caller, entry?.detail], ['op', { ...ids, issued_at: T0, reason: 'yearly change' }]);
  }));

test('a key that is revoked while its bundle is put in force is revoked, and there is no way back from the bundle', () =>
  onBed(async (bed, { first, second }) => {
    const log = new GatedLog();
    const { gateway } = await bed.start({ openLog: log.openLog });
    const hash = await putBundle(bed, { version: '2', by: first });
    await succeed(bed, first, second);
    const entering = log.hold('append');
    const reloading = gateway.reload();
    await entering.reached;
    const revoking = revoke(bed, first);
    // Answered after it came: by then the revocation was asked for.
    await bed.operator('GET', '/operator/v1/sessions');
    entering.letGo();
    await Promise.all([reloading, revoking]);
    const { keys, newest } = await inForce(bed);
    assert.deepEqual((keys as JsonObject).revoked, [first.keyId]);
    assert.deepEqual(newest, { version: '2', bundle_hash: hash });
  }));

test('what was answered outlives a killed process: revocation and newest version [D-15] [D-16]', () =>
  outlived(async (bed, { first, second }) => {
    const store = new WatchedStore([]);
    const { gateway } = await bed.start({ openLog: store.openLog });
    await succeed(bed, first, second);
    await putBundle(bed, { version: '2', by: first });
    await gateway.reload();
    await revoke(bed, first);
    await store.crash();
    await assert.rejects(gateway.stop(), { code: 'AUDIT_UNAVAILABLE' });
    await assert.rejects(bed.start(), { code: 'POLICY_KEY_REVOKED' });
    await putBundle(bed, { version: '1.9', by: second });
    await assert.rejects(bed.start(), { code: 'POLICY_VERSION_OLD' });
    await putBundle(bed, { version: '2.1', by: second });
    await bed.start();
    assert.equal((await inForce(bed)).policy_key, second.keyId);
  }));

test('the same bundle, signed anew by the successor, is in force under its name', () =>
  onBed(async (bed, { first, second }) => {
    const { gateway } = await bed.start();
    await succeed(bed, first, second);
    await revoke(bed, first);
    const hash = await putBundle(bed, { version: '1', by: second });
    const activation = await gateway.reload();
    assert.deepEqual(activation, { activated: true, bundle_hash: hash, version: '1', policy_key: second.keyId });
    assert.equal((await gateway.reload()).activated, false);
  }));

test('who may not name a successor, and what is no statement [D-16]', () =>
  onBed(async (bed, { first, second, third }) => {
    await bed.start();
    const good = nameSuccessor(first, second.x, T0, 'yearly change');
    const { signature, ...unsigned } = good;
    const refused: [JsonObject | string | null, string][] = [
      [unsigned, 'POLICY_SIGNATURE_INVALID'],
      [{ ...good, reason: 'another' }, 'POLICY_SIGNATURE_INVALID'],
      [{ ...nameSuccessor(second, third.x, T0, 'x'), current_key_id: first.keyId }, 'POLICY_SIGNATURE_INVALID'],
      [nameSuccessor(second, third.x, T0, 'not in force'), 'INVALID_PARAMS'],
      [nameSuccessor(first, first.x, T0, 'itself'), 'INVALID_PARAMS'],
      [nameSuccessor(first, second.x, 'yesterday', 'x'), 'INVALID_PARAMS'],
      [nameSuccessor(first, second.x, T0, 'na\u00efve'), 'INVALID_PARAMS'],
      [{ ...good, type: 'cmcp-policy-bundle-v1' }, 'INVALID_PARAMS'],
      [{ ...good, successor: { kty: 'OKP', crv: 'Ed25519', x: 'AA' } }, 'INVALID_PARAMS'],
      [{ ...good, also: 1 }, 'INVALID_PARAMS'],
      ['text', 'INVALID_PARAMS'],
      [null, 'INVALID_PARAMS'],
    ];
    for (const [statement, code] of refused)
      assert.equal(
        (await bed.operator('POST', SUCCEED, { statement })).body.error_code,
        code,
        JSON.stringify(statement),
      );
    assert.equal((await inForce(bed)).keys && ((await inForce(bed)).keys as JsonObject).successor, null);
    assert.equal((await succeed(bed, first, second, T1)).status, 200);
    assert.equal((await succeed(bed, first, third, T0)).body.error_code, 'INVALID_PARAMS', 'an earlier one comes late');
    assert.equal((await succeed(bed, first, third, T1)).body.error_code, 'INVALID_PARAMS', 'and none comes twice');
    await revoke(bed, first);
    assert.equal((await succeed(bed, first, third, '2027-01-01T00:00:00Z')).body.error_code, 'POLICY_KEY_REVOKED');
    assert.equal((await succeed(bed, second, first)).body.error_code, 'POLICY_KEY_REVOKED', 'there is no way back');
    assert.equal((await succeed(bed, second, third)).status, 200);
    await revoke(bed, second);
    await putBundle(bed, { version: '2', by: third });
    assert.equal(await activated(bed), '2', 'a successor has successors');
  }));

test('a successor that is revoked before its time does not come into force; another may be named', () =>
  onBed(async (bed, { first, second, third }) => {
    await bed.start();
    await succeed(bed, first, second);
    await revoke(bed, second);
    await revoke(bed, second, 'asked twice');
    await succeed(bed, first, third, T1);
    await revoke(bed, first);
    await putBundle(bed, { version: '2', by: second });
    assert.equal(await activated(bed), 'POLICY_KEY_REVOKED');
    await putBundle(bed, { version: '2', by: third });
    assert.equal(await activated(bed), '2');
  }));

test('revoking takes a key id and a reason, says when the key is none in use, and no agent may do it [D-51]', () =>
  onBed(async (bed, { first, second }) => {
    await bed.start();
    for (const body of [{ key_id: first.keyId }, { key_id: 'x', reason: 'y' }, { key_id: first.keyId, reason: '' }])
      assert.equal((await bed.operator('POST', REVOKE, body)).body.error_code, 'INVALID_PARAMS');
    const body = { key_id: first.keyId, reason: 'x' };
    assert.equal((await bed.operator('POST', REVOKE, body, 'agent-token-of-the-tests')).status, 403);
    assert.equal((await revoke(bed, second)).body.known, false);
    assert.equal((await inForce(bed)).policy_key, first.keyId);
    await putBundle(bed, { version: '2', by: first });
    assert.equal(await activated(bed), '2');
  }));

test('what a gateway of the data folder revoked is revoked for those that clients spawn from it [D-16]', () =>
  onBed(async (bed, { first }) => {
    const { gateway } = await bed.start();
    await revoke(bed, first);
    await gateway.stop();
    const spawned = await bed.gateway();
    const nothing = new PassThrough();
    nothing.end();
    await assert.rejects(
      spawned.serveStdio(nothing, new PassThrough(), () => undefined),
      { code: 'POLICY_KEY_REVOKED' },
    );
    edit(bed, `UPDATE standings SET body = '{}'`);
    const other = await bed.gateway();
    await assert.rejects(
      other.serveStdio(nothing, new PassThrough(), () => undefined),
      { code: 'STORE_INVALID' },
    );
    edit(bed, 'DROP TABLE standings', 'PRAGMA user_version = 2');
    const last = await bed.gateway();
    const started: string[] = [];
    await last.serveStdio(nothing, new PassThrough(), ({ policyHash }) => started.push(policyHash));
    assert.equal(started.length, 1, 'a store of an older version revoked nothing');
  }));

test('what a store remembers of keys cannot be edited without its key, and one of an older version learns to [D-16]', () =>
  onBed(async (bed, { first }) => {
    const { gateway } = await bed.start();
    await revoke(bed, first);
    await gateway.stop();
    edit(bed, `UPDATE standings SET body = replace(body, '${first.keyId}', '${first.keyId.toLowerCase()}')`);
    await assert.rejects(bed.start(), { code: 'STORE_INVALID' });
    edit(bed, 'DROP TABLE standings', 'PRAGMA user_version = 2');
    await bed.start();
    await revoke(bed, first);
    assert.equal(((await inForce(bed)).keys as JsonObject).in_force, null);
  }));

function edit(bed: TestBed, ...statements: string[]): void {
  const db = new DatabaseSync(join(bed.dataDir, 'audit.db'));
  for (const statement of statements) db.exec(statement);
  db.close();
}

test('without a pinned key nothing is signed for: keys have no successors then', () =>
  withBed({ tools: [{ name: 'echo' }] }, async (bed) => {
    await bed.start();
    const [one, other] = [await signer(bed, 'one'), await signer(bed, 'other')];
    assert.equal((await succeed(bed, one, other)).body.error_code, 'INVALID_PARAMS');
    await assert.rejects(createSigningKey(join(bed.folder, 'one.jwk')), { code: 'OUTPUT_EXISTS' });
    assert.equal((await inForce(bed)).policy_key, 'none');
  }));
