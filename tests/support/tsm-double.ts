import { createHash, randomBytes } from 'node:crypto';
import { readCertificates, type SnpProduct, type TrustAnchor } from '../../packages/evidence/src/index.ts';
import { newKeyPair } from '../../packages/evidence/src/testing/pki.ts';
import { type MadeSnp, makeSnp, type SnpOptions } from '../../packages/evidence/src/testing/snp.ts';
import { makeTdx, pemChain, TDX_AT, type TdxEvidence } from '../../packages/evidence/src/testing/tdx.ts';
import { type TdGuest, writeQuote } from '../../packages/evidence/src/testing/tdx-quote.ts';
import type { Collateral } from '../../packages/gateway/src/attestation/collateral/folder.ts';
import { CollateralFolder } from '../../packages/gateway/src/attestation/collateral/folder.ts';
import {
  snpChainPath,
  snpCrlPath,
  snpLeafPath,
  TDX_ROLES,
  tdxPath,
} from '../../packages/gateway/src/attestation/collateral/layout.ts';
import type { TsmFs } from '../../packages/gateway/src/attestation/tsm/fs.ts';
import type { Timers } from '../../packages/gateway/src/timers.ts';

// A test double of the kernel's configfs-tsm and of the measurement registers of a TDX guest, with evidence of a generated root. It
// follows drivers/virt/coco/tsm.c and the drivers of the guests; nothing that it shows was seen on SEV-SNP or TDX hardware.

type Bytes = Uint8Array<ArrayBuffer>;

/** An error as the kernel gives it. */
export function errno(code: string): Error {
  return Object.assign(new Error(`test double: ${code}`), { code });
}

/** What a provider makes of a request. */
interface Blobs {
  outblob: Bytes;
  auxblob?: Bytes;
  manifestblob?: Bytes;
}

/** What a file call is about, for faults. */
export interface TsmCall {
  do: 'mkdir' | 'rmdir' | 'readdir' | 'read' | 'write';
  path: string;
  /** The last part of the path, such as `outblob`. */
  name: string;
}

export interface TsmDoubleOptions {
  /** null: the kernel has the interface and no provider. */
  provider: 'sev_guest' | 'tdx_guest' | null;
  /** Which attributes entries have: those of Linux 6.7, or of 6.10 with those of an SVSM. Default 6.10. */
  kernel?: '6.7' | '6.10';
  /** The privilege level of the guest; above 0 it runs under an SVSM. */
  privlevelFloor?: number;
  generate: (inblob: Bytes, privlevel: number) => Promise<Blobs>;
  /** Whether the kernel shows measurement registers (Linux 6.16). */
  measurements?: boolean;
  /** Further files by path. */
  files?: Record<string, Bytes>;
}

interface Entry {
  writeGeneration: bigint;
  readGeneration: bigint;
  inblob: Bytes;
  privlevel: number;
  blobs: Blobs | null;
}

const REPORTS = '/sys/kernel/config/tsm/report';
export const RTMR3 = '/sys/class/misc/tdx_guest/measurements/rtmr3:sha384';
const MOST = 32 * 1024;
const NONE = new Uint8Array();

/** The double: paths below the base '' are those of a machine. */
export class TsmDouble implements TsmFs {
  /** Called before each file call, which fails as it throws. */
  fault: (call: TsmCall) => void | Promise<void> = () => undefined;
  /** Changes what a provider made. */
  tamper: (blobs: Blobs) => Blobs | Promise<Blobs> = (blobs) => blobs;
  /** null: the provider went away. */
  provider: TsmDoubleOptions['provider'];
  readonly calls: TsmCall[] = [];
  readonly entries = new Map<string, Entry>();
  readonly files: Map<string, Bytes>;
  rtmr3: Bytes = new Uint8Array(48);
  /** Reports that the provider made. */
  generated = 0;
  readonly #options: TsmDoubleOptions;

  constructor(options: TsmDoubleOptions) {
    this.#options = options;
    this.provider = options.provider;
    this.files = new Map(Object.entries(options.files ?? {}));
  }

  async mkdir(path: string): Promise<void> {
    await this.#called('mkdir', path);
    if (!path.startsWith(`${REPORTS}/`)) throw errno('EPERM');
    if (this.provider === null) throw errno('ENXIO');
    if (this.entries.has(path)) throw errno('EEXIST');
    this.entries.set(path, { writeGeneration: 0n, readGeneration: 0n, inblob: NONE, privlevel: 0, blobs: null });
  }

  async rmdir(path: string): Promise<void> {
    await this.#called('rmdir', path);
    if (!this.entries.delete(path)) throw errno('ENOENT');
  }

  async readdir(path: string): Promise<string[]> {
    await this.#called('readdir', path);
    if (!this.entries.has(path)) throw errno('ENOENT');
    return this.#attributes();
  }

  async writeFile(path: string, bytes: Uint8Array): Promise<void> {
    await this.#called('write', path);
    if (path === RTMR3) return this.#extend(bytes);
    const [entry, name] = this.#attribute(path);
    if (name === 'inblob') {
      if (bytes.length > 64) throw errno('EFBIG');
      // Binary attributes are taken when the file is closed, where an error has nobody to go to.
      if (this.#advance(entry)) entry.inblob = Uint8Array.from(bytes);
      return;
    }
    if (name !== 'privlevel') throw errno('EACCES');
    const value = Number(new TextDecoder().decode(bytes));
    if (!Number.isInteger(value)) throw errno('EINVAL');
    if (this.provider === null) throw errno('ENXIO');
    if (value < (this.#options.privlevelFloor ?? 0) || value > 3) throw errno('EINVAL');
    if (!this.#advance(entry)) throw errno('EBUSY');
    entry.privlevel = value;
  }

  async readFile(path: string, most: number): Promise<Bytes> {
    await this.#called('read', path);
    const bytes = await this.#content(path);
    if (bytes.length > most) throw errno('EFBIG');
    return bytes.slice();
  }

  /** Writes to an entry as another program would. */
  writeAsAnother(path: string, inblob: Bytes): void {
    const entry = this.entries.get(path.slice(0, path.lastIndexOf('/')));
    if (entry !== undefined && this.#advance(entry)) entry.inblob = inblob;
  }

  async #called(what: TsmCall['do'], path: string): Promise<void> {
    const call = { do: what, path, name: path.slice(path.lastIndexOf('/') + 1) };
    this.calls.push(call);
    await this.fault(call);
  }

  async #content(path: string): Promise<Bytes> {
    const file = this.files.get(path);
    if (file !== undefined) return file;
    if (path === RTMR3 && this.#options.measurements === true) return this.rtmr3;
    const [entry, name] = this.#attribute(path);
    const text = (value: string) => new TextEncoder().encode(`${value}\n`);
    if (name === 'generation') return text(String(entry.writeGeneration));
    if (name === 'inblob' || name === 'privlevel') throw errno('EACCES');
    if (name === 'outblob' || name === 'auxblob' || name === 'manifestblob') {
      return (await this.#report(entry))[name] ?? NONE;
    }
    if (this.provider === null) throw errno('ENXIO');
    if (name === 'provider') return text(this.provider);
    return text(String(this.#options.privlevelFloor ?? 0));
  }

  /** What was made of what was last written; made anew when something was written since. */
  async #report(entry: Entry): Promise<Blobs> {
    if (entry.inblob.length === 0) throw errno('EINVAL');
    if (entry.blobs !== null && entry.readGeneration === entry.writeGeneration) return entry.blobs;
    if (this.provider === null) throw errno('ENXIO');
    entry.blobs = null;
    if (entry.inblob.length !== 64) throw errno('EINVAL');
    // Firmware makes no report for a level above that of the guest.
    if (entry.privlevel < (this.#options.privlevelFloor ?? 0)) throw errno('EIO');
    this.generated += 1;
    const blobs = await this.tamper(await this.#options.generate(entry.inblob, entry.privlevel));
    if (Object.values(blobs).some((blob) => blob.length > MOST)) throw errno('EFBIG');
    entry.blobs = blobs;
    entry.readGeneration = entry.writeGeneration;
    return blobs;
  }

  /** Refuses the write after which a stale report would count as the one for what was written. */
  #advance(entry: Entry): boolean {
    if (entry.writeGeneration === BigInt.asUintN(64, entry.readGeneration - 1n)) return false;
    entry.writeGeneration = BigInt.asUintN(64, entry.writeGeneration + 1n);
    return true;
  }

  #attribute(path: string): [Entry, string] {
    const at = path.lastIndexOf('/');
    const [entry, name] = [this.entries.get(path.slice(0, at)), path.slice(at + 1)];
    if (entry === undefined || !this.#attributes().includes(name)) throw errno('ENOENT');
    return [entry, name];
  }

  #attributes(): string[] {
    const common = ['generation', 'provider', 'inblob', 'outblob'];
    if (this.#options.provider !== 'sev_guest') return common;
    const guest = [...common, 'privlevel', 'privlevel_floor', 'auxblob'];
    if (this.#options.kernel === '6.7') return guest;
    return [...guest, 'service_provider', 'service_guid', 'service_manifest_version', 'manifestblob'];
  }

  #extend(bytes: Uint8Array): void {
    if (this.#options.measurements !== true) throw errno('ENOENT');
    if (bytes.length !== 48) throw errno('EINVAL');
    this.rtmr3 = new Uint8Array(createHash('sha384').update(this.rtmr3).update(bytes).digest());
  }
}

/** What a provider needs besides the double: true random names, and timers that let nobody wait. */
export const HASTY = {
  base: '',
  random: (bytes: number) => randomBytes(bytes),
  timers: {
    // The bound of a request never comes; the pauses before a busy platform is asked again are over at once.
    after: (ms: number, run: () => void) => {
      if (ms < 10_000) setImmediate(run);
      return () => undefined;
    },
    every: () => () => undefined,
  } satisfies Timers,
};

/** A double of a machine, and what it takes to check its evidence. */
export interface TestMachine {
  double: TsmDouble;
  /** What vouches for its evidence. No vendor does. */
  root: TrustAnchor;
  /** Seconds since the epoch at which its evidence is valid. */
  at: number;
  /** What `cmcp attest fetch-collateral` would have brought. */
  collateral: Collateral;
  /** The same by path in the folder; changing it changes what is read. */
  collateralFiles: Map<string, Bytes>;
}

/** A collateral folder in memory. */
export function collateralIn(files: ReadonlyMap<string, Bytes>): Collateral {
  return new CollateralFolder('/', {
    readFile: (path) => {
      const bytes = files.get(path.slice(1));
      return bytes === undefined ? Promise.reject(errno('ENOENT')) : Promise.resolve(bytes);
    },
  });
}

export interface SnpMachineOptions extends Omit<TsmDoubleOptions, 'generate' | 'provider'> {
  report?: SnpOptions;
  /** Whether the host supplies certificates. Default true. */
  hostCertificates?: boolean;
}

/** A double of a SEV-SNP guest, with a generated root in the place of AMD's. */
export async function snpMachine(options: SnpMachineOptions = {}): Promise<TestMachine & { made: MadeSnp }> {
  const { report = {}, hostCertificates = true, ...rest } = options;
  const made = await makeSnp({ crl: {}, measurement: new Uint8Array(48).fill(0x5a), ...report });
  const auxblob = hostCertificates ? certificateTable(certificatesOf(made)) : NONE;
  const double = new TsmDouble({
    ...rest,
    provider: 'sev_guest',
    generate: async (reportData, vmpl) => ({ outblob: await made.report({ reportData, vmpl }), auxblob }),
  });
  const collateralFiles = snpCollateral(made, report.product ?? 'Milan');
  return { double, root: made.root, at: TDX_AT, collateral: collateralIn(collateralFiles), collateralFiles, made };
}

/** The certificates of a made report by their kind, DER. */
export function certificatesOf({ files }: MadeSnp): { kind: string; der: Bytes }[] {
  const kind = files.vcek === undefined ? 'vlek' : 'vcek';
  const [ask, ark] = readCertificates(files.chain ?? NONE);
  const ders = [files[kind], ask?.der, ark?.der];
  return ders.flatMap((der, i) => (der === undefined ? [] : [{ kind: [kind, 'ask', 'ark'][i] ?? '', der }]));
}

const GUIDS: Record<string, string> = {
  vcek: '63da758de6644564adc5f4b93be8accd',
  vlek: 'a8074bc2a25a483eaae639c045a0b8a1',
  ask: '4ab7b379bbac4fe4a02f05aef327c782',
  ark: 'c0b406a4a803495297433fb6014cd0ae',
};

/** A GHCB certificate table: rows of GUID, offset and length, a row of zeros, then the certificates. A kind may be a GUID. */
export function certificateTable(certificates: readonly { kind: string; der: Bytes }[]): Bytes {
  const rows = Buffer.alloc(24 * (certificates.length + 1));
  let at = rows.length;
  for (const [i, { kind, der }] of certificates.entries()) {
    rows.write(GUIDS[kind] ?? kind, 24 * i, 'hex');
    rows.writeUInt32LE(at, 24 * i + 16);
    rows.writeUInt32LE(der.length, 24 * i + 20);
    at += der.length;
  }
  return new Uint8Array(Buffer.concat([rows, ...certificates.map(({ der }) => der)]));
}

function snpCollateral({ files }: MadeSnp, product: SnpProduct): Map<string, Bytes> {
  const hex = (from: number, to: number) => Buffer.from(files.report.subarray(from, to)).toString('hex');
  const kind = files.vcek === undefined ? 'vlek' : 'vcek';
  const key = { kind, product, chipId: hex(0x1a0, 0x1e0), tcb: hex(0x180, 0x188) } as const;
  return new Map([
    [snpLeafPath(key), files[kind] ?? NONE],
    [snpChainPath(product, kind), files.chain ?? NONE],
    [snpCrlPath(product, kind), files.crl ?? NONE],
  ]);
}

export interface TdxMachineOptions extends Omit<TsmDoubleOptions, 'generate' | 'provider'> {
  version?: 4 | 5;
  /** Seconds since the epoch at which the collateral is valid. */
  at?: number;
  guest?: TdGuest;
  /** What the host leaves after the quote in its buffer. */
  trailing?: Bytes;
}

/** A double of a TDX guest, with a generated root in the place of Intel's. Its quotes show what RTMR 3 holds. */
export async function tdxMachine(options: TdxMachineOptions = {}): Promise<TestMachine & { made: TdxEvidence }> {
  const { version = 4, at = TDX_AT, guest = {}, trailing, ...rest } = options;
  const made = await makeTdx({ at });
  const { pck, ca, root } = made.pki;
  const certificates = new TextEncoder().encode(pemChain(pck, ca, root));
  const attestationKey = await newKeyPair('p256');
  const quote = (reportData: Bytes) =>
    writeQuote({
      version,
      tdx15: version === 5,
      certificates,
      attestationKey,
      pck: pck.keys,
      guest: { rtmr: [NONE48, NONE48, NONE48, double.rtmr3], ...guest, reportData },
      ...(trailing === undefined ? {} : { trailing }),
    });
  const double: TsmDouble = new TsmDouble({
    measurements: true,
    ...rest,
    provider: 'tdx_guest',
    generate: async (reportData) => ({ outblob: await quote(reportData) }),
  });
  const collateralFiles = tdxCollateral(made);
  return { double, root: made.root, at, collateral: collateralIn(collateralFiles), collateralFiles, made };
}

const NONE48 = new Uint8Array(48);

function tdxCollateral({ files }: TdxEvidence): Map<string, Bytes> {
  const platform = { fmspc: '50806f000000', ca: 'platform' } as const;
  return new Map(TDX_ROLES.map((role) => [tdxPath(platform, role), files[role] ?? NONE]));
}
