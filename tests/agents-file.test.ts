import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { SessionFile } from '@cmcp/evidence';
import { loadConfig, readConfigWithoutSecrets, readEnvironment } from '@cmcp/gateway';
import { AGENT_TOKEN, OPERATOR_TOKEN, type TestBed, withBed } from './support/gateway.ts';
import { modern, send } from './support/ingress.ts';
import { ManualTime } from './support/manual-time.ts';

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
const row = (subject: string, ...tokens: string[]): string =>
  `- { subject: ${subject}, token_sha256: [${tokens.map(sha256).join(', ')}] }\n`;
const SETUP = { tools: [{ name: 'echo' }], config: 'agents_file: ./agents.yaml' };
const environment = readEnvironment({ CMCP_DEV_MODE: '1' });

const write = (bed: TestBed, text: string): Promise<void> => writeFile(join(bed.folder, 'agents.yaml'), text);

async function sessionsOf(bed: TestBed): Promise<SessionFile[]> {
  const folder = join(bed.dataDir, 'sessions');
  const names = (await readdir(folder)).filter((name) => name.endsWith('.cmcp.json'));
  return Promise.all(names.map(async (name) => JSON.parse(await readFile(join(folder, name), 'utf8')) as SessionFile));
}

test('agents in a file change without a restart: who is gone is refused, sessions begin anew and commit to who may call [AUTHZ-03]', () =>
  withBed(SETUP, async (bed) => {
    const time = new ManualTime();
    await write(bed, row('filed', 'old'));
    const { gateway, url } = await bed.start({ timers: time });
    const statusOf = async (token: string): Promise<number> => {
      const sent = modern('tools/call', { name: 'echo', arguments: {} });
      return (await send(Number(url.port), { ...sent, credential: `Bearer ${token}` })).status;
    };
    const { agentsHash: before } = await loadConfig(bed.configFile, environment);
    assert.deepEqual([await statusOf('old'), await statusOf('new'), await statusOf(AGENT_TOKEN)], [200, 401, 200]);

    await write(bed, row('filed', 'old', 'new'));
    time.advance(10_000);
    await bed.reported('agents.changed');
    assert.deepEqual([await statusOf('old'), await statusOf('new')], [200, 200]);
    await write(bed, row('filed', 'new'));
    await gateway.reload();
    assert.deepEqual([await statusOf('old'), await statusOf('new'), await statusOf(AGENT_TOKEN)], [401, 200, 200]);
    const { agentsHash: after } = await loadConfig(bed.configFile, environment);
    await gateway.stop();

    const files = await sessionsOf(bed);
    const starts = files.map((file) => file.bundle.entries[0]?.detail ?? {});
    const hashes = new Set(starts.map((detail) => detail.agents_hash));
    assert.ok(hashes.size === 3 && hashes.has(before) && hashes.has(after), [...hashes].join());
    assert.equal(new Set(starts.map((detail) => detail.config_hash)).size, 1, 'nothing else changed');
    const told = files.flatMap((file) => file.bundle.entries.filter(({ action }) => action === 'agents.changed'));
    assert.equal(told.length, 2);
    assert.deepEqual(told.at(-1)?.detail, { agents_hash: after });
  }));

test('what somebody holds open ends when the file lets them in no longer; who still may opens it again [LIFE-08]', () =>
  withBed(SETUP, async (bed) => {
    await write(bed, row('filed', 'old'));
    const { gateway, url } = await bed.start({ timers: new ManualTime() });
    const { body, headers } = modern('subscriptions/listen', { notifications: { toolsListChanged: true } });
    const accepted = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' };
    const listen = (token: string): Promise<Response> =>
      fetch(url, {
        method: 'POST',
        headers: { ...accepted, ...headers, authorization: `Bearer ${token}` },
        body: JSON.stringify(body),
      });
    const [gone, kept] = await Promise.all([listen('old'), listen(AGENT_TOKEN)]);
    assert.deepEqual([gone.status, kept.status], [200, 200]);
    await write(bed, row('filed', 'new'));
    await gateway.reload();
    await Promise.all([gone.text(), kept.text()]);
    assert.equal((await listen('old')).status, 401);
    const again = await listen(AGENT_TOKEN);
    assert.equal(again.status, 200);
    await again.body?.cancel();
  }));

const LOGIN = 'identity: { resource: "https://gateway.example/mcp", oauth: [{ issuer: "https://login.example" }] }';

test('a file that is no good changes nothing, and is told once [D-51]', () =>
  withBed({ ...SETUP, config: `${SETUP.config}\n${LOGIN}` }, async (bed) => {
    const time = new ManualTime();
    await write(bed, row('filed', 'one'));
    const { gateway, url } = await bed.start({ timers: time });
    const bad: [string, RegExp][] = [
      ['- { subject: filed', /agents\.yaml:/],
      [
        row('filed', 'one') + row('thief', OPERATOR_TOKEN),
        /operator\.credentials\[0\]\.token_sha256: the same token as agents/,
      ],
      [row('thief', AGENT_TOKEN), /the same token as agents/],
      [row('login.example/anna', 'two'), /agents\[\d\]\.subject: begins as those that https:\/\/login\.example names/],
      ['x'.repeat(1_048_577), /no file of at most/],
      ['- { subject: filed, token: s3cret-canary }\n', /unknown key/],
    ];
    for (const [text, why] of bad) {
      await write(bed, text);
      await assert.rejects(gateway.reload(), (error: Error) => {
        assert.match(error.message, why);
        assert.ok(!error.message.includes('s3cret'));
        return true;
      });
    }
    for (let i = 0; i < 3; i += 1) time.advance(10_000);
    await bed.reported('CONFIG_INVALID');
    const sent = modern('tools/list');
    assert.equal((await send(Number(url.port), { ...sent, credential: 'Bearer one' })).status, 200);
    assert.equal((await send(Number(url.port), { ...sent, credential: `Bearer ${OPERATOR_TOKEN}` })).status, 401);
    assert.equal(bed.reports.filter((line) => line.startsWith('CONFIG_INVALID')).length, 1);
  }));

test('what the file holds is no part of the measurement, which is made without it', () =>
  withBed(SETUP, async (bed) => {
    const measured = (await readConfigWithoutSecrets(bed.configFile, environment)).portableHash;
    await assert.rejects(loadConfig(bed.configFile, environment), { code: 'CONFIG_INVALID' });
    await write(bed, row('filed', 'one'));
    assert.equal((await loadConfig(bed.configFile, environment)).portableHash, measured);
    await bed.writeConfig('');
    assert.notEqual((await loadConfig(bed.configFile, environment)).portableHash, measured, 'that there is one is');
  }));
