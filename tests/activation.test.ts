import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Gateway, StartedGateway } from '@cmcp/gateway';
import type { Client } from '@modelcontextprotocol/client';
import { GatewayError } from '../packages/gateway/src/errors.ts';
import { callMeta, endSession, refused } from './support/calls.ts';
import { GatedLog } from './support/gated-log.ts';
import { ALLOW_ALL, OTHER_TOKEN, TestBed } from './support/gateway.ts';
import { text } from './support/scripted-server.ts';
import { callEntries, closedFile, sessionFile, verifyStored } from './support/session-files.ts';

const FORBID = {
  ...ALLOW_ALL,
  'forbid.cedar': 'forbid (principal, action == Action::"echo", resource);',
};

interface Scene {
  bed: TestBed;
  log: GatedLog;
  gateway: Gateway;
  started: StartedGateway;
  url: URL;
}

async function scene(run: (scene: Scene) => Promise<void>): Promise<void> {
  const bed = await TestBed.create({ tools: [{ name: 'echo' }, { name: 'other' }] });
  try {
    const log = new GatedLog();
    await run({ bed, log, ...(await bed.start({ openLog: log.openLog })) });
  } finally {
    await bed.close();
  }
}

const call = (client: Client, name: string) => client.callTool({ name, arguments: {} });

async function chainOf(started: StartedGateway) {
  return (await sessionFile(started, started.gatewaySession)).bundle.entries;
}

test('a call in flight is finished under the policy that it was decided by; the next one is decided by the new', () =>
  scene(async ({ bed, gateway, started, url }) => {
    const client = await bed.client(url);
    const second = await bed.client(url, OTHER_TOKEN);
    const idle = callMeta(await call(second, 'echo')).session_id;
    const reached = Promise.withResolvers<void>();
    const answer = Promise.withResolvers<Record<string, unknown>>();
    bed.server.answer = () => {
      reached.resolve();
      return answer.promise;
    };
    const inFlight = call(client, 'echo');
    await reached.promise;
    await bed.writePolicies(FORBID);
    const reloading = gateway.reload();
    await closedFile(started, idle);
    const denied = await refused(call(second, 'echo'));
    assert.equal(denied.data.error_code, 'POLICY_DENY', 'nobody waits for the call in flight');
    answer.resolve(text('late'));
    const { session_id } = callMeta(await inFlight);
    await reloading;
    assert.equal((await refused(call(client, 'echo'))).data.error_code, 'POLICY_DENY');
    const [entry] = await callEntries(started, session_id);
    assert.equal(entry?.policy_decision, 'allow');
    const { bundle } = await sessionFile(started, session_id);
    assert.equal(bundle.entries[0]?.detail?.bundle_hash, started.policyHash);
    assert.equal((await verifyStored(started, session_id)).verdict, 'verified');
  }));

test('each activation is in the chain of the gateway, by the hashes of what it put in force', () =>
  scene(async ({ bed, gateway, started, url }) => {
    await bed.writePolicies(FORBID);
    await gateway.reload();
    const client = await bed.client(url);
    const refusal = await refused(call(client, 'echo'));
    await gateway.stop();
    const loads = (await chainOf(started)).filter((entry) => entry.entry_type === 'policy_load');
    const { session_id } = refusal.data['io.cmcp/call'] as { session_id: string };
    const { bundle, claim } = await sessionFile(started, session_id);
    const { bundle_hash: activated } = bundle.entries[0]?.detail ?? {};
    assert.deepEqual(
      loads.map((entry) => entry.detail?.bundle_hash),
      [started.policyHash, activated],
    );
    assert.notEqual(activated, started.policyHash);
    assert.equal(claim.trace.policy.bundle_hash, activated);
    const catalogs = (await chainOf(started)).filter((entry) => entry.entry_type === 'catalog_load');
    assert.deepEqual(
      catalogs.map((entry) => [entry.detail?.catalog_hash, entry.detail?.form, entry.detail?.tools]),
      [
        [started.catalogHash, 'cmcp', 2],
        [started.catalogHash, 'cmcp', 2],
      ],
    );
  }));

test('an open session gets its successor by the activation itself; its servers are let go', () =>
  scene(async ({ bed, gateway, started, url }) => {
    const client = await bed.client(url);
    const { session_id } = callMeta(await call(client, 'echo'));
    await gateway.reload();
    assert.equal(bed.server.ended, 1, 'the connection of the old catalog is closed');
    const rows = (await bed.operator('GET', '/operator/v1/sessions')).body.sessions as Record<string, string>[];
    const open = rows.filter((row) => row.kind === 'session' && row.state === 'open');
    assert.deepEqual(
      open.map((row) => row.subject),
      ['agent'],
    );
    assert.equal(callMeta(await call(client, 'echo')).session_id, open[0]?.session_id);
    assert.equal((await sessionFile(started, session_id)).bundle.entries.at(-1)?.detail?.reason, 'activation');
  }));

test('a session that is being opened while another policy is activated is not left under the old one', () =>
  scene(async ({ bed, log, gateway, started, url }) => {
    const bystander = await bed.client(url, OTHER_TOKEN);
    const watched = callMeta(await call(bystander, 'echo')).session_id;
    const opening = log.hold('openSession');
    const connecting = bed.client(url);
    await opening.reached;
    await bed.writePolicies(FORBID);
    const closing = log.hold('closeSession');
    const reloading = gateway.reload();
    // The first session that is closed shows that the other policy is in force now.
    await closing.reached;
    closing.letGo();
    await closedFile(started, watched);
    opening.letGo();
    const client = await connecting;
    await reloading;
    assert.equal((await refused(call(client, 'echo'))).data.error_code, 'POLICY_DENY');
    assert.ok(await call(client, 'other'));
    const rows = (await bed.operator('GET', '/operator/v1/sessions')).body.sessions as Record<string, string>[];
    const old = rows.filter((row) => row.close_reason === 'activation');
    assert.equal(old.length, 2, 'the one that was being opened is closed too');
  }));

test('activations that are asked for together happen one after another, and the last one counts', () =>
  scene(async ({ bed, gateway, started, url }) => {
    const client = await bed.client(url);
    await call(client, 'echo');
    await bed.writePolicies(FORBID);
    await Promise.all([gateway.reload(), gateway.reload(), gateway.reload()]);
    assert.equal((await refused(call(client, 'echo'))).data.error_code, 'POLICY_DENY');
    assert.ok(await call(client, 'other'));
    await gateway.stop();
    const types = (await chainOf(started)).map((entry) => entry.entry_type).filter((type) => type.endsWith('_load'));
    const loads = ['policy_load', 'catalog_load'];
    assert.deepEqual(types, [...loads, ...loads, ...loads, ...loads]);
  }));

test('an activation that cannot be entered changes nothing, and the next one works', () =>
  scene(async ({ bed, log, gateway, url }) => {
    const client = await bed.client(url);
    const { session_id } = callMeta(await call(client, 'echo'));
    await bed.writePolicies(FORBID);
    log.failNext('append', new GatewayError('INTERNAL_ERROR', 'not now'));
    await assert.rejects(gateway.reload(), { code: 'INTERNAL_ERROR' });
    assert.equal(callMeta(await call(client, 'echo')).session_id, session_id);
    await gateway.reload();
    assert.equal((await refused(call(client, 'echo'))).data.error_code, 'POLICY_DENY');
  }));

test('a session that does not close well does not undo an activation; operators are told', () =>
  scene(async ({ bed, log, gateway, url }) => {
    const client = await bed.client(url);
    await call(client, 'echo');
    await bed.writePolicies(FORBID);
    log.failNext('closeSession', new GatewayError('AUDIT_UNAVAILABLE', 'the session file cannot be written'));
    await gateway.reload();
    assert.ok(bed.reports.some((line) => line.startsWith('AUDIT_UNAVAILABLE') && line.includes('session file')));
    assert.equal((await refused(call(client, 'echo'))).data.error_code, 'POLICY_DENY');
    assert.equal(bed.server.ended, 1, 'the old connections are closed all the same');
  }));

test('a gateway that is stopped during an activation finishes it first; afterwards there is none', () =>
  scene(async ({ bed, log, gateway, started, url }) => {
    const client = await bed.client(url);
    await call(client, 'echo');
    const entering = log.hold('append');
    const reloading = gateway.reload();
    await entering.reached;
    const stopping = gateway.stop();
    await assert.rejects(gateway.reload(), { code: 'SHUTTING_DOWN' });
    entering.letGo();
    await Promise.all([reloading, stopping]);
    assert.equal((await verifyStored(started, started.gatewaySession)).verdict, 'verified');
    const entries = await chainOf(started);
    assert.deepEqual(entries.filter((entry) => entry.entry_type === 'policy_load').length, 2);
  }));

test('what is not the pinned policy or catalog is not activated, and nothing starts with it', async () => {
  const bed = await TestBed.create({ tools: [{ name: 'echo' }] });
  try {
    const { gateway, started } = await bed.start();
    await gateway.stop();
    await bed.writeConfig(`policy: { path: ./policy, hash: ${started.policyHash} }`);
    const pinned = await bed.start();
    const client = await bed.client(pinned.url);
    await bed.writePolicies(FORBID);
    await assert.rejects(pinned.gateway.reload(), { code: 'POLICY_HASH_MISMATCH' });
    assert.ok(await call(client, 'echo'));
    await pinned.gateway.stop();
    await assert.rejects(bed.start(), { code: 'POLICY_HASH_MISMATCH' });
    await bed.writePolicies(ALLOW_ALL);
    await bed.writeConfig(`catalog: { path: ./catalog.json, hash: ${started.catalogHash} }`);
    await bed.writeCatalog([{ name: 'echo', description: 'another' }]);
    await assert.rejects(bed.start(), { code: 'CATALOG_HASH_MISMATCH' });
  } finally {
    await bed.close();
  }
});

test("each transport of a subject has a successor of its own; one that ends does not end another's session", () =>
  scene(async ({ bed, gateway, started, url }) => {
    const first = await bed.client(url);
    const second = await bed.client(url);
    const before = [callMeta(await call(first, 'echo')), callMeta(await call(second, 'echo'))];
    await gateway.reload();
    const after = [callMeta(await call(first, 'echo')), callMeta(await call(second, 'echo'))];
    const ids = [...before, ...after].map((meta) => meta.session_id);
    assert.equal(new Set(ids).size, 4, 'four sessions, none shared');
    await endSession(first);
    assert.equal((await verifyStored(started, ids[2] ?? '')).verdict, 'verified');
    assert.equal(callMeta(await call(second, 'echo')).session_id, ids[3]);
  }));

test('a transport that ends right after an activation ends its successor', () =>
  scene(async ({ bed, gateway, started, url }) => {
    const client = await bed.client(url);
    const { session_id } = callMeta(await call(client, 'echo'));
    await gateway.reload();
    const rows = (await bed.operator('GET', '/operator/v1/sessions')).body.sessions as Record<string, string>[];
    const successor = rows.find((row) => row.kind === 'session' && row.session_id !== session_id)?.session_id ?? '';
    await endSession(client);
    const { bundle } = await sessionFile(started, successor);
    assert.equal(bundle.entries.at(-1)?.detail?.reason, 'client');
    assert.equal(bundle.entries[0]?.detail?.previous_session, session_id);
  }));
