import assert from 'node:assert/strict';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import type { AuditEntry } from '@cmcp/evidence';
import type { StartedGateway } from '@cmcp/gateway';
import { callMeta, refused } from './support/calls.ts';
import { TestBed, type TestTool } from './support/gateway.ts';
import { ManualTime } from './support/manual-time.ts';
import { RpcFailure } from './support/scripted-server.ts';
import { sessionFile, verifyStored } from './support/session-files.ts';
import { WatchedStore } from './support/watched-store.ts';

const TOOLS: TestTool[] = [{ name: 'echo' }, { name: 'read', catalog: { effects: 'read' } }];

async function withBed(run: (bed: TestBed) => Promise<void>): Promise<void> {
  const bed = await TestBed.create({ tools: TOOLS });
  try {
    await run(bed);
  } finally {
    // A log that was made to fail cannot close its sessions: the gateway says so when it stops.
    await bed.close().catch((error: unknown) => assert.match(String(error), /AUDIT_UNAVAILABLE/));
  }
}

async function chain(started: StartedGateway): Promise<AuditEntry[]> {
  return (await sessionFile(started, started.gatewaySession)).bundle.entries;
}

const events = (entries: AuditEntry[], action: string): (AuditEntry['detail'] | undefined)[] =>
  entries.filter((entry) => entry.action === action).map((entry) => entry.detail);

test('what is counted is entered once a minute, in sum, and the rest when the gateway stops', () =>
  withBed(async (bed) => {
    const time = new ManualTime();
    const { gateway, started, url } = await bed.start({ clock: time, timers: time });
    const client = await bed.client(url);
    await client.listTools();
    await client.listTools();
    await assert.rejects(bed.client(url, 'no such token'));
    time.advance(61_000);
    await client.ping();
    time.advance(61_000);
    time.advance(61_000);
    await client.listTools();
    await gateway.stop();
    assert.deepEqual(events(await chain(started), 'counted'), [
      { initialized: 1, listed: 2, unauthenticated: 1 },
      { pinged: 1 },
      { listed: 1 },
    ]);
    assert.equal((await verifyStored(started, started.gatewaySession)).verdict, 'verified');
  }));

test('drift that first contact finds is in the chain of the gateway before anybody calls', () =>
  withBed(async (bed) => {
    const [echo, read] = bed.server.tools;
    bed.server.tools = [{ ...echo, title: 'Echo!' } as TestTool, read as TestTool];
    const { gateway, started } = await bed.start();
    await bed.reported('CATALOG_DRIFT');
    await gateway.stop();
    const drift = (await chain(started)).filter((entry) => entry.entry_type === 'catalog_drift');
    assert.deepEqual(
      drift.map((entry) => entry.detail),
      [
        {
          tool: 'echo',
          server: 'scripted',
          kind: 'definition_changed',
          classification: 'title',
          source: 'upstream',
          catalog_hash: started.catalogHash,
        },
      ],
    );
    assert.equal(bed.server.calls.length, 0);
  }));

test('a server that does not answer at first contact is reported, and keeps nothing else from being served [LIFE-03]', () =>
  withBed(async (bed) => {
    bed.server.listing = () => {
      throw new RpcFailure(-32603, 'not today');
    };
    const { url } = await bed.start();
    await bed.reported('UPSTREAM_UNAVAILABLE scripted');
    const client = await bed.client(url);
    assert.equal((await client.listTools()).tools.length, 2);
    assert.equal(
      (await refused(client.callTool({ name: 'echo', arguments: {} }))).data.error_code,
      'UPSTREAM_TOOL_ERROR',
    );
    assert.equal(bed.server.calls.length, 0, 'unanswered is not unchanged');
    bed.server.listing = () => undefined;
    assert.ok(await client.callTool({ name: 'echo', arguments: {} }));
  }));

test('what a killed gateway left open is in the chain of the next one, and reported [LIFE-11]', () =>
  withBed(async (bed) => {
    const store = new WatchedStore([]);
    const time = new ManualTime();
    const first = await bed.start({ openLog: store.openLog, timers: time });
    const client = await bed.client(first.url);
    const { session_id } = callMeta(await client.callTool({ name: 'echo', arguments: {} }));
    const reached = Promise.withResolvers<void>();
    bed.server.answer = () => {
      reached.resolve();
      return new Promise(() => undefined);
    };
    client.callTool({ name: 'echo', arguments: {} }).catch(() => undefined);
    await reached.promise;
    await store.crash();
    const stopping = assert.rejects(first.gateway.stop(), { code: 'AUDIT_UNAVAILABLE' });
    time.advance(60_000);
    await stopping;
    const { gateway, started } = await bed.start();
    await gateway.stop();
    const recovered = events(await chain(started), 'session.recovered');
    assert.deepEqual(
      recovered.map((detail) => [
        detail?.session_id,
        detail?.entries_recovered,
        detail?.unknown_outcomes,
        detail?.damaged,
      ]),
      [
        [first.started.gatewaySession, 0, 0, 0],
        [session_id, 0, 1, 0],
      ],
    );
    assert.ok(bed.reports.some((line) => line === `session.recovered ${session_id}: 1 calls with unknown outcome`));
  }));

test('once any record is lost, nothing more is sent to a server, listed or called ready [G20]', () =>
  withBed(async (bed) => {
    const { url } = await bed.start();
    const client = await bed.client(url);
    assert.ok(await client.callTool({ name: 'read', arguments: {} }));
    assert.deepEqual((await bed.operator('GET', '/operator/v1/readyz')).body, { ready: true, trust_level: 'software' });
    // Another writer takes the table away: the next commit cannot succeed, and no call is part of it.
    const db = new DatabaseSync(join(bed.dataDir, 'audit.db'));
    db.exec('DROP TABLE entries');
    db.close();
    const some = '00000000-0000-4000-8000-000000000000';
    const lost = await bed.operator('POST', `/operator/v1/sessions/${some}/close`);
    assert.deepEqual([lost.status, lost.body.error_code], [500, 'AUDIT_UNAVAILABLE']);
    assert.equal(
      (await refused(client.callTool({ name: 'read', arguments: {} }))).data.error_code,
      'AUDIT_UNAVAILABLE',
    );
    assert.equal((await refused(client.listTools())).data.error_code, 'AUDIT_UNAVAILABLE');
    assert.equal(bed.server.calls.length, 1);
    assert.equal((await bed.operator('GET', '/operator/v1/readyz')).status, 503);
  }));

test('a gateway that is stopped while it starts ends what it began, and gives the store up', async () => {
  const bed = await TestBed.create({ tools: [{ name: 'echo' }] });
  try {
    const gateway = await bed.gateway();
    const starting = assert.rejects(gateway.start(), { code: 'SHUTTING_DOWN' });
    await gateway.stop();
    await starting;
    const { started } = await bed.start();
    assert.ok(started.url);
  } finally {
    await bed.close();
  }
});
