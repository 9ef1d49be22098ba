/** What ends a call's wait for an approval, or makes the approval useless when it comes. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ed25519Signer } from '../packages/evidence/src/testing/manifest.ts';
import {
  agentOf,
  callTool,
  fitting,
  issue,
  manifestConfig,
  writeAnchors,
  writeRevocations,
} from './support/agent-manifests.ts';
import { anyCaller, tokenOf } from './support/callers.ts';
import { type TestBed, withBed } from './support/gateway.ts';
import { ManualTime } from './support/manual-time.ts';
import { but, codeOf, type PeerSetup, withPeers } from './support/peer-bed.ts';
import { timed } from './support/timed-gateway.ts';
import { FAMILIES, type Values } from './support/wire.ts';

const forbid = (annotations: string): string =>
  `@id("waits") @aarm_decision("step_up") ${annotations} forbid (principal, action == Action::"pay", resource);`;

const PAY: PeerSetup = {
  servers: { main: { script: (peer) => peer.on('tools/call', () => ({ content: [] })) } },
  tools: { pay: {} },
};

/** The id of what is asked, once it is. */
async function asked(bed: TestBed): Promise<string> {
  for (;;) {
    const { items } = (await bed.operator('GET', '/operator/v1/approvals')).body as { items: Values[] };
    const open = items.find(({ state }) => state === 'open');
    if (open !== undefined) return String(open.id);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

const stop = (bed: TestBed) =>
  bed.operator('POST', '/operator/v1/blocks', { scope: 'agent', name: 'agent', reason: 'ticket 7' });

for (const family of FAMILIES) {
  test(`a call whose user is being asked waits no longer once its agent is stopped: ${family} [D-49]`, () =>
    withPeers({ ...PAY, policies: but(forbid('@via("user")')) }, async (bed) => {
      const agent = await bed.agent(family, { capabilities: { elicitation: { form: {} } } });
      const reached = Promise.withResolvers<void>();
      agent.answer = () => {
        reached.resolve();
        return new Promise<never>(() => {});
      };
      const call = { name: 'pay', arguments: {} };
      const first = agent.request('tools/call', call);
      const { requestState } = family === 'modern' ? ((await first).result ?? {}) : {};
      if (family === 'handshake') await reached.promise;
      assert.equal((await stop(bed.bed)).status, 200);
      const last = family === 'handshake' ? first : agent.request('tools/call', { ...call, requestState });
      assert.match(
        String((await last).error?.data?.error_code),
        family === 'handshake' ? /^BLOCKED$/ : /^INVALID_PARAMS$|^BLOCKED$/,
      );
      assert.deepEqual(bed.peer.sent('tools/call'), []);
    }));
}

test('a call does not wait longer than its credential lasts; what it asked may be answered, and is used with the next one', async () => {
  const time = new ManualTime();
  const deps = { identity: [anyCaller], ...timed(time), timers: time };
  await withPeers({ ...PAY, policies: but(forbid('@hold("5m")')), deps }, async (bed) => {
    const until = (ms: number) =>
      tokenOf({ subject: 'agent', source: 'oauth', expiresMicros: time.nowMicros() + ms * 1000 });
    const agent = await bed.agent('modern', { token: until(60_000) });
    const pay = () => agent.request('tools/call', { name: 'pay', arguments: {} });
    const pending = pay();
    const id = await asked(bed.bed);
    time.advance(60_000);
    assert.equal(codeOf(await pending), 'STEP_UP_REQUIRED');
    await bed.bed.operator('POST', `/operator/v1/approvals/${id}/grant`, { reason: 'checked' });
    agent.token = until(60_000);
    assert.equal((await pay()).error, undefined);
    assert.equal(bed.peer.sent('tools/call').length, 1);
  });
});

test('a call whose manifest is revoked while it waits does not go on, whoever approves it [D-45]', async () => {
  const issuer = await ed25519Signer();
  const policies = {
    'pay.cedar': `permit (principal, action in Action::"call_tool", resource);\n${forbid('@hold("5m")')}`,
  };
  const config = manifestConfig(['held'], { section: ', revocations: ./revoked.jsonl' });
  await withBed({ tools: [{ name: 'pay' }], policies, config }, async (bed) => {
    const { document } = await issue(bed.folder, 'held', await fitting(bed.folder, 'held'), issuer);
    await writeAnchors(bed.folder, [[issuer]]);
    await writeRevocations(bed.folder, [], issuer);
    const { url } = await bed.start(timed(new ManualTime()));
    const pending = callTool(agentOf(url, 'held'), 'pay');
    const id = await asked(bed);
    await writeRevocations(bed.folder, [String(document.manifest_id)], issuer);
    await bed.operator('POST', `/operator/v1/approvals/${id}/grant`, { reason: 'checked' });
    assert.equal(codeOf(await pending), 'MANIFEST_REFUSED');
    assert.equal(bed.server.calls.length, 0);
  });
});
