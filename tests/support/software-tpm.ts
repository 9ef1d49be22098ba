import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const TOOLS = ['swtpm', 'swtpm_setup', 'swtpm_localca', 'tpm2_quote', 'tpm2_nvcertify'];

/** Why there is no software TPM on this machine, or null when there is one. */
export function noSoftwareTpm(): string | null {
  const missing = TOOLS.find((tool) => spawnSync('which', [tool]).status !== 0);
  return missing === undefined ? null : `${missing} is not installed (apt-get install swtpm swtpm-tools tpm2-tools)`;
}

/** A running swtpm with EK certificates by a CA of its own, driven by tpm2-tools. */
export interface SoftwareTpm {
  /** Where it takes raw commands. */
  address: { kind: 'unix'; path: string };
  /** Runs one of tpm2-tools, e.g. `tpm2_quote`, in the directory of the TPM; gives what it prints. Throws when it fails. */
  run(tool: string, ...args: string[]): string;
  /** A file in that directory. */
  file(name: string): Uint8Array<ArrayBuffer>;
  /** An endorsement certificate, DER, as swtpm_setup wrote it: its name depends on the version of swtpm. */
  ekCertificate(): Uint8Array<ArrayBuffer>;
  write(name: string, content: Uint8Array | string): void;
  /** Power off and on: registers are as at the start, what is not volatile stays. */
  restart(): void;
  powerOff(): void;
  powerOn(): void;
  stop(): void;
}

/** Makes and starts a TPM in a directory of its own. */
export function startSoftwareTpm(): SoftwareTpm {
  const dir = mkdtempSync(join(tmpdir(), 'swtpm-'));
  const path = (...names: string[]) => join(dir, ...names);
  manufacture(path);
  const socket = path('s');
  powerOn(path, socket);
  const env = { ...process.env, TPM2TOOLS_TCTI: `swtpm:path=${socket}` };
  const run = (tool: string, ...args: string[]) =>
    execFileSync(tool, args, { cwd: dir, env, stdio: 'pipe', encoding: 'utf8' });
  return {
    address: { kind: 'unix', path: socket },
    run: (tool, ...args) => {
      const printed = run(tool, ...args);
      // There is no resource manager: what a tool leaves loaded would fill the three slots.
      run('tpm2_flushcontext', '-t');
      return printed;
    },
    file: (name) => new Uint8Array(readFileSync(path(name))),
    ekCertificate: () => {
      const name = readdirSync(dir).find((each) => /^ek-.*\.crt$/.test(each));
      if (name === undefined) throw new Error('swtpm_setup wrote no EK certificate');
      return new Uint8Array(readFileSync(path(name)));
    },
    write: (name, content) => writeFileSync(path(name), content),
    restart: () => {
      powerOff(path);
      powerOn(path, socket);
    },
    powerOff: () => powerOff(path),
    powerOn: () => powerOn(path, socket),
    stop: () => {
      powerOff(path);
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

function powerOn(path: (...names: string[]) => string, socket: string): void {
  execFileSync(
    'swtpm',
    [
      ...['socket', '--tpm2', '--tpmstate', `dir=${path('state')}`, '--flags', 'not-need-init,startup-clear'],
      ...['--server', `type=unixio,path=${socket}`, '--ctrl', `type=unixio,path=${socket}.ctrl`],
      ...['--pid', `file=${path('pid')}`, '--daemon'],
    ],
    { stdio: 'pipe' },
  );
}

function powerOff(path: (...names: string[]) => string): void {
  const pid = Number(readFileSync(path('pid'), 'utf8'));
  process.kill(pid);
  // It lets go of its state when it ends.
  while (alive(pid)) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
  rmSync(path('pid'), { force: true });
}

function alive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

function manufacture(path: (...names: string[]) => string): void {
  for (const name of ['state', 'ca']) mkdirSync(path(name));
  writeFileSync(
    path('localca.conf'),
    [
      `statedir = ${path('ca')}`,
      `signingkey = ${path('ca', 'signkey.pem')}`,
      `issuercert = ${path('ca', 'issuercert.pem')}`,
      `certserial = ${path('ca', 'certserial')}`,
      '',
    ].join('\n'),
  );
  writeFileSync(path('localca.options'), '--platform-manufacturer Test\n--platform-version 1\n--platform-model Test\n');
  writeFileSync(
    path('setup.conf'),
    [
      'create_certs_tool=/usr/bin/swtpm_localca',
      `create_certs_tool_config=${path('localca.conf')}`,
      `create_certs_tool_options=${path('localca.options')}`,
      'active_pcr_banks=sha256,sha384',
      '',
    ].join('\n'),
  );
  execFileSync(
    'swtpm_setup',
    [
      ...['--tpm2', '--tpmstate', path('state'), '--ecc', '--create-ek-cert', '--create-platform-cert', '--lock-nvram'],
      ...[
        '--pcr-banks',
        'sha256,sha384',
        '--config',
        path('setup.conf'),
        '--write-ek-cert-files',
        path(),
        '--overwrite',
      ],
    ],
    { stdio: 'pipe' },
  );
}
