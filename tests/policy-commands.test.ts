import assert from 'node:assert/strict';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { cmcpInProcess } from './support/cli-in-process.ts';
import { OPERATOR_TOKEN, type TestBed, withBed } from './support/gateway.ts';
import { pinned, putBundle, signer } from './support/signed-policy.ts';

interface Scene {
  bed: TestBed;
  /** Runs `cmcp policy …` on the bed. Paths are those of its folder. */
  policy: (...args: string[]) => ReturnType<typeof cmcpInProcess>;
  file: (name: string) => string;
}

const scene = (run: (scene: Scene) => Promise<void>): Promise<void> =>
  withBed({ tools: [{ name: 'echo' }] }, async (bed) => {
    const file = (name: string): string => join(bed.folder, name);
    await writeFile(file('op.token'), OPERATOR_TOKEN);
    const policy = (...args: string[]) => cmcpInProcess(['policy', ...args], bed.folder, { CMCP_DEV_MODE: '1' });
    await run({ bed, policy, file });
  });

test('a bundle is signed, put in force, tried, and its key succeeded and revoked, by commands [D-15] [D-16]', () =>
  scene(async ({ bed, policy, file }) => {
    const config = ['--config', bed.configFile];
    const operator = [...config, '--token-file', file('op.token')];
    const made = await policy('signing-key', '--out', file('signer.jwk'));
    assert.equal(made.code, 0, made.stderr);
    assert.equal((await stat(file('signer.jwk'))).mode & 0o777, 0o600);
    const [, key = ''] = /key: "([\w-]{43})"/.exec(made.stdout) ?? [];
    const [, keyId = ''] = /Key id: ([\w-]{43})/.exec(made.stdout) ?? [];
    await bed.writeConfig(`policy: { path: ./policy, key: ${key} }`);
    await assert.rejects(bed.start(), { code: 'POLICY_SIGNATURE_INVALID' });
    const signed = await policy('sign', ...config, '--key', file('signer.jwk'));
    assert.match(signed.stdout, new RegExp(`bundle hash +sha256:[0-9a-f]{64}\nversion +1.0.0\nkey id +${keyId}`, 'm'));
    await bed.start();
    const status = await policy('status', ...operator);
    assert.match(status.stdout, new RegExp(`signed by +${keyId}`));
    assert.match((await policy('activate', ...operator)).stdout, /^Unchanged: version 1.0.0/);

    await putBundle(bed, { version: '1.1', by: null });
    const folder = ['--config', file('policy')];
    const { stdout } = await policy('sign', ...folder, '--key', file('signer.jwk'), '--json');
    const { bundle_hash: hash } = JSON.parse(stdout) as { bundle_hash: string };
    assert.match((await policy('shadow', 'start', ...operator)).stdout, /Version 1.1 .* on trial/);
    assert.match((await policy('shadow', 'show', ...operator)).stdout, /0 decisions compared/);
    assert.match((await policy('shadow', 'stop', ...operator)).stdout, /no longer on trial/);
    assert.equal((await policy('shadow', 'show', ...operator)).stdout, 'No bundle is on trial.\n');
    const other = await policy('activate', ...operator, '--hash', `sha256:${'0'.repeat(64)}`);
    assert.deepEqual([other.code, other.stderr.includes('POLICY_HASH_MISMATCH')], [1, true]);
    const activated = await policy('activate', ...operator, '--hash', hash);
    assert.equal(activated.stdout, `Version 1.1 is in force: ${hash}, signed by ${keyId}\n`);

    await policy('signing-key', '--out', file('next.jwk'));
    const statement = ['--key', file('signer.jwk'), '--next', file('next.jwk'), '--reason', 'yearly', '--out'];
    assert.equal((await policy('successor', ...statement, file('successor.json'))).code, 0);
    const named = await policy('succeed-key', ...operator, '--statement', file('successor.json'));
    assert.match(named.stdout, new RegExp(`may sign once ${keyId} is revoked`));
    const revoked = await policy('revoke-key', keyId, ...operator, '--reason', 'yearly');
    assert.match(revoked.stdout, /Bundles are signed by [\w-]{43} from now on/);
    assert.match(revoked.stdout, /signed the bundle in force/);
    const check = await cmcpInProcess(['check', '--offline', ...config], bed.folder, { CMCP_DEV_MODE: '1' });
    assert.match(check.stdout, /signature refused[\s\S]*POLICY_KEY_REVOKED/);
    await policy('sign', ...folder, '--key', file('next.jwk'));
    assert.match((await policy('activate', ...operator)).stdout, /Version 1.1 is in force/);
    const good = await cmcpInProcess(['check', '--offline', ...config], bed.folder, { CMCP_DEV_MODE: '1' });
    assert.deepEqual([good.code, /signed by the pinned key or its successor/.test(good.stdout)], [0, true]);
  }));

test('cmcp check says what would not start, and of a signature that nothing checks it that nothing does [D-08]', () =>
  scene(async ({ bed }) => {
    const key = await signer(bed);
    const hash = await putBundle(bed, { version: '2', by: key });
    const check = async (env: Record<string, string> = { CMCP_DEV_MODE: '1' }) => {
      const args = ['check', '--offline', '--json', '--config', bed.configFile];
      const { code, stdout } = await cmcpInProcess(args, bed.folder, env);
      const { policy, problems } = JSON.parse(stdout) as {
        policy: { signature: string };
        problems: { code: string }[];
      };
      return [code, policy.signature, problems.map((problem) => problem.code)];
    };
    assert.deepEqual(await check(), [0, 'no key pinned', []]);
    assert.deepEqual(await check({ CMCP_DEV_MODE: '0' }), [
      1,
      'no key pinned',
      ['POLICY_PIN_REQUIRED', 'CATALOG_PIN_REQUIRED'],
    ]);
    await bed.writeConfig(pinned({ key }));
    assert.deepEqual(await check(), [0, 'valid', []]);
    assert.deepEqual(await check({ CMCP_DEV_MODE: '0' }), [1, 'valid', ['CATALOG_PIN_REQUIRED']]);
    await (await bed.start()).gateway.stop();
    await putBundle(bed, { version: '1', by: key });
    assert.deepEqual(await check(), [1, 'valid', ['POLICY_VERSION_OLD']]);
    await putBundle(bed, { version: '3', by: null });
    assert.deepEqual(await check(), [1, 'missing', ['POLICY_SIGNATURE_INVALID']]);
    await putBundle(bed, { version: '3', by: await signer(bed, 'stranger') });
    assert.deepEqual(await check(), [1, 'invalid', ['POLICY_SIGNATURE_INVALID']]);
    await bed.writeConfig(pinned({ key, hash }));
    await putBundle(bed, { version: '4', by: key });
    assert.deepEqual(await check(), [0, 'valid', []], 'the hash is where a store begins, and this one is further');
  }));

test('what is no key, no bundle and no statement is refused, and wrong usage is told [UX]', () =>
  scene(async ({ bed, policy, file }) => {
    const config = ['--config', bed.configFile, '--token-file', file('op.token')];
    await signer(bed);
    await writeFile(file('text'), 'no key');
    await writeFile(file('rsa.jwk'), '{"kty":"RSA","n":"AA","e":"AQAB"}');
    for (const key of ['text', 'rsa.jwk', 'op.token']) {
      const { code, stderr } = await policy('sign', '--config', bed.configFile, '--key', file(key));
      assert.deepEqual([code, stderr.includes('does not hold an Ed25519 private key')], [1, true], stderr);
    }
    const again = await policy('signing-key', '--out', file('signer.jwk'));
    assert.deepEqual([again.code, again.stderr.includes('OUTPUT_EXISTS')], [1, true]);
    await putBundle(bed, { version: 'one', by: null });
    const unordered = await policy('sign', '--config', bed.configFile, '--key', file('signer.jwk'));
    assert.deepEqual([unordered.code, unordered.stderr.includes('integers joined by dots')], [1, true]);
    assert.equal((await readFile(file('policy/manifest.json'), 'utf8')).includes('signature'), false);
    await writeFile(file('statement'), 'no JSON');
    assert.equal((await policy('succeed-key', ...config, '--statement', file('statement'))).code, 1);
    const usage = [
      ['sign'],
      ['signing-key'],
      ['successor', '--key', file('signer.jwk')],
      ['succeed-key', ...config],
      ['revoke-key', ...config, '--reason', 'x'],
      ['revoke-key', 'x', ...config],
      ['shadow', 'stat', ...config],
    ];
    for (const args of usage) assert.equal((await policy(...args)).code, 2, args.join(' '));
  }));
