import { open } from 'node:fs/promises';
import { FormatError } from '@cmcp/evidence';
import { GatewayError } from '../../errors.ts';
import type { Timers } from '../../timers.ts';
import { bundleDigest, readBundle, type TrustBundle } from './bundle.ts';
import type { BundleDeps, BundleSource } from './bundles.ts';

export interface FileBundlesDeps extends BundleDeps {
  timers: Timers;
}

/** How often the files are looked at, milliseconds. */
const LOOK_MS = 10_000;
const MAX_BYTES = 1_048_576;

/** Bundles in files, which are read again when they change. A file that is no good changes nothing. */
export class FileBundles implements BundleSource {
  readonly #files: ReadonlyMap<string, string>;
  readonly #deps: FileBundlesDeps;
  readonly #bundles: Map<string, TrustBundle>;
  /** What was reported of each file last: one state of it is reported once. */
  readonly #reported = new Map<string, string>();
  /** One reading at a time, so that an older one never follows a newer one. */
  #reading: Promise<unknown> = Promise.resolve();
  readonly #stop: () => void;

  private constructor(files: ReadonlyMap<string, string>, bundles: Map<string, TrustBundle>, deps: FileBundlesDeps) {
    this.#files = files;
    this.#bundles = bundles;
    this.#deps = deps;
    this.#stop = deps.timers.every(LOOK_MS, () => void this.#look());
  }

  /**
   * @param files absolute paths by trust domain
   * @throws GatewayError TLS_INVALID
   */
  static async open(files: ReadonlyMap<string, string>, deps: FileBundlesDeps): Promise<FileBundles> {
    const bundles = new Map<string, TrustBundle>();
    for (const [domain, file] of files) bundles.set(domain, await readBundleFile(file));
    return new FileBundles(files, bundles, deps);
  }

  bundleOf(trustDomain: string): TrustBundle | null {
    return this.#bundles.get(trustDomain) ?? null;
  }

  /** Rejects with TLS_INVALID, once every file was read. */
  async reload(): Promise<void> {
    const read = this.#reading.then(() => Promise.allSettled([...this.#files.keys()].map((each) => this.#read(each))));
    this.#reading = read;
    for (const outcome of await read) if (outcome.status === 'rejected') throw outcome.reason;
  }

  close(): void {
    this.#stop();
  }

  async #read(domain: string): Promise<void> {
    const next = await readBundleFile(this.#files.get(domain) ?? '');
    const before = this.#bundles.get(domain);
    this.#reported.delete(domain);
    if (before !== undefined && bundleDigest(before) === bundleDigest(next)) return;
    this.#bundles.set(domain, next);
    this.#deps.changed(domain, next);
  }

  async #look(): Promise<void> {
    const read = this.#reading.then(() => Promise.all([...this.#files.keys()].map((each) => this.#readOrTell(each))));
    this.#reading = read;
    await read;
  }

  async #readOrTell(domain: string): Promise<void> {
    try {
      await this.#read(domain);
    } catch (error) {
      const problem = error instanceof GatewayError ? error.detail : String(error);
      if (this.#reported.get(domain) === problem) return;
      this.#reported.set(domain, problem);
      this.#deps.report('TLS_INVALID', `${problem}; what was read before stays in use`);
    }
  }
}

async function readBundleFile(file: string): Promise<TrustBundle> {
  try {
    await using handle = await open(file, 'r');
    const { size } = await handle.stat();
    if (size > MAX_BYTES) throw invalid(`${file} is larger than ${MAX_BYTES} bytes`);
    const bundle = readBundle(new Uint8Array(await handle.readFile()));
    if (bundle.authorities.length === 0 && !bundle.jwtKeys?.size)
      throw invalid(`${file} holds no key that verifies anything`);
    return bundle;
  } catch (error) {
    if (error instanceof FormatError) throw invalid(`${file} is no trust bundle: ${error.message}`, error);
    if (error instanceof GatewayError || !(error instanceof Error && 'code' in error)) throw error;
    throw invalid(`${file} cannot be read (${error.code})`, error);
  }
}

function invalid(detail: string, cause?: unknown): GatewayError {
  return new GatewayError('TLS_INVALID', detail, { cause });
}
