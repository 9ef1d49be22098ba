import assert from 'node:assert/strict';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { type Report, type SessionFile, verify } from '@cmcp/evidence';
import { loadConfig, readEnvironment } from '@cmcp/gateway';
import type { GatewayError } from '../packages/gateway/src/errors.ts';
import { refused } from './support/calls.ts';
import { OPERATOR_TOKEN, type TestBed, type TestSetup, withBed } from './support/gateway.ts';
import { deviceFailure, GeneratedPlatform } from './support/generated-platform.ts';
import { ManualTime } from './support/manual-time.ts';
import { quietProcess } from './support/process.ts';
import { timed } from './support/timed-gateway.ts';

const TOOL = { name: 'echo', respond: () => ({ content: [{ type: 'text' as const, text: 'ok' }] }) };

/** Runs on a platform whose root the operator trusts. */
async function onPlatform(
  run: (bed: TestBed, platform: GeneratedPlatform) => Promise<void>,
  { config = '', deps = {} }: Pick<TestSetup, 'config' | 'deps'> = {},
): Promise<void> {
  const platform = await GeneratedPlatform.create();
  const given = `attestation: { provider: tpm, roots: [./root.pem], validity: 1h }\n${config}`;
  await withBed({ tools: [TOOL], config: given, deps: { platforms: platform, ...deps } }, async (bed) => {
    await writeFile(join(bed.folder, 'root.pem'), platform.rootPem);
    await run(bed, platform);
  });
}

async function fileOf(bed: TestBed, sessionId: string): Promise<SessionFile> {
  return JSON.parse(await readFile(join(bed.dataDir, 'sessions', `${sessionId}.cmcp.json`), 'utf8')) as SessionFile;
}

/** The one session of an agent that is closed by now. */
async function closedSession(bed: TestBed): Promise<SessionFile> {
  const names = await readdir(join(bed.dataDir, 'sessions'));
  const files = await Promise.all(names.map((name) => fileOf(bed, name.replace('.cmcp.json', ''))));
  const [file] = files.filter(({ bundle }) => bundle.entries[0]?.caller === 'agent');
  assert.ok(file);
  return file;
}

const pins = ({ claim }: SessionFile, platform: GeneratedPlatform) => ({
  anchors: [platform.anchor],
  acceptOperatorRoot: true,
  measurement: claim.trace.runtime.measurement,
  policyHash: claim.trace.policy.bundle_hash,
  catalogHash: claim.gateway.catalog.hash,
});
const outcome = (report: Report, id: string) => report.checks.find((check) => check.id === id)?.outcome;
const types = ({ bundle }: SessionFile) => bundle.entries.map(({ entry_type }) => entry_type);
const sessionsOf = async (bed: TestBed) => {
  const { body } = await bed.operator('GET', '/operator/v1/sessions', undefined, OPERATOR_TOKEN);
  return body.sessions as { session_id: string; kind: string; state: string; close_reason: string }[];
};

test('a session carries evidence over its key and its root, made before its first call, and a verifier takes it', async () => {
  await onPlatform(async (bed, platform) => {
    const { gateway, url, started } = await bed.start();
    assert.deepEqual([started.platform, started.trustLevel], ['tpm2', 'operator-root']);
    const client = await bed.client(url);
    await client.callTool({ name: 'echo', arguments: {} });
    await client.close();
    await gateway.stop();
    const file = await closedSession(bed);
    assert.deepEqual(types(file), ['session_start', 'attestation_refresh', 'tool_call', 'session_end']);
    assert.equal(file.bundle.entries[0]?.detail?.trust_level, 'operator-root');
    const report = await verify(JSON.stringify(file), pins(file, platform));
    for (const id of ['hardware.evidence', 'hardware.key', 'hardware.chain', 'hardware.measurement', 'hardware.root'])
      assert.equal(outcome(report, id), 'proven', id);
    assert.equal(outcome(report, 'file.read'), 'proven');
    assert.deepEqual(
      report.checks.filter((check) => check.outcome === 'failed'),
      [],
    );
    assert.equal(platform.closed, 1, 'the device was let go of');
  });
});

test('the gateway chain has evidence too', async () => {
  await onPlatform(async (bed, platform) => {
    const { gateway, started } = await bed.start();
    await gateway.stop();
    const file = await fileOf(bed, started.gatewaySession);
    assert.deepEqual(types(file).slice(0, 2), ['session_start', 'attestation_refresh']);
    const report = await verify(JSON.stringify(file), pins(file, platform));
    assert.equal(outcome(report, 'hardware.chain'), 'proven');
  });
});

test('without evidence there is no session and no claim; the caller is told, and another try may succeed [D-38]', async () => {
  await onPlatform(async (bed, platform) => {
    const { gateway, url } = await bed.start();
    platform.failure = deviceFailure();
    await assert.rejects(bed.client(url), /could not be collected/);
    const failed = (await sessionsOf(bed)).find(({ kind }) => kind === 'session');
    assert.deepEqual([failed?.state, failed?.close_reason], ['closed', 'attestation_failed']);
    await assert.rejects(fileOf(bed, failed?.session_id ?? ''), /ENOENT/);
    const exported = await bed.operator('GET', `/operator/v1/sessions/${failed?.session_id}/export`);
    assert.equal(exported.body.error_code, 'SESSION_UNKNOWN');
    platform.failure = null;
    const client = await bed.client(url);
    await client.callTool({ name: 'echo', arguments: {} });
    await gateway.stop();
  });
});

test('a gateway whose platform gives no evidence does not start, and leaves nothing running [D-38, W-36]', async () => {
  await onPlatform(async (bed, platform) => {
    platform.failure = deviceFailure();
    const gateway = await bed.gateway();
    await assert.rejects(gateway.start(), (error: GatewayError) => error.code === 'ATTESTATION_FAILED');
    assert.deepEqual([platform.opened, platform.closed], [1, 1]);
  });
});

test('evidence of another session is refused by the verifier: it was made for other bytes [ATK-32, ATK-42]', async () => {
  await onPlatform(async (bed, platform) => {
    const { gateway, url } = await bed.start();
    platform.instead = new Uint8Array(64).fill(7);
    const client = await bed.client(url);
    await client.close();
    await gateway.stop();
    const file = await closedSession(bed);
    const report = await verify(JSON.stringify(file), pins(file, platform));
    assert.equal(report.verdict, 'refused');
    assert.equal(outcome(report, 'hardware.chain'), 'failed');
  });
});

test('a session opened while the device is busy waits; those that wait together are served by one operation', async () => {
  await onPlatform(async (bed, platform) => {
    const { url } = await bed.start();
    const gate = Promise.withResolvers<void>();
    platform.gate = gate.promise;
    const before = platform.asked.length;
    const clients = Array.from({ length: 12 }, () => bed.client(url));
    while (platform.asked.length === before) await new Promise((resolve) => setImmediate(resolve));
    while ((await sessionsOf(bed)).filter(({ kind }) => kind === 'session').length < 12)
      await new Promise((resolve) => setImmediate(resolve));
    gate.resolve();
    platform.gate = null;
    for (const client of await Promise.all(clients)) await client.callTool({ name: 'echo', arguments: {} });
    const asked = platform.asked.slice(before);
    assert.equal(
      asked.reduce((sum, many) => sum + many, 0),
      12,
    );
    assert.ok(asked.length < 12, `${asked.length} operations`);
  });
});

test('calls never ask the device', async () => {
  await onPlatform(async (bed, platform) => {
    const { url } = await bed.start();
    const client = await bed.client(url);
    const before = platform.asked.length;
    for (let i = 0; i < 20; i += 1) await client.callTool({ name: 'echo', arguments: {} });
    assert.equal(platform.asked.length, before);
  });
});

test('evidence is renewed before its validity ends: the session goes on, with an entry and younger evidence [W-25]', async () => {
  const time = new ManualTime();
  const deps = { ...timed(time), timers: time };
  await onPlatform(
    async (bed, platform) => {
      const { gateway, url } = await bed.start();
      const client = await bed.client(url);
      await client.callTool({ name: 'echo', arguments: {} });
      time.advance(29 * 60_000);
      await client.callTool({ name: 'echo', arguments: {} });
      const before = platform.asked.length;
      time.advance(17 * 60_000);
      while (platform.asked.length === before) await new Promise((resolve) => setImmediate(resolve));
      await client.callTool({ name: 'echo', arguments: {} });
      await client.close();
      await gateway.stop();
      const file = await closedSession(bed);
      const kinds = types(file);
      assert.equal(kinds.filter((type) => type === 'attestation_refresh').length, 2);
      assert.equal(file.claim.gateway.attestation_stale, false);
      const report = await verify(JSON.stringify(file), pins(file, platform));
      assert.equal(outcome(report, 'hardware.chain'), 'proven');
    },
    { deps },
  );
});

for (const staleness of ['fail_closed', 'warn_only'] as const) {
  test(`evidence that cannot be renewed in time, ${staleness} [W-25]`, async () => {
    const time = new ManualTime();
    const deps = { ...timed(time), timers: time };
    const platform = await GeneratedPlatform.create();
    const config = `attestation: { provider: tpm, roots: [./root.pem], validity: 20m, staleness: ${staleness} }`;
    await withBed({ tools: [TOOL], config, deps: { platforms: platform, ...deps } }, async (bed) => {
      await writeFile(join(bed.folder, 'root.pem'), platform.rootPem);
      const { gateway, url } = await bed.start();
      const client = await bed.client(url);
      platform.failure = deviceFailure();
      time.advance(21 * 60_000);
      await bed.reported('attestation.renewal_failed');
      const call = client.callTool({ name: 'echo', arguments: {} });
      if (staleness === 'fail_closed') {
        assert.equal((await refused(call)).data.error_code, 'ATTESTATION_STALE');
        platform.failure = null;
        time.advance(11_000);
        const answered = async (): Promise<boolean> =>
          client.callTool({ name: 'echo', arguments: {} }).then(
            () => true,
            () => false,
          );
        while (!(await answered())) await new Promise((resolve) => setImmediate(resolve));
      } else {
        await call;
      }
      await client.close();
      await gateway.stop();
      const { claim } = await closedSession(bed);
      assert.equal(claim.gateway.attestation_stale, staleness === 'warn_only');
    });
  });
}

test('one caller may open only so many sessions in a minute; another is not held up by that', async () => {
  await onPlatform(
    async (bed) => {
      const { url } = await bed.start();
      for (let i = 0; i < 3; i += 1) await bed.client(url);
      await assert.rejects(bed.client(url), /Too many sessions/);
      await bed.client(url, 'other-token-of-the-tests');
    },
    { config: 'sessions: { starts_per_minute: 3 }', deps: { monotonic: () => 1000 } },
  );
});

test('outside dev mode a key that nothing certifies is refused at start, with what to do [D-40, D-44, W-36]', async () => {
  const platform = await GeneratedPlatform.create();
  await withBed({ tools: [TOOL], config: 'attestation: tpm', deps: { platforms: platform } }, async (bed) => {
    const { Gateway } = await import('@cmcp/gateway');
    const hashes = await bed.start();
    await hashes.gateway.stop();
    const environment = readEnvironment({
      CMCP_POLICY_HASH: hashes.started.policyHash,
      CMCP_CATALOG_HASH: hashes.started.catalogHash,
      PATH: process.env.PATH,
    });
    const config = await loadConfig(bed.configFile, environment);
    const gateway = new Gateway(config, {
      environment,
      report: () => {},
      platforms: platform,
      process: quietProcess(),
    });
    await assert.rejects(
      gateway.start(),
      (error: GatewayError) => error.code === 'ATTESTATION_UNAVAILABLE' && /cmcp attest enroll/.test(error.detail),
    );
    assert.equal(hashes.started.trustLevel, 'unverified', 'in dev mode it runs, and says so');
  });
});

test('auto takes what is there, in dev mode only if it vouches for something, and says why', async () => {
  const platform = await GeneratedPlatform.create();
  await withBed({ tools: [TOOL], config: 'attestation: auto', deps: { platforms: platform } }, async (bed) => {
    const { gateway, started } = await bed.start();
    assert.equal(started.platform, 'software-only');
    assert.ok(bed.reports.some((line) => /attestation\.chosen software-only, because the evidence of tpm/.test(line)));
    assert.equal(platform.closed, 1);
    await gateway.stop();
    await bed.writeConfig('attestation: { provider: auto, roots: [./root.pem] }');
    await writeFile(join(bed.folder, 'root.pem'), platform.rootPem);
    assert.equal((await bed.start()).started.platform, 'tpm2');
  });
});

test('a measured launch that did not record this gateway is refused at start [W-11]', async () => {
  const platform = await GeneratedPlatform.create();
  const config = 'attestation: { provider: tpm, roots: [./root.pem], launch: ML1 }';
  await withBed({ tools: [TOOL], config, deps: { platforms: platform } }, async (bed) => {
    await writeFile(join(bed.folder, 'root.pem'), platform.rootPem);
    const gateway = await bed.gateway();
    await assert.rejects(
      gateway.start(),
      (error: GatewayError) => error.code === 'ATTESTATION_UNAVAILABLE' && /PCR 13/.test(error.detail),
    );
  });
});
