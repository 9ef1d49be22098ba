import assert from 'node:assert/strict';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { checkSetup, readConfig, readEnvironment } from '@cmcp/gateway';
import { callMeta } from './support/calls.ts';
import { cmcpInProcess } from './support/cli-in-process.ts';
import { TestBed } from './support/gateway.ts';
import { sessionFile, verifyStored } from './support/session-files.ts';
import { inForce, pinned, putBundle, signer } from './support/signed-policy.ts';

const RULES = (version: string): string =>
  [
    'inspection: 1',
    `version: ${version}`,
    'rules:',
    '  - id: project-code',
    '    kind: secret',
    '    pattern: \\bNJ-\\d{4}\\b',
    '    tests: { match: [NJ-1234], pass: [NJ-1] }',
    '',
  ].join('\n');

async function onBed(run: (bed: TestBed, file: string) => Promise<void>): Promise<void> {
  const bed = await TestBed.create({ tools: [{ name: 'echo' }], config: 'inspection: ./inspection.yaml' });
  try {
    await run(bed, join(bed.folder, 'inspection.yaml'));
  } finally {
    await bed.close();
  }
}

test('a gateway without a rules file commits to the built-in rules by their hash', async () => {
  const bed = await TestBed.create({ tools: [{ name: 'echo' }] });
  try {
    const { gateway, started } = await bed.start();
    await gateway.stop();
    const { bundle } = await sessionFile(started, started.gatewaySession);
    assert.match(String(bundle.entries[0]?.detail?.rules_hash), /^sha256:[0-9a-f]{64}$/);
    assert.equal(bundle.entries[0]?.detail?.rules_version, 'built-in');
    assert.ok(bundle.entries.every(({ action }) => action !== 'inspection.rules_load'));
  } finally {
    await bed.close();
  }
});

test('rules are activated with the policy: each live session closes, its successor commits to the new ones', () =>
  onBed(async (bed, file) => {
    await writeFile(file, RULES('one'));
    const { gateway, started, url } = await bed.start();
    const client = await bed.client(url);
    const before = callMeta(await client.callTool({ name: 'echo', arguments: {} })).session_id;
    await writeFile(file, RULES('two'));
    await gateway.reload();
    const after = callMeta(await client.callTool({ name: 'echo', arguments: {} })).session_id;
    await gateway.stop();
    const details = await Promise.all(
      [before, after].map(async (id) => (await sessionFile(started, id)).bundle.entries[0]?.detail ?? {}),
    );
    assert.deepEqual(
      details.map(({ rules_version }) => rules_version),
      ['one', 'two'],
    );
    assert.notEqual(details[0]?.rules_hash, details[1]?.rules_hash);
    assert.equal((await sessionFile(started, before)).bundle.entries.at(-1)?.detail?.reason, 'activation');
    assert.equal((await verifyStored(started, after)).verdict, 'verified');
    const chain = (await sessionFile(started, started.gatewaySession)).bundle.entries;
    const loads = chain.filter(({ action }) => action === 'inspection.rules_load').map(({ detail }) => detail);
    assert.deepEqual(
      loads,
      details.map(({ rules_hash, rules_version }) => ({ rules_hash, rules_version, own: 1 })),
    );
  }));

test('a rules file that does not load changes nothing, and that is entered', () =>
  onBed(async (bed, file) => {
    await writeFile(file, RULES('one'));
    const { gateway, started, url } = await bed.start();
    const client = await bed.client(url);
    const { session_id } = callMeta(await client.callTool({ name: 'echo', arguments: {} }));
    for (const text of [RULES('two').replace('NJ-1234]', 'nothing]'), RULES('two').replace('rules:', 'rulez:'), null]) {
      await (text === null ? rm(file) : writeFile(file, text));
      await assert.rejects(gateway.reload(), { code: 'INSPECTION_INVALID' });
      assert.equal(callMeta(await client.callTool({ name: 'echo', arguments: {} })).session_id, session_id);
    }
    await gateway.stop();
    const chain = (await sessionFile(started, started.gatewaySession)).bundle.entries;
    const refused = chain.filter(({ action }) => action === 'policy.refused');
    assert.deepEqual(
      refused.map(({ detail }) => detail?.error_code),
      ['INSPECTION_INVALID', 'INSPECTION_INVALID', 'INSPECTION_INVALID'],
    );
  }));

test('under a signed policy other rules alone are an activation; a refusal has a status of its own', () =>
  onBed(async (bed, file) => {
    const key = await signer(bed);
    await putBundle(bed, { version: '1.0.0', by: key });
    await bed.writeConfig(`inspection: ./inspection.yaml\n${pinned({ key })}`);
    await writeFile(file, RULES('one'));
    await bed.start();
    const activate = () => bed.operator('POST', '/operator/v1/policy/activate', {});
    assert.equal((await activate()).body.activated, false);
    await writeFile(file, RULES('two'));
    assert.equal((await activate()).body.activated, true);
    const { rules } = await inForce(bed);
    const { stdout } = await cmcpInProcess(['inspection', 'hash', '--json', '--config', bed.configFile], bed.folder);
    assert.deepEqual(rules, JSON.parse(stdout));
    await writeFile(file, 'inspection: 2\n');
    const refusal = await activate();
    assert.deepEqual([refusal.status, refusal.body.error_code], [409, 'INSPECTION_INVALID']);
  }));

test('a gateway whose rules do not load, or lie outside its folder, does not start', () =>
  onBed(async (bed, file) => {
    await writeFile(file, RULES('one').replace('NJ-1]', 'NJ-9999]'));
    await assert.rejects(bed.start(), { code: 'INSPECTION_INVALID', detail: /inspection\.yaml:7:\d+: .*should not/ });
    await bed.writeConfig('inspection: /etc/hostname');
    await assert.rejects(bed.start(), { code: 'CONFIG_INVALID', detail: /inspection\.path: leads out of/ });
  }));

test('the gateway measurement covers the rules of an operator', () =>
  onBed(async (bed, file) => {
    const measured = async (version: string): Promise<unknown> => {
      await writeFile(file, RULES(version));
      const { gateway, started } = await bed.start();
      await gateway.stop();
      return (await sessionFile(started, started.gatewaySession)).bundle.entries[0]?.detail?.measurement;
    };
    assert.notEqual(await measured('one'), await measured('two'));
  }));

test('a check of the set-up names the rules in force, and what is wrong with them', () =>
  onBed(async (bed, file) => {
    const check = async () => {
      const environment = readEnvironment({ CMCP_DEV_MODE: '1' });
      const config = await readConfig(bed.configFile, environment);
      return checkSetup(config, { environment, offline: true });
    };
    await writeFile(file, RULES('one'));
    const { inspection } = await check();
    assert.deepEqual([inspection.path, inspection.version, inspection.own], [file, 'one', 1]);
    assert.match(String(inspection.hash), /^sha256:/);
    await writeFile(file, `${RULES('one')}tools: { ecko: {} }\n`);
    const wrong = await check();
    assert.equal(wrong.ok, false);
    assert.match(JSON.stringify(wrong.problems), /INSPECTION_INVALID.*tools\.ecko: is no tool.*nearest is echo/);
  }));

test('a relying party can pin the rules: `cmcp verify --rules-hash` takes those of the session and no others', () =>
  onBed(async (bed, file) => {
    await writeFile(file, RULES('one'));
    const { gateway, started, url } = await bed.start();
    const client = await bed.client(url);
    const { session_id } = callMeta(await client.callTool({ name: 'echo', arguments: {} }));
    await gateway.stop();
    const pins = ['--policy-hash', started.policyHash, '--catalog-hash', started.catalogHash, '--key', started.keyFile];
    const session = join(started.sessionsFolder, `${session_id}.cmcp.json`);
    const verify = (hash: string) =>
      cmcpInProcess(['verify', session, '--accept-software', ...pins, '--rules-hash', hash], bed.folder);
    const { stdout: hash } = await cmcpInProcess(['inspection', 'hash', '--config', bed.configFile], bed.folder);
    const right = await verify(hash.trim());
    assert.equal(right.code, 0, right.stdout);
    assert.match(right.stdout, /inspection rules/);
    const wrong = await verify(`sha256:${'0'.repeat(64)}`);
    assert.equal(wrong.code, 1);
    assert.match(wrong.stdout, /Were the inspection rules the expected ones\?/);
    assert.equal((await verify('sha256:0')).code, 2);
  }));
