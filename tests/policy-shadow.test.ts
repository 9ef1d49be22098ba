import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SigningKey } from '@cmcp/gateway';
import { callMeta, refused } from './support/calls.ts';
import { type TestBed, withBed } from './support/gateway.ts';
import { sessionFile } from './support/session-files.ts';
import { inForce, pinned, putBundle, signer } from './support/signed-policy.ts';

const SHADOW = '/operator/v1/policy/shadow';
const STOP = `${SHADOW}/stop`;
const ACTIVATE = '/operator/v1/policy/activate';

const OTHER = { name: 'other', inputSchema: { type: 'object', properties: { secret: { type: 'string' } } } };

const STRICTER = {
  'stricter.cedar': `
@id("no-other") forbid (principal, action == Action::"other", resource);
@id("no-answers") forbid (principal, action == Action::"echo", resource) when { context has response };
@id("broken") forbid (principal, action == Action::"third", resource) when { 9223372036854775807 + context.session.in_flight + 1 > 0 };
`,
};

/** A bed with version 1 in place, signed by the key that is pinned. */
async function staged(run: (bed: TestBed, key: SigningKey) => Promise<void>): Promise<void> {
  await withBed({ tools: [{ name: 'echo' }, OTHER, { name: 'third' }] }, async (bed) => {
    const key = await signer(bed);
    await putBundle(bed, { version: '1', by: key });
    await bed.writeConfig(pinned({ key }));
    await run(bed, key);
  });
}

async function gatewayEntries(started: Parameters<typeof sessionFile>[0]) {
  const { bundle } = await sessionFile(started, started.gatewaySession);
  return bundle.entries.filter(({ action }) => action?.startsWith('policy.shadow'));
}

test('a bundle on trial decides both stages without effect, its differences are told, and then it is activated', () =>
  staged(async (bed, key) => {
    const { gateway, started, url } = await bed.start();
    const client = await bed.client(url);
    const call = (name: string) => client.callTool({ name, arguments: {} });
    const hash = await putBundle(bed, { version: '2', by: key, files: STRICTER });
    const names = { bundle_hash: hash, version: '2', policy_key: key.keyId };
    const none = { compared: 0, differing: 0, dropped: 0, failed: 0, halted: false, differences: [] };
    const begun = await bed.operator('POST', SHADOW);
    assert.deepEqual([begun.status, begun.body], [200, { running: true, ...names, ...none }]);
    const first = callMeta(await call('other'));
    await call('other');
    const echoed = callMeta(await call('echo'));
    const third = callMeta(await call('third'));
    assert.equal(third.session_id, first.session_id, 'nothing was activated');
    const { body } = await bed.operator('GET', SHADOW);
    const row = (name: string, stage: string, count: number, to: string, after: string, id: string) => ({
      ...{ action: 'call_tool', name, stage, from: 'allow', to, count },
      ...{ policies_before: ['policy0'], policies_after: [after], first_call_id: id },
    });
    const { differences, ...counts } = body as { differences: { name: string; stage: string }[] };
    const by = (a: { name: string; stage: string }) => `${a.name} ${a.stage}`;
    assert.deepEqual(
      differences.toSorted((a, b) => (by(a) < by(b) ? -1 : 1)),
      [
        row('echo', 'egress', 1, 'deny', 'no-answers', echoed.call_id),
        row('other', 'egress', 2, 'deny', 'no-other', first.call_id),
        row('other', 'ingress', 2, 'deny', 'no-other', first.call_id),
        row('third', 'egress', 1, 'error', 'broken', third.call_id),
        row('third', 'ingress', 1, 'error', 'broken', third.call_id),
      ],
    );
    const all = { compared: 8, differing: 7, dropped: 0, failed: 0 };
    assert.deepEqual(counts, { running: true, ...names, ...all, halted: false });
    assert.equal((await bed.operator('POST', ACTIVATE)).body.bundle_hash, hash);
    assert.equal((await refused(call('other'))).data.error_code, 'POLICY_DENY');
    assert.deepEqual((await bed.operator('GET', SHADOW)).body, { running: false });
    await gateway.stop();
    assert.deepEqual(
      (await gatewayEntries(started)).map(({ action, caller, detail }) => [action, caller, detail]),
      [
        ['policy.shadow_started', 'op', names],
        ['policy.shadow_stopped', 'op', { ...names, ...all, halted: 0, reason: 'activated' }],
      ],
    );
  }));

test('what could not be activated is not tried either; a trial can be stopped, replaced, and ends with the gateway', () =>
  staged(async (bed, key) => {
    const { gateway, started } = await bed.start();
    assert.deepEqual((await bed.operator('POST', STOP)).body, { running: false });
    await putBundle(bed, { version: '2', by: null });
    assert.equal((await bed.operator('POST', SHADOW)).body.error_code, 'POLICY_SIGNATURE_INVALID');
    await putBundle(bed, { version: '0.9', by: key });
    assert.equal((await bed.operator('POST', SHADOW)).body.error_code, 'POLICY_VERSION_OLD');
    assert.deepEqual((await inForce(bed)).shadow, { running: false });
    await putBundle(bed, { version: '2', by: key });
    await bed.operator('POST', SHADOW);
    await putBundle(bed, { version: '3', by: key });
    assert.equal((await bed.operator('POST', SHADOW)).body.version, '3');
    const stopped = await bed.operator('POST', STOP);
    assert.deepEqual([stopped.body.running, stopped.body.version], [false, '3']);
    await bed.operator('POST', SHADOW);
    assert.equal((await bed.operator('DELETE', SHADOW)).status, 405);
    await gateway.stop();
    const { bundle } = await sessionFile(started, started.gatewaySession);
    const refusals = bundle.entries.filter(({ action }) => action === 'policy.refused');
    assert.deepEqual(
      refusals.map(({ caller, detail }) => [caller, detail?.error_code]),
      [
        ['op', 'POLICY_SIGNATURE_INVALID'],
        ['op', 'POLICY_VERSION_OLD'],
      ],
    );
    const ends = (await gatewayEntries(started)).map(({ action, detail }) => [action, detail?.version, detail?.reason]);
    assert.deepEqual(ends, [
      ['policy.shadow_started', '2', undefined],
      ['policy.shadow_stopped', '2', 'replaced'],
      ['policy.shadow_started', '3', undefined],
      ['policy.shadow_stopped', '3', 'stopped'],
      ['policy.shadow_started', '3', undefined],
      ['policy.shadow_stopped', '3', 'shutdown'],
    ]);
  }));

test('a trial that takes too long ends itself, and calls go on; nothing of what was sent is told', () =>
  staged(async (bed, key) => {
    let now = 0;
    const slow = () => {
      now += 2_000;
      return now;
    };
    const { url } = await bed.start({ monotonic: slow });
    const client = await bed.client(url);
    await putBundle(bed, { version: '2', by: key, files: STRICTER });
    await bed.operator('POST', SHADOW);
    for (let calls = 0; calls < 3; calls += 1)
      assert.ok(await client.callTool({ name: 'other', arguments: { secret: 'in the payload' } }));
    const { body } = await bed.operator('GET', SHADOW);
    assert.deepEqual([body.compared, body.halted], [1, true]);
    assert.match(JSON.stringify(body), /no-other/);
    assert.doesNotMatch(JSON.stringify(body), /in the payload/);
  }));
