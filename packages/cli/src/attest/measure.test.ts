import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { pcrAfter, rtmrAfter } from '@cmcp/evidence';
import { measureCode, ownCode } from '@cmcp/gateway';
import { callMeta, endSession } from '../../../../tests/support/calls.ts';
import { cmcpInProcess } from '../../../../tests/support/cli-in-process.ts';
import { TestBed } from '../../../../tests/support/gateway.ts';
import { quietProcess } from '../../../../tests/support/process.ts';
import { sessionFile } from '../../../../tests/support/session-files.ts';

interface Measured {
  code: { digest: string; tree: string; parts: Record<string, string | null> };
  gateway: { digest: string; components: Record<string, string> } | null;
  registers: { name: string; value: string }[];
}

async function withBed(run: (bed: TestBed) => Promise<void>): Promise<void> {
  const bed = await TestBed.create({ tools: [{ name: 'echo' }] });
  try {
    await run(bed);
  } finally {
    await bed.close();
  }
}

async function measured(folder: string, ...args: string[]): Promise<Measured> {
  const ran = await cmcpInProcess(['attest', 'measure', '--json', ...args], folder);
  assert.equal(ran.code, 0, ran.stderr);
  return JSON.parse(ran.stdout) as Measured;
}

test('what the command prints is what a gateway of this configuration commits to in its sessions', () =>
  withBed(async (bed) => {
    const { gateway, code, registers } = await measured(bed.folder, '--config', bed.configFile);
    assert.ok(gateway);
    assert.equal(code.tree, 'source');
    const digest = Buffer.from(gateway.digest.slice('sha256:'.length), 'hex');
    assert.deepEqual(
      registers.map(({ name, value }) => [name, value]),
      [
        ['PCR 13', pcrAfter(digest)],
        ['RTMR 3', rtmrAfter(digest)],
      ],
    );
    const { started, url } = await bed.start({
      process: quietProcess({ flags: process.execArgv }),
      measureCode: (launch) => measureCode(ownCode(launch)),
    });
    const client = await bed.client(url);
    const { session_id } = callMeta(await client.callTool({ name: 'echo', arguments: {} }));
    await endSession(client);
    const { bundle } = await sessionFile(started, session_id);
    assert.equal(bundle.entries[0]?.detail?.measurement, gateway.digest);
  }));

test('certificates that a variable brings are shown by the name of the variable, and change what is expected', () =>
  withBed(async (bed) => {
    const file = join(bed.folder, 'ca.pem');
    await writeFile(file, 'a certificate');
    const [plain, trusting] = [
      await cmcpInProcess(['attest', 'measure'], bed.folder),
      await cmcpInProcess(['attest', 'measure'], bed.folder, { NODE_EXTRA_CA_CERTS: file }),
    ];
    assert.match(trusting.stdout, /^ +trusts NODE_EXTRA_CA_CERTS +sha256:[0-9a-f]{64}$/m);
    assert.doesNotMatch(plain.stdout, /trusts/);
    const launch = ({ stdout }: { stdout: string }): string => /launch +(\S+)/.exec(stdout)?.[1] ?? assert.fail();
    assert.notEqual(launch(plain), launch(trusting));
  }));

test('the command refuses what the gateway would: a policy that is not the pinned one', () =>
  withBed(async (bed) => {
    await bed.writeConfig(`policy: { path: ./policy, hash: ${'a'.repeat(64)} }`);
    const ran = await cmcpInProcess(['attest', 'measure', '--config', bed.configFile], bed.folder);
    assert.equal(ran.code, 1);
    assert.match(ran.stderr, /POLICY_HASH_MISMATCH/);
  }));

test('without a configuration the code alone is measured; a source tree is called one', async () => {
  const { code, gateway, registers } = await measured(tmpdir());
  assert.match(code.digest, /^sha256:[0-9a-f]{64}$/);
  assert.equal(gateway, null);
  assert.deepEqual(registers, []);
  const ran = await cmcpInProcess(['attest', 'measure'], tmpdir());
  assert.match(ran.stdout, /^code +[0-9a-f]{64}$/m);
  assert.match(ran.stdout, /This is a source tree/);
});

test('the Node.js binary of the gateway may be named', () =>
  withBed(async (bed) => {
    const node = join(bed.folder, 'node');
    await writeFile(node, 'the Node.js binary');
    const { code } = await measured(bed.folder, '--node', node);
    assert.equal(code.parts.node, `sha256:${createHash('sha256').update('the Node.js binary').digest('hex')}`);
  }));

test('options that do not go together are refused', async () => {
  for (const [args, message] of [
    [['--extend', '--package', '/opt/cmcp'], /--extend records the gateway of this installation/],
    [['--extend', '--node', '/usr/bin/node'], /--extend records the gateway of this installation/],
    [['--extend'], /--extend needs the configuration/],
    [['--check', 'measurements.json'], /belong together/],
    [['--key', 'publisher.jwk'], /belong together/],
    [['--package', '/etc/hostname'], /files that end in \.tgz/],
    [['surprise'], /takes no arguments/],
  ] as const) {
    const ran = await cmcpInProcess(['attest', 'measure', ...args], tmpdir());
    assert.equal(ran.code, 2, args.join(' '));
    assert.match(ran.stderr, message);
  }
});

test('a folder without an installation, and a machine without hardware, are refused with what to do', () =>
  withBed(async (bed) => {
    const nothing = await cmcpInProcess(['attest', 'measure', '--package', bed.folder], bed.folder);
    assert.equal(nothing.code, 1);
    assert.match(nothing.stderr, /PROCESS_UNSAFE\)\n.*is not installed in/);
    const args = ['attest', 'measure', '--extend', '--config', bed.configFile];
    await bed.writeConfig('attestation: software-only');
    const software = await cmcpInProcess(args, bed.folder);
    assert.equal(software.code, 1);
    assert.match(software.stderr, /no launch register/);
  }));
