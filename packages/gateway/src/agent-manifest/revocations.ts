import { stat } from 'node:fs/promises';
import { FormatError, type RevocationRecord, readRevocations } from '@cmcp/evidence';
import { readRegularFile } from '../catalog/read-file.ts';
import { type ErrorCode, GatewayError } from '../errors.ts';

const MAX_BYTES = 64 * 1024 * 1024;

interface Known {
  /** What the file was when it was read, so that another is noticed. */
  version: string;
  records: readonly RevocationRecord[];
  ids: ReadonlySet<string>;
}

/** A published list of revoked manifests, as its file is now. A list that cannot be read might revoke anything: it refuses. */
export class RevocationList {
  readonly #path: string;
  #known: Known;

  private constructor(path: string, known: Known) {
    this.#path = path;
    this.#known = known;
  }

  /** @throws GatewayError MANIFEST_INVALID */
  static async open(path: string): Promise<RevocationList> {
    return new RevocationList(path, await read(path, await versionOf(path, 'MANIFEST_INVALID'), 'MANIFEST_INVALID'));
  }

  /** @throws GatewayError MANIFEST_REFUSED */
  async records(): Promise<readonly RevocationRecord[]> {
    return (await this.#current()).records;
  }

  /** Whether a line is about this manifest, whoever signed it. @throws GatewayError MANIFEST_REFUSED */
  async names(manifestId: string): Promise<boolean> {
    return (await this.#current()).ids.has(manifestId.toLowerCase());
  }

  async #current(): Promise<Known> {
    const version = await versionOf(this.#path, 'MANIFEST_REFUSED');
    if (version !== this.#known.version) this.#known = await read(this.#path, version, 'MANIFEST_REFUSED');
    return this.#known;
  }
}

/** Read before the file is: what changes meanwhile is noticed the next time. */
async function versionOf(path: string, code: ErrorCode): Promise<string> {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
    return [dev, ino, size, mtimeNs, ctimeNs].join(' ');
  } catch (error) {
    if (!(error instanceof Error && 'code' in error)) throw error;
    throw new GatewayError(code, `${path}: the revocation list cannot be read (${String(error.code)})`, {
      cause: error,
    });
  }
}

async function read(path: string, version: string, code: ErrorCode): Promise<Known> {
  const refuse = (problem: string): GatewayError => new GatewayError(code, `${path}: ${problem}`);
  const bytes = await readRegularFile(path, MAX_BYTES, refuse);
  try {
    const records = readRevocations(bytes);
    return { version, records, ids: new Set(records.map(({ manifest_id }) => manifest_id.toLowerCase())) };
  } catch (error) {
    if (error instanceof FormatError) throw refuse(error.message);
    throw error;
  }
}
