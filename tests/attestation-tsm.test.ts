import assert from 'node:assert/strict';
import { createHash, X509Certificate } from 'node:crypto';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { SessionFile } from '@cmcp/evidence';
import { VENDOR_ANCHORS } from '@cmcp/evidence';
import type { HardwareKind, Platforms } from '../packages/gateway/src/attestation/choose.ts';
import { detectSevSnp, detectTdx } from '../packages/gateway/src/attestation/tsm/detect.ts';
import { openSevSnpProvider } from '../packages/gateway/src/attestation/tsm/sev-snp.ts';
import { openTdxProvider } from '../packages/gateway/src/attestation/tsm/tdx.ts';
import { cmcp } from './support/cli.ts';
import { type TestBed, withBed } from './support/gateway.ts';
import { timed } from './support/timed-gateway.ts';
import { HASTY, snpMachine, type TestMachine, tdxMachine } from './support/tsm-double.ts';

// What runs here is a test double of the kernel's configfs-tsm, with evidence of a generated root: no AMD or Intel hardware.

const TOOL = { name: 'echo', respond: () => ({ content: [{ type: 'text' as const, text: 'ok' }] }) };
const sha = (name: string, ...parts: Uint8Array[]): Buffer =>
  parts.reduce((hash, part) => hash.update(part), createHash(name)).digest();

/** The platforms of a machine that the double stands for. */
function platformsOf(machine: TestMachine, own: HardwareKind): Platforms {
  const surroundings = { ...HASTY, fs: machine.double, kernel: '6.16.0' };
  const options = { ...HASTY, fs: machine.double, collateral: machine.collateral };
  return {
    detect: async (kind) => {
      if (kind === 'sev-snp') return detectSevSnp(surroundings);
      if (kind === 'tdx') return detectTdx(surroundings);
      return { kind, available: kind === 'tpm', reason: 'a TPM beside it', remedy: null };
    },
    open: (kind) => {
      assert.equal(kind, own, 'the evidence of the processor comes before that of a TPM');
      return kind === 'sev-snp' ? openSevSnpProvider(options) : openTdxProvider(options);
    },
  };
}

interface Session {
  bed: TestBed;
  file: string;
  session: SessionFile;
  flags: string[];
}

/** A folder for gateways on the double. */
async function onMachine(
  machine: TestMachine,
  own: HardwareKind,
  launch: 'ML0' | 'ML3',
  run: (bed: TestBed) => Promise<void>,
): Promise<void> {
  const config = `attestation: { provider: auto, roots: [./root.pem], launch: ${launch} }`;
  const deps = { platforms: platformsOf(machine, own), ...timed({ nowMicros: () => machine.at * 1_000_000 }) };
  await withBed({ tools: [TOOL], config, deps }, async (bed) => {
    const { certificate } = machine.root;
    await writeFile(join(bed.folder, 'root.pem'), new X509Certificate(certificate ?? new Uint8Array()).toString());
    await run(bed);
  });
}

/** One session with one call, its file, and what a relying party asks of it. */
async function oneSession(bed: TestBed, at: number): Promise<Session> {
  const before = await agentFiles(bed);
  const { gateway, started, url } = await bed.start();
  assert.equal(started.trustLevel, 'operator-root');
  const client = await bed.client(url);
  await client.callTool({ name: 'echo', arguments: {} });
  await client.close();
  await gateway.stop();
  const [file = ''] = (await agentFiles(bed)).filter((path) => !before.includes(path));
  const session = JSON.parse(await readFile(file, 'utf8')) as SessionFile;
  const { runtime, policy } = session.claim.trace;
  const flags = [
    ...['--root', join(bed.folder, 'root.pem'), '--accept-operator-root', '--at', new Date(at * 1000).toISOString()],
    ...['--measurement', runtime.measurement, '--policy-hash', policy.bundle_hash],
    ...['--catalog-hash', session.claim.gateway.catalog.hash],
  ];
  return { bed, file, session, flags };
}

async function agentFiles(bed: TestBed): Promise<string[]> {
  const folder = join(bed.dataDir, 'sessions');
  const names = await readdir(folder).catch(() => []);
  const files: string[] = [];
  for (const name of names) {
    const { bundle } = JSON.parse(await readFile(join(folder, name), 'utf8')) as SessionFile;
    if (bundle.entries[0]?.caller === 'agent') files.push(join(folder, name));
  }
  return files;
}

const verdict = async ({ bed }: Session, file: string, flags: string[]) => {
  const { code, stdout } = await cmcp(['verify', file, ...flags], bed.folder);
  return { code, stdout };
};

test('SEV-SNP through a test double: a session verifies under its generated root, and under nothing less [W-06]', async () => {
  const machine = await snpMachine();
  await onMachine(machine, 'sev-snp', 'ML3', async (bed) => {
    const session = await oneSession(bed, machine.at);
    const { file, flags } = session;
    assert.equal(session.session.claim.trace.runtime.platform, 'amd-sev-snp');
    const whole = await verdict(session, file, flags);
    assert.equal(whole.code, 0, whole.stdout);
    assert.match(whole.stdout, /the root of the operator/);
    for (const name of ['--root', '--accept-operator-root', '--measurement', '--policy-hash', '--catalog-hash']) {
      const at = flags.indexOf(name);
      const less = flags.toSpliced(at, name === '--accept-operator-root' ? 1 : 2);
      assert.equal((await verdict(session, file, less)).code, 1, name);
    }
    const other = await sessionFileWith(session, 'another root');
    assert.match((await verdict(session, other, flags)).stdout, /REFUSED/);
  });
});

test('a gateway that says that nothing measured its launch is not verified by its launch measurement [UX-05]', async () => {
  const machine = await snpMachine();
  await onMachine(machine, 'sev-snp', 'ML0', async (bed) => {
    const session = await oneSession(bed, machine.at);
    const { code, stdout } = await verdict(session, session.file, session.flags);
    assert.equal(code, 1);
    assert.match(stdout, /nothing measured its launch \(ML0\)/);
  });
});

test('TDX through a test double: the launch register proves the gateway once the loader recorded it [W-06, W-12]', async () => {
  const machine = await tdxMachine({ measurements: true });
  await onMachine(machine, 'tdx', 'ML3', async (bed) => {
    const session = await oneSession(bed, machine.at);
    const measured = String(session.session.bundle.entries[0]?.detail?.measurement);
    const register = [...session.flags, '--gateway-measurement', measured];
    const unrecorded = await verdict(session, session.file, register);
    assert.equal(unrecorded.code, 1);
    assert.match(unrecorded.stdout, /RTMR 3 is empty/);
    const boot = join(bed.folder, 'boot.json');
    await writeFile(boot, JSON.stringify({ tdx: { rtmr: { '1': ['00'.repeat(48)], '2': ['00'.repeat(48)] } } }));
    const asked = [...register, '--evidence-policy', boot];
    const digest = Buffer.from(measured.replace('sha256:', ''), 'hex');
    machine.double.rtmr3 = new Uint8Array(sha('sha384', Buffer.alloc(48), sha('sha384', digest)));
    const recorded = await oneSession(bed, machine.at);
    assert.equal((await verdict(recorded, recorded.file, register)).code, 1, 'root on any boot chain can extend it');
    const { code, stdout } = await verdict(recorded, recorded.file, asked);
    assert.equal(code, 0, stdout);
    assert.match(stdout, /RTMR 3 holds it/);
  });
});

test('a report of another request is never taken: the gateway does not start with it [ATK-42]', async () => {
  const machine = await snpMachine();
  const { double, made } = machine;
  double.tamper = async (blobs) => ({ ...blobs, outblob: await made.report({ reportData: new Uint8Array(64) }) });
  const deps = { platforms: platformsOf(machine, 'sev-snp') };
  await withBed({ tools: [TOOL], config: 'attestation: sev-snp', deps }, async (bed) => {
    const gateway = await bed.gateway();
    await assert.rejects(gateway.start(), { code: 'ATTESTATION_FAILED' });
  });
});

test('the generated roots are none that ship with the package', async () => {
  const machines = [await snpMachine(), await tdxMachine()];
  for (const { root } of machines)
    assert.ok(!VENDOR_ANCHORS.some(({ fingerprint }) => fingerprint === root.fingerprint));
});

/** The same session with evidence of a machine of another root in it. */
async function sessionFileWith({ bed, session }: Session, name: string): Promise<string> {
  const { made } = await snpMachine();
  const copy = structuredClone(session);
  const nonce = Buffer.from(session.claim.trace.runtime.nonce ?? '', 'base64url');
  const report = await made.report({ reportData: new Uint8Array(nonce) });
  copy.claim.gateway.attestation_evidence = {
    ...copy.claim.gateway.attestation_evidence,
    raw_evidence: Buffer.from(report).toString('base64'),
  };
  const file = join(bed.folder, `${name}.json`);
  await writeFile(file, JSON.stringify(copy));
  return file;
}
