import assert from 'node:assert/strict';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { StartedGateway } from '@cmcp/gateway';
import { verify } from '../packages/evidence/src/index.ts';
import { callMeta, endSession, refused } from './support/calls.ts';
import { ALLOW_ALL, type TestSetup, withBed } from './support/gateway.ts';
import { ManualTime } from './support/manual-time.ts';
import { closedFile, pins, sessionFile } from './support/session-files.ts';

const setup = (granularity: string): TestSetup => ({
  tools: [{ name: 'echo' }, { name: 'publish' }],
  policies: { ...ALLOW_ALL, 'forbid.cedar': 'forbid (principal, action == Action::"publish", resource);' },
  config: `claim: ${granularity}`,
});

const folderOf = (started: StartedGateway, session: string): string => join(started.sessionsFolder, session, 'claims');
const claimsOf = (started: StartedGateway, session: string): Promise<string[]> =>
  readdir(folderOf(started, session)).catch(() => []);

for (const durability of ['strict', 'batched']) {
  test(`with \`claim: call\` each reply names a claim that covers its entry, and verifies: ${durability}`, () =>
    withBed({ ...setup('call'), config: `claim: call\naudit: { durability: ${durability} }` }, async (bed) => {
      const { started, url } = await bed.start();
      const client = await bed.client(url);
      const first = callMeta(await client.callTool({ name: 'echo', arguments: {} }));
      const denied = (await refused(client.callTool({ name: 'publish', arguments: {} }))).data['io.cmcp/call'];
      const together = await Promise.all([1, 2, 3].map(() => client.callTool({ name: 'echo', arguments: {} })));
      const replies = [first, denied as typeof first, ...together.map(callMeta)] as (typeof first & {
        claim: number;
      })[];
      const folder = folderOf(started, first.session_id);
      for (const { claim, call_id } of replies) {
        const text = await readFile(join(folder, `${claim}.cmcp.json`), 'utf8');
        const report = await verify(text, { ...pins(started), receipts: [{ call_id, session_id: first.session_id }] });
        assert.equal(report.verdict, 'verified', JSON.stringify(report.checks.filter((c) => c.outcome === 'failed')));
      }
      const last = replies.at(-1)?.claim ?? 0;
      await endSession(client);
      const { claim } = await sessionFile(started, first.session_id);
      assert.ok(claim.gateway.sequence_number > last, 'the claim at the end comes besides');
      const files = await claimsOf(started, first.session_id);
      assert.equal(files.length, new Set(replies.map((reply) => reply.claim)).size);
      assert.ok(files.length >= 3 && files.length <= 5, 'what is asked for together shares claims');
    }));
}

test('a claim whose copy cannot be written is made all the same, and operators learn of it', () =>
  withBed(setup('call'), async (bed) => {
    const { started, url } = await bed.start();
    const client = await bed.client(url);
    const first = callMeta(await client.callTool({ name: 'echo', arguments: {} }));
    const folder = join(started.sessionsFolder, first.session_id);
    await rm(folder, { recursive: true });
    await writeFile(folder, 'in the way');
    const second = callMeta(await client.callTool({ name: 'echo', arguments: {} })) as { claim?: number };
    assert.equal(typeof second.claim, 'number');
    await bed.reported('AUDIT_UNAVAILABLE');
  }));

test('with `claim: interval` a session in use gets one at each interval, one that is not gets none; by default there is none', async () => {
  await withBed(setup('{ granularity: interval, interval: 5m }'), async (bed) => {
    const time = new ManualTime();
    const { started, url } = await bed.start({ clock: time, timers: time });
    const client = await bed.client(url);
    const call = async () => callMeta(await client.callTool({ name: 'echo', arguments: {} }));
    const { session_id, ...rest } = await call();
    assert.equal(Object.hasOwn(rest, 'claim'), false);
    const when = async (count: number) => {
      while ((await claimsOf(started, session_id)).length < count) await new Promise(setImmediate);
    };
    time.advance(5 * 60_000);
    await when(1);
    // Nobody asked for anything.
    time.advance(5 * 60_000);
    await call();
    await call();
    time.advance(5 * 60_000);
    await when(2);
    await bed.stop();
    assert.equal((await claimsOf(started, session_id)).length, 2);
  });
  await withBed(setup('session'), async (bed) => {
    const { started, url } = await bed.start();
    const client = await bed.client(url);
    const { session_id } = callMeta(await client.callTool({ name: 'echo', arguments: {} }));
    await endSession(client);
    await closedFile(started, session_id);
    assert.deepEqual(await claimsOf(started, session_id), []);
  });
});
