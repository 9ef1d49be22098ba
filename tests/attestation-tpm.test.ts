import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, type TestContext, test } from 'node:test';
import type { SessionFile } from '@cmcp/evidence';
import type { Gateway } from '@cmcp/gateway';
import { cmcp, startProcess } from './support/cli.ts';
import { AGENT_TOKEN, TestBed } from './support/gateway.ts';
import { noSoftwareTpm, type SoftwareTpm, startSoftwareTpm } from './support/software-tpm.ts';

const TOOL = { name: 'echo', respond: () => ({ content: [{ type: 'text' as const, text: 'ok' }] }) };
const LAUNCH_PCR = 13;

const absent = noSoftwareTpm();
let tpm: SoftwareTpm | null = null;
let bed: TestBed;
/** What a relying party was told by the operator, and by whoever built the gateway. */
let expected: { platform: string; gateway: string; policy: string; catalog: string };

const folder = (...names: string[]): string => join(bed.folder, ...names);

/** Runs the built command line on the folder of the bed, outside dev mode; fails when it does not end with 0. */
async function done(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await cmcp(args, bed.folder, { CMCP_DEV_MODE: '0' });
  assert.equal(code, 0, `cmcp ${args.join(' ')}: ${stderr}${stdout}`);
  return stdout;
}

const config = (launch: 'ML0' | 'ML1', path: string): string =>
  `attestation: { provider: tpm, launch: ${launch}, roots: [./ca.pem], tpm: { address: "unix:${path}", ak_certificate: ./ak.pem } }`;

type Checked = Record<'policy' | 'catalog', { hash: string }>;

/** An enrolled machine, and a gateway that its measured loader recorded in the launch register. */
before(async () => {
  if (absent !== null) return;
  tpm = startSoftwareTpm();
  bed = await TestBed.create({ tools: [TOOL] });
  await writeFile(folder('ek-root.pem'), tpm.file('ca/swtpm-localca-rootca-cert.pem'));
  await writeFile(folder('ek-issuer.pem'), tpm.file('ca/issuercert.pem'));
  await done('attest', 'enroll', 'ca', '--name', 'Test', '--out-cert', folder('ca.pem'), '--out-key', folder('ca.key'));
  await bed.writeConfig(config('ML1', tpm.address.path));
  const ca = ['--ca-cert', folder('ca.pem'), '--ca-key', folder('ca.key')];
  const endorsement = ['--root', folder('ek-root.pem'), '--issuer', folder('ek-issuer.pem')];
  const machine = ['--config', bed.configFile, '--out', folder('ak.pem')];
  await done('attest', 'enroll', 'local', ...machine, ...ca, ...endorsement);
  const measured = await done('attest', 'measure', '--config', bed.configFile, '--extend');
  const unpinned = await cmcp(['check', '--config', bed.configFile, '--json'], bed.folder);
  const checked = JSON.parse(unpinned.stdout) as Checked;
  const gateway = /^gateway measurement\s+(sha256:[0-9a-f]{64})$/m.exec(measured)?.[1] ?? '';
  const quoted = Array.from({ length: 8 }, (_, i) => pcr(i)).join('');
  expected = {
    platform: `sha256:${createHash('sha256').update(quoted, 'hex').digest('hex')}`,
    gateway,
    policy: checked.policy.hash,
    catalog: checked.catalog.hash,
  };
});
after(async () => {
  tpm?.stop();
  if (absent === null) await bed.close();
});

/** The TPM of these tests; null after a visible skip, where none is installed. */
function present(t: TestContext): SoftwareTpm | null {
  if (tpm === null) t.skip(absent ?? 'no software TPM');
  return tpm;
}

/** A register, as tpm2-tools read it: lower-case hex. */
function pcr(index: number): string {
  const printed = tpm?.run('tpm2_pcrread', `sha256:${index}`) ?? '';
  return (/0x([0-9A-F]{64})/.exec(printed)?.[1] ?? '').toLowerCase();
}

const pins = (): Record<string, string> => ({
  CMCP_DEV_MODE: '0',
  CMCP_POLICY_HASH: expected.policy,
  CMCP_CATALOG_HASH: expected.catalog,
});

/** Files of the agent's sessions that are closed by now, oldest first. */
async function sessionFiles(): Promise<string[]> {
  const names = (await readdir(folder('data', 'sessions'))).filter((name) => name.endsWith('.cmcp.json'));
  const files = await Promise.all(
    names.map(async (name) => {
      const path = folder('data', 'sessions', name);
      const { bundle } = JSON.parse(await readFile(path, 'utf8')) as SessionFile;
      return { path, caller: bundle.entries[0]?.caller, at: String(bundle.entries[0]?.timestamp_utc) };
    }),
  );
  return files
    .filter(({ caller }) => caller === 'agent')
    .sort((a, b) => (a.at < b.at ? -1 : 1))
    .map(({ path }) => path);
}

/** What `cmcp verify` is told; each pair is left out by its first word. */
function flags(without?: string): string[] {
  const all: string[][] = [
    ['--accept-software-tpm'],
    ['--trust', folder('ca.pem')],
    ['--measurement', expected.platform],
    ['--gateway-measurement', expected.gateway],
    ['--policy-hash', expected.policy],
    ['--catalog-hash', expected.catalog],
  ];
  return all.filter(([name]) => name !== without).flat();
}

const verdict = async (file: string, given: string[] = flags()) => {
  const { code, stdout } = await cmcp(['verify', file, ...given], bed.folder);
  return { code, stdout, said: /: (VERIFIED|REFUSED|CONSISTENT, NOT VERIFIED)/.exec(stdout)?.[1] };
};

/** One session of the agent with one call on a running gateway. */
async function oneSession(url: string | null): Promise<void> {
  const client = await bed.client(new URL(url ?? ''), AGENT_TOKEN);
  await client.callTool({ name: 'echo', arguments: {} });
  await client.close();
}

/** A session of a gateway in this process, under dev mode, and its file. */
async function sessionOf(gateway: Gateway): Promise<string> {
  const before = await sessionFiles();
  await oneSession((await gateway.start()).url);
  await gateway.stop();
  const [file] = (await sessionFiles()).filter((path) => !before.includes(path));
  assert.ok(file);
  return file;
}

test('a session under a software TPM, outside dev mode, verifies with all that is asked, and with less it does not [W-01, W-03, W-37]', async (t) => {
  if (present(t) === null) return;
  const gateway = await startProcess(bed.configFile, bed.folder, pins());
  try {
    assert.deepEqual([gateway.started.platform, gateway.started.trustLevel], ['tpm2', 'software-tpm']);
    await oneSession(gateway.started.url);
  } finally {
    await gateway.stop();
  }
  const [file = ''] = await sessionFiles();
  const { code, stdout, said } = await verdict(file);
  assert.deepEqual([code, said], [0, 'VERIFIED'], stdout);
  assert.match(stdout, /software TPM: nothing vouches for the machine/);
  assert.doesNotMatch(stdout, /the root of the maker/);
  for (const name of ['--accept-software-tpm', '--trust', '--measurement', '--policy-hash', '--catalog-hash']) {
    const less = await verdict(file, flags(name));
    assert.equal(less.code, 1, name);
  }
  assert.match(stdout, /continuity only/);
});

test('a gateway that was not recorded by the loader says the right measurement in vain: the register tells [ATK-41, W-11]', async (t) => {
  const device = present(t);
  if (device === null) return;
  device.restart();
  const other = createHash('sha256').update('a modified gateway').digest('hex');
  device.run('tpm2_pcrextend', `${LAUNCH_PCR}:sha256=${other}`);
  await bed.writeConfig(config('ML0', device.address.path));
  const honest = Buffer.from(expected.gateway.replace('sha256:', ''), 'hex');
  assert.notEqual(pcr(LAUNCH_PCR), createHash('sha256').update(Buffer.alloc(32)).update(honest).digest('hex'));
  const file = await sessionOf(await bed.gateway());
  const copy = JSON.parse(await readFile(file, 'utf8')) as SessionFile;
  const measured = String(copy.bundle.entries[0]?.detail?.measurement);
  const given = flags('--gateway-measurement').concat('--gateway-measurement', measured);
  const { code, said, stdout } = await verdict(file, given);
  assert.deepEqual([code, said], [1, 'REFUSED'], stdout);
  assert.match(stdout, /PCR 13 holds/);
  await bed.writeConfig(config('ML1', device.address.path));
  const promised = await bed.gateway();
  await assert.rejects(promised.start(), { code: 'ATTESTATION_UNAVAILABLE' });
});

test('evidence of one session put into the file of another is refused [ATK-32]', async (t) => {
  const device = present(t);
  if (device === null) return;
  await bed.writeConfig(config('ML0', device.address.path));
  const [mine, theirs] = [await sessionOf(await bed.gateway()), await sessionOf(await bed.gateway())];
  const spliced = JSON.parse(await readFile(mine, 'utf8')) as SessionFile;
  spliced.evidence = (JSON.parse(await readFile(theirs, 'utf8')) as SessionFile).evidence;
  await writeFile(folder('spliced.json'), JSON.stringify(spliced));
  assert.equal((await verdict(folder('spliced.json'))).said, 'REFUSED');
});

test('a TPM that dies under a running gateway: calls go on, new sessions are refused, and come back with the TPM', async (t) => {
  const device = present(t);
  if (device === null) return;
  await bed.writeConfig(config('ML0', device.address.path));
  const gateway = await bed.gateway();
  const { url } = await gateway.start();
  try {
    const client = await bed.client(new URL(url ?? ''), AGENT_TOKEN);
    device.powerOff();
    await client.callTool({ name: 'echo', arguments: {} });
    await assert.rejects(bed.client(new URL(url ?? ''), AGENT_TOKEN), /could not be collected/);
    await client.callTool({ name: 'echo', arguments: {} });
    device.powerOn();
    await oneSession(url);
  } finally {
    await gateway.stop();
  }
});

test('fifty sessions that start at once share the TPM, and each is verified by itself', async (t) => {
  const device = present(t);
  if (device === null) return;
  await bed.writeConfig(config('ML0', device.address.path));
  const before = await sessionFiles();
  const gateway = await bed.gateway();
  const { url } = await gateway.start();
  try {
    await Promise.all(Array.from({ length: 50 }, () => oneSession(url)));
  } finally {
    await gateway.stop();
  }
  const files = (await sessionFiles()).filter((path) => !before.includes(path));
  assert.equal(files.length, 50);
  const { stdout } = await cmcp(['verify', ...files, ...flags('--gateway-measurement'), '--json'], bed.folder);
  const reports = (JSON.parse(stdout) as { files: Reported[] }).files;
  assert.equal(reports.length, 50);
  for (const { checks } of reports) {
    assert.deepEqual(
      checks.filter(({ outcome }) => outcome === 'failed'),
      [],
    );
    assert.equal(checks.find(({ id }) => id === 'hardware.chain')?.outcome, 'proven');
  }
});

interface Reported {
  checks: { id: string; outcome: string }[];
}
