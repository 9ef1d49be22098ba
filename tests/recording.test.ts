import assert from 'node:assert/strict';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { AuditEntry } from '@cmcp/evidence';
import type { StartedGateway } from '@cmcp/gateway';
import { loadRecording } from '../packages/gateway/src/authoring/policy/recording.ts';
import { createRecordingKey, readRecordingKey } from '../packages/gateway/src/authoring/policy/recording-key.ts';
import { ABLE } from './support/agent.ts';
import { FORM, MAY_ASK } from './support/asks.ts';
import { callMeta } from './support/calls.ts';
import type { TestSetup } from './support/gateway.ts';
import { withBed } from './support/gateway.ts';
import { type PeerSetup, receiptOf, withPeers } from './support/peer-bed.ts';
import type { PeerServer } from './support/peer-server.ts';
import { folderOf } from './support/policy.ts';
import { NOTED_TOOLS, withRecordingBed } from './support/recording.ts';
import { sessionFile, verifyStored } from './support/session-files.ts';

const NOTE = 'a note that nobody else may read';
const SETUP: TestSetup = {
  tools: NOTED_TOOLS,
  policies: {
    'a.cedar': '@id("all") permit (principal, action in Action::"call_tool", resource);',
    'b.cedar': '@id("no-wipe") forbid (principal, action == Action::"wipe", resource);',
  },
};

async function startDetail(started: StartedGateway, session: string): Promise<AuditEntry['detail'] | undefined> {
  return (await sessionFile(started, session)).bundle.entries[0]?.detail;
}

async function events(started: StartedGateway, action: string): Promise<(AuditEntry['detail'] | undefined)[]> {
  const { bundle } = await sessionFile(started, started.gatewaySession);
  return bundle.entries.filter((entry) => entry.action === action).map((entry) => entry.detail);
}

test('both decisions of a call are recorded with all that they were made of, and only the key opens them', () =>
  withRecordingBed(SETUP, async ({ bed, keyFile, keyId, files, read }) => {
    const { gateway, started, url } = await bed.start();
    const client = await bed.client(url);
    const answered = callMeta(await client.callTool({ name: 'echo', arguments: { note: NOTE } }));
    await assert.rejects(client.callTool({ name: 'wipe', arguments: {} }));
    await gateway.stop();
    const { records, problems } = await read();
    assert.deepEqual(problems, []);
    assert.deepEqual(
      records.map(({ stage, decision, input }) => [stage, decision.effect, decision.policyIds, input.call]),
      [
        ['ingress', 'allow', ['all'], 'echo'],
        ['egress', 'allow', ['all'], 'echo'],
        ['ingress', 'deny', ['no-wipe'], 'wipe'],
      ],
    );
    const [asked, answer] = records;
    assert.deepEqual(
      [asked?.callId, asked?.sessionId, asked?.bundleHash, asked?.catalogHash, asked?.input.arguments],
      [answered.call_id, answered.session_id, started.policyHash, started.catalogHash, { note: NOTE }],
    );
    assert.ok(answer?.input.response !== undefined && (asked?.timeMicros ?? 0) > 0);

    const [file = ''] = await files();
    const text = await readFile(file, 'utf8');
    assert.ok(!text.includes(NOTE) && !text.includes('echo'));
    assert.equal((await stat(file)).mode & 0o777, 0o600);
    assert.equal((await stat(keyFile)).mode & 0o777, 0o600);
    const other = join(bed.folder, 'other.key');
    await createRecordingKey(other);
    await assert.rejects(loadRecording(file, await readRecordingKey(other)), { code: 'RECORDING_INVALID' });

    const session = String(answered.session_id);
    assert.equal((await startDetail(started, session))?.decision_recording, keyId);
    assert.equal((await startDetail(started, started.gatewaySession))?.decision_recording, keyId);
    assert.deepEqual(await events(started, 'decisions.recorded'), [
      { file: `${started.gatewaySession}.decisions`, decisions: 3, lost: 0 },
    ]);
    assert.equal((await verifyStored(started, session)).verdict, 'verified');
    const everything = JSON.stringify(await sessionFile(started, session)) + bed.reports.join();
    assert.ok(!everything.includes(NOTE));
  }));

test('without a key nothing is recorded, and each session says so', () =>
  withBed(SETUP, async (bed) => {
    const { gateway, started, url } = await bed.start();
    const { session_id } = callMeta(await (await bed.client(url)).callTool({ name: 'echo', arguments: {} }));
    await gateway.stop();
    assert.equal((await startDetail(started, String(session_id)))?.decision_recording, 'off');
    await assert.rejects(stat(join(bed.folder, 'recordings')), { code: 'ENOENT' });
  }));

test('each run of a gateway has a file of its own', () =>
  withRecordingBed(SETUP, async ({ bed, files, read }) => {
    for (const _ of [1, 2]) {
      const { gateway, url } = await bed.start();
      await (await bed.client(url)).callTool({ name: 'echo', arguments: {} });
      await gateway.stop();
    }
    const paths = await files();
    assert.equal(paths.length, 2);
    for (const path of paths) assert.equal((await read(path)).records.length, 2);
  }));

test('a recording that cannot be written costs no call, and is reported and entered once', () =>
  withRecordingBed(SETUP, async ({ bed }) => {
    const full = Object.assign(new Error('no space'), { code: 'ENOSPC' });
    let written = 0;
    const append = (): Promise<void> => (written++ === 0 ? Promise.resolve() : Promise.reject(full));
    const createRecordFile = async () => ({ append, close: async () => {} });
    const { gateway, started, url } = await bed.start({ createRecordFile });
    const client = await bed.client(url);
    for (const _ of [1, 2]) assert.ok(await client.callTool({ name: 'echo', arguments: {} }));
    await gateway.stop();
    const lost = bed.reports.filter((line) => line.startsWith('decisions.not_recorded'));
    const why = `${started.gatewaySession}.decisions cannot be written (ENOSPC)`;
    assert.deepEqual(lost, [`decisions.not_recorded ${why}`]);
    const file = `${started.gatewaySession}.decisions`;
    assert.deepEqual(await events(started, 'decisions.not_recorded'), [{ file, why }]);
    assert.deepEqual(await events(started, 'decisions.recorded'), [{ file, decisions: 4, lost: 4 }]);
  }));

test('what comes faster than it can be written is left out, and the recording shows the gap', () =>
  withRecordingBed(SETUP, async ({ bed, read }) => {
    const lines: string[] = [];
    let release = (): void => {};
    const written = new Promise<void>((resolve) => {
      release = resolve;
    });
    const append = async (text: string): Promise<void> => {
      lines.push(text);
      if (lines.length > 1) await written;
    };
    const createRecordFile = async () => ({ append, close: async () => {} });
    const { gateway, started, url } = await bed.start({ createRecordFile });
    const client = await bed.client(url);
    const note = 'x'.repeat(900_000);
    for (let call = 0; call < 10; call += 1) assert.ok(await client.callTool({ name: 'echo', arguments: { note } }));
    release();
    await gateway.stop();
    const file = join(bed.folder, 'gap.decisions');
    await writeFile(file, lines.join(''));
    const { records, problems } = await read(file);
    const missing = 20 - records.length;
    assert.ok(missing > 0 && records.length > 10);
    assert.deepEqual(problems, [`${file}: ${missing} of the decisions that were made are not in it`]);
    const name = `${started.gatewaySession}.decisions`;
    assert.deepEqual(await events(started, 'decisions.recorded'), [{ file: name, decisions: 20, lost: missing }]);
    assert.equal((await events(started, 'decisions.not_recorded')).length, 1);
  }));

test('a gateway that cannot record as it is configured does not start', () =>
  withRecordingBed(SETUP, async ({ bed }) => {
    const refusal = async (record: string): Promise<string> => {
      await bed.writeConfig(`record: { decisions: ${record} }`);
      const error = await bed.start().then(
        () => null,
        (reason: unknown) => reason,
      );
      assert.ok(error instanceof Error && 'code' in error && error.code === 'CONFIG_INVALID', String(error));
      return error.message;
    };
    const key = Buffer.alloc(32, 9).toString('base64url');
    await writeFile(join(bed.folder, 'taken'), '');
    assert.match(await refusal(`{ to: ./taken, key: ${key} }`), /record\.decisions\.to: .*taken cannot be written/);
    const small = Buffer.alloc(32).toString('base64url');
    assert.match(await refusal(`{ to: ./recordings, key: ${small} }`), /record\.decisions\.key: .*keygen/);
    assert.match(
      await refusal('{ to: ./recordings, key: AAAA }'),
      /record\.decisions\.key: expected an X25519 public key/,
    );
    assert.match(await refusal('{ to: ./recordings }'), /record\.decisions\.key: missing/);
  }));

test('what a server asks and says, and what its answer links to, is recorded under the call that it belongs to', async (t) => {
  const keys = await folderOf(t, {});
  const { key } = await createRecordingKey(join(keys, 'key'));
  const script = (peer: PeerServer): void => {
    peer.on('tools/call', async ({ ask, progress }) => {
      progress(1, 'half');
      await ask('q', FORM.method, FORM.params);
      return { content: [{ type: 'resource_link', uri: 'note:///open', name: 'open' }] };
    });
  };
  const setup = {
    servers: { main: { family: 'handshake' as const, asks: MAY_ASK, script } },
    tools: { work: {} },
    resources: { open: { uri: 'note:///open' } },
    config: `record: { decisions: { to: ./recordings, key: ${key} } }`,
  } satisfies PeerSetup;
  await withPeers(setup, async (peers) => {
    const agent = await peers.agent('handshake', { capabilities: ABLE, answer: () => FORM.answer });
    const reply = await agent.request('tools/call', { name: 'work', arguments: {} }, { progressToken: 'p' });
    const { call_id } = receiptOf(reply);
    await peers.gateway.stop();
    const file = join(peers.bed.folder, 'recordings', `${peers.started.gatewaySession}.decisions`);
    const { records } = await loadRecording(file, await readRecordingKey(join(keys, 'key')));
    assert.deepEqual(
      records.map(({ callId, stage, input }) => [callId === call_id, stage, Object.keys(input)[1]]),
      [
        [true, 'ingress', 'call'],
        [true, 'egress', 'call'],
        [false, 'ingress', 'elicit'],
        [false, 'egress', 'elicit'],
        [true, 'egress', 'call'],
        [true, 'ingress', 'read'],
      ],
    );
  });
});
