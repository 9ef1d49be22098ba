import assert from 'node:assert/strict';
import { createPrivateKey } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, test } from 'node:test';
import {
  type Condition,
  type Detection,
  type EvidenceProvider,
  GatewayError,
  type Platform,
  readEnvironment,
} from '@cmcp/gateway';
import { quietProcess } from '../../../../tests/support/process.ts';
import { issueCertificate, issueCrl, newKeyPair } from '../../../evidence/src/testing/pki.ts';
import { examine } from './examine.ts';
import type { DoctorSystem } from './system.ts';
import { doctorText } from './text.ts';

const A = 'a'.repeat(64);
const PINNED = `policy: { hash: ${A} }\ncatalog: { hash: ${A} }\nstdio: desktop\n`;
const production = readEnvironment({});
const GIB = 1024 ** 3;

const made: string[] = [];
after(() => Promise.all(made.map((folder) => rm(folder, { recursive: true, force: true }))));

/** A folder with a cmcp.yaml that can be used, `settings` added, and `files`. */
async function configured(settings = '', files: Record<string, string | Uint8Array> = {}): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'cmcp-doctor-'));
  made.push(folder);
  for (const [name, contents] of Object.entries({ 'cmcp.yaml': `${PINNED}${settings}`, ...files })) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), contents);
  }
  return folder;
}

const none: Detection[] = (['sev-snp', 'tdx', 'azure-cvm', 'tpm'] as const).map((kind) => ({
  kind,
  available: false,
  reason: `no ${kind}`,
  remedy: kind === 'azure-cvm' ? null : `get ${kind}`,
}));
const withTpm: Detection[] = none.map((each) =>
  each.kind === 'tpm' ? { kind: 'tpm', available: true, reason: '/dev/tpmrm0 is there', remedy: null } : each,
);
const PLATFORM: Platform = {
  provider: null,
  platform: 'tpm2',
  trustLevel: 'operator-root',
  why: 'tpm is the strongest',
};

/** A machine that nothing is wrong with: a TPM that the gateway may use, a clock that is right, room on the disk. */
function machine(changes: Partial<DoctorSystem> = {}, files: Record<string, string> = {}): DoctorSystem {
  const known: Record<string, string> = {
    '/proc/self/mounts': 'none /sys/kernel/config configfs rw 0 0\n',
    '/etc/group': 'root:x:0:\ntss:x:113:cmcp\n',
    ...files,
  };
  return {
    kernel: '6.16.1-generic',
    user: 1000,
    nowMs: () => Date.UTC(2026, 10, 1),
    owned: async (path) => {
      if (path === '/dev/tpmrm0') return { mode: 0o660, user: 0, group: 113 };
      return path.endsWith('/data') ? { mode: 0o700, user: 1000, group: 1000 } : null;
    },
    usable: async () => true,
    read: async (path) => {
      const text = known[path];
      if (text !== undefined) return new TextEncoder().encode(text);
      return path.startsWith(tmpdir()) ? readFile(path).catch(() => null) : null;
    },
    filesBelow: async () => null,
    freeBytes: async () => 50 * GIB,
    ask: async () => 'yes\n',
    process: quietProcess(),
    detect: async () => withTpm,
    tryEvidence: async () => ({ ...PLATFORM, provider: withCapabilities({ runtimeExtend: true }) }),
    ...changes,
  };
}

/** A provider of which the doctor asks nothing more. */
function withCapabilities(given: Partial<EvidenceProvider['capabilities']>, close = async (): Promise<void> => {}) {
  const capabilities = { runtimeExtend: false, sealing: false, rollbackCounter: false, ...given };
  return { kind: 'tpm', capabilities, close } as EvidenceProvider;
}

async function found(system: DoctorSystem, folder: string, environment = production): Promise<Condition[]> {
  const sections = await examine(system, join(folder, 'cmcp.yaml'), environment);
  return sections.flatMap(({ conditions }) => conditions);
}

/** The one condition about something. */
async function about(name: string, system: DoctorSystem, folder: string, environment = production): Promise<Condition> {
  const conditions = (await found(system, folder, environment)).filter((each) => each.about === name);
  assert.equal(conditions.length, 1, name);
  return conditions[0] ?? assert.fail();
}

test('on a machine that nothing is wrong with every row is ok', async () => {
  const folder = await configured();
  for (const condition of await found(machine(), folder)) assert.equal(condition.status, 'ok', condition.about);
});

test('the configuration: what is wrong is told, and the rest is looked at all the same', async () => {
  const broken = await configured('mode: enforce\n');
  const wrong = await about('configuration', machine(), broken);
  assert.equal(wrong.status, 'problem');
  assert.match(wrong.found, /cmcp\.yaml:\d+:\d+: mode: expected/);
  // Variables that only the service has are a problem here, and no reason to forget where the data lies.
  // biome-ignore lint/suspicious/noTemplateCurlyInString: a reference as a configuration writes it
  const secret = await configured('data: ./elsewhere\nupstreams: { crm: { env: { A: "${CRM}" } } }\n');
  assert.match((await about('configuration', machine(), secret)).found, /CRM is not set/);
  assert.match((await about('data folder', machine(), secret)).found, /elsewhere/);
  const absent = await about('configuration', machine(), join(secret, 'nowhere'));
  assert.match(absent.found, /no such file/);
});

test('the kernel and its devices: what is too old, not mounted or not allowed is told with the command that helps', async () => {
  const folder = await configured();
  const old = await about('kernel', machine({ kernel: '6.1.0-18-amd64' }), folder);
  assert.match(old.found, /enough for a TPM; .*configfs-tsm\) needs 6\.7, .* needs 6\.10, .* needs 6\.16/);
  assert.match(
    (await about('kernel', machine({ kernel: '6.8.0' }), folder)).found,
    /TPM; evidence by way of an SVSM needs 6\.10/,
  );
  assert.equal((await about('kernel', machine({ kernel: null }), folder)).status, 'warning');
  const unmounted = await about('configfs', machine({}, { '/proc/self/mounts': 'proc /proc proc rw 0 0\n' }), folder);
  assert.deepEqual([unmounted.status, unmounted.fix?.includes('mount -t configfs')], ['warning', true]);
  const denied = await about('TPM device', machine({ usable: async () => false }), folder);
  assert.match(denied.found, /group tss \(mode 660\), and this user may not use it/);
  assert.match(denied.fix ?? '', /usermod -aG tss/);
  const missing = machine({ owned: async () => null });
  assert.match((await about('TPM device', missing, folder)).found, /there is no \/dev\/tpmrm0/);
  const simulator = await configured('attestation: { tpm: { address: "tcp:127.0.0.1:2321" } }\n');
  assert.equal(
    (await found(machine(), simulator)).some((each) => each.about === 'TPM device'),
    false,
  );
});

test('evidence: nothing that vouches is a problem, and in dev mode a warning; what is named must be there', async () => {
  const folder = await configured();
  const nothing = machine({ detect: async () => none });
  const evidence = await about('evidence', nothing, folder);
  assert.equal(evidence.status, 'problem');
  assert.deepEqual(
    (await found(nothing, folder)).filter(({ fix }) => fix?.startsWith('To use it: ')).map((each) => each.about),
    ['sev-snp', 'tdx', 'tpm'],
  );
  const dev = readEnvironment({ CMCP_DEV_MODE: '1' });
  assert.equal((await about('evidence', nothing, folder, dev)).status, 'warning');
  const named = await configured('attestation: tdx\n');
  assert.deepEqual(await about('tdx', machine(), named), {
    about: 'tdx',
    status: 'problem',
    found: 'no tdx',
    fix: 'get tdx',
  });
  const software = await configured('attestation: software-only\n');
  assert.equal((await about('evidence', machine(), software)).status, 'problem');
  assert.equal((await about('evidence', machine(), software, dev)).status, 'warning');
});

test('evidence is asked for once, and what the gateway itself would say of it is told', async () => {
  const folder = await configured();
  let closed = 0;
  const close = async (): Promise<void> => {
    closed += 1;
  };
  const provider = withCapabilities({}, close);
  const good = await about('evidence', machine({ tryEvidence: async () => ({ ...PLATFORM, provider }) }), folder);
  assert.match(good.found, /verified: trust level operator-root/);
  assert.equal(closed, 1, 'the device is let go');
  const refusing = machine({
    tryEvidence: () => Promise.reject(new GatewayError('ATTESTATION_UNAVAILABLE', 'it would convince nobody')),
  });
  const refused = await about('evidence', refusing, folder);
  assert.deepEqual([refused.status, refused.found], ['problem', 'it would convince nobody']);
  const worthless = machine({ tryEvidence: async () => PLATFORM });
  assert.equal((await about('evidence', worthless, folder)).status, 'warning');
});

test('what the platform can do besides evidence is told, and a launch that it cannot record is a problem', async () => {
  const plain = await configured();
  const capable = await about('platform', machine(), plain);
  assert.equal(capable.status, 'ok');
  assert.match(capable.found, /^tpm records a launch: yes; seals keys: no; counts against older copies: no$/);
  const provider = withCapabilities({ sealing: true, rollbackCounter: true });
  const unable = machine({ tryEvidence: async () => ({ ...PLATFORM, provider }) });
  assert.match((await about('platform', unable, plain)).found, /launch: no; seals keys: yes; .* copies: yes$/);
  const measured = await configured('attestation: { provider: auto, launch: ML1 }\n');
  assert.equal((await about('platform', machine(), measured)).status, 'ok');
  const refused = await about('platform', unable, measured);
  assert.equal(refused.status, 'problem');
  assert.match(refused.found, /ML1, and tpm has no register/);
});

/** An authority of 2020 to 2040 for this file, its list, and its key as PEM. */
async function authority(): Promise<{ pem: string; key: string; crl: Uint8Array }> {
  const keys = await newKeyPair('p256');
  const issuer = await issueCertificate({ subject: 'CN=Test', keys, ca: true });
  const pkcs8 = Buffer.from(await crypto.subtle.exportKey('pkcs8', keys.privateKey));
  const key = createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' });
  const crl = await issueCrl({ issuer, nextUpdate: Date.UTC(2026, 11, 24) / 1000 });
  return { pem: issuer.pem, key: String(key.export({ format: 'pem', type: 'pkcs8' })), crl };
}

test('certificates: what is not yet valid, expires soon, expired or cannot be read is told', async () => {
  const { pem, key } = await authority();
  const settings =
    'attestation: { roots: [./root.pem], tpm: { ak_certificate: ./ak.pem } }\ntls: { certificate: ./tls.pem, key: ./tls.key }\n';
  const folder = await configured(settings, { 'ak.pem': pem, 'root.pem': pem, 'tls.pem': pem, 'tls.key': key });
  const at = (year: number, month: number): DoctorSystem => machine({ nowMs: () => Date.UTC(year, month, 15) });
  for (const name of ['attestation key', 'root', 'TLS']) {
    assert.equal((await about(name, at(2026, 1), folder)).status, 'ok', name);
    assert.equal((await about(name, at(2019, 1), folder)).status, 'problem', name);
    const soon = await about(name, at(2039, 11), folder);
    assert.deepEqual([soon.status, /2040-01-01/.test(soon.found)], ['warning', true], name);
    assert.equal((await about(name, at(2040, 1), folder)).status, 'problem', name);
  }
  await writeFile(join(folder, 'ak.pem'), 'no certificate');
  await rm(join(folder, 'root.pem'));
  await rm(join(folder, 'tls.key'));
  for (const name of ['attestation key', 'root', 'TLS'])
    assert.equal((await about(name, at(2026, 1), folder)).status, 'problem', name);
  const generated = await configured('tls: generated\n');
  assert.match((await about('TLS', machine(), generated)).found, /cmcp connect/);
});

test('collateral: files that expired or are damaged are named, the others counted', async () => {
  const { pem, crl } = await authority();
  const tcbInfo = (nextUpdate: string): string =>
    JSON.stringify({ tcbInfo: { issueDate: '2026-01-01T00:00:00Z', nextUpdate }, signature: 'ab' });
  const files = {
    'collateral/sev-snp/milan/vcek-chain.pem': pem,
    'collateral/sev-snp/milan/vcek-crl.der': crl,
    'collateral/tdx/x/tcb_info.json': tcbInfo('2027-12-24T00:00:00Z'),
    'collateral/tdx/y/tcb_info.json': tcbInfo('2026-02-01T00:00:00Z'),
    'collateral/tdx/z/tcb_info.json': '{"tcbInfo":{}}',
    'collateral/tdx/z/root_crl.der': 'no list',
    'collateral/notes.md': '',
  };
  const folder = await configured('', files);
  const below = Object.keys(files).map((name) => join(folder, name));
  const rows = async (...at: [number, number]): Promise<Condition[]> => {
    const system = machine({ filesBelow: async () => below, nowMs: () => Date.UTC(...at) });
    return (await found(system, folder)).filter((each) => each.about === 'collateral');
  };
  const [counted, ...notable] = await rows(2026, 10);
  assert.match(counted?.found ?? '', /^3 of 6 files/);
  assert.equal(notable.length, 3);
  assert.match(notable[0]?.found ?? '', /y\/tcb_info\.json expired on 2026-02-01/);
  for (const row of notable)
    assert.deepEqual([row.status, row.fix], ['problem', 'Run `cmcp attest fetch-collateral`.']);
  const soon = (await rows(2026, 11)).find(({ status }) => status === 'warning');
  assert.match(soon?.found ?? '', /vcek-crl\.der expires on 2026-12-24/);
});

test('the clock: one that is behind this version, or that nothing sets, is told', async () => {
  const folder = await configured();
  assert.equal((await about('clock', machine({ nowMs: () => 0 }), folder)).status, 'problem');
  const answers = { 'yes\n': 'ok', 'no\n': 'warning', '': 'warning' } as const;
  for (const [said, status] of Object.entries(answers))
    assert.equal((await about('synchronised', machine({ ask: async () => said }), folder)).status, status, said);
  assert.equal((await about('synchronised', machine({ ask: async () => null }), folder)).status, 'warning');
  const noted = machine({ ask: async () => null, owned: async () => ({ mode: 0o644, user: 1000, group: 0 }) });
  assert.equal((await about('synchronised', noted, folder)).status, 'ok');
});

test('the process: what would keep the gateway from starting is a problem, and in dev mode a warning', async () => {
  const folder = await configured();
  const unsafe = machine({ process: quietProcess({ variables: { LD_PRELOAD: '/x.so' }, user: 0 }) });
  assert.equal((await about('variables', unsafe, folder)).status, 'problem');
  assert.equal((await about('user', unsafe, folder)).status, 'warning');
  const dev = readEnvironment({ CMCP_DEV_MODE: '1' });
  assert.equal((await about('variables', unsafe, folder, dev)).status, 'warning');
  assert.equal((await about('dev mode', unsafe, folder, dev)).status, 'warning');
});

test('storage: a folder of others, or open to others, and a full disk are told', async () => {
  const folder = await configured();
  const data = (mode: number, user = 1000): DoctorSystem => machine({ owned: async () => ({ mode, user, group: 0 }) });
  assert.equal((await about('data folder', data(0o700), folder)).status, 'ok');
  const open = await about('data folder', data(0o750), folder);
  assert.deepEqual([open.status, open.fix?.startsWith('chmod 700 ')], ['problem', true]);
  assert.match((await about('data folder', data(0o700, 0), folder)).found, /belongs to user 0, and this is user 1000/);
  assert.equal((await about('data folder', machine({ owned: async () => null }), folder)).status, 'ok');
  const free = (bytes: number | null): DoctorSystem => machine({ freeBytes: async () => bytes });
  assert.equal((await about('disk space', free(GIB / 2), folder)).status, 'warning');
  assert.equal((await about('disk space', free(GIB / 20), folder)).status, 'problem');
  assert.equal((await about('disk space', free(null), folder)).status, 'warning');
  const above = machine({ freeBytes: async (path) => (path === dirname(folder) ? GIB / 2 : null) });
  assert.match((await about('disk space', above, folder)).found, /^512 MiB/);
});

test('a person reads a table: status, what, what was found, and below it what to do', async () => {
  const folder = await configured();
  const sections = await examine(machine({ detect: async () => none }), join(folder, 'cmcp.yaml'), production);
  const text = doctorText(sections, false);
  assert.match(text, /^Evidence\n {2}warning {2}sev-snp +no sev-snp\n {30,}→ To use it: get sev-snp\.\n/m);
  assert.match(text, /\n {2}problem {2}evidence +nothing here vouches for the machine\n/);
  assert.match(text, /\nSomething stands in the way: 1 problem, 3 warnings\.\n$/);
  const good = doctorText(await examine(machine(), join(folder, 'cmcp.yaml'), production), true);
  assert.ok(good.includes('\u001b[32mok     \u001b[0m  kernel'));
  assert.match(good, /Nothing stands in the way: 0 problems, 0 warnings\.\n$/);
});
