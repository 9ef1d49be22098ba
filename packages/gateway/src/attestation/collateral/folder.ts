import { join } from 'node:path';
import { type Certificate, FormatError, JsonError, parseJson, readCertificates, type SnpProduct } from '@cmcp/evidence';
import { GatewayError } from '../../errors.ts';
import type { TsmFs } from '../tsm/fs.ts';
import {
  type SnpKey,
  type SnpKeyKind,
  snpChainPath,
  snpCrlPath,
  snpLeafPath,
  TDX_ROLES,
  type TdxPlatform,
  type TdxRole,
  tdxPath,
} from './layout.ts';

/** More than any of these files has. */
const FILE_MOST = 1024 * 1024;

type Bytes = Uint8Array<ArrayBuffer>;

/** What issued the key that signs reports of one product. */
export interface SnpIssuers {
  /** ASK or ASVK, and ARK. */
  chain: Certificate[];
  crl: Bytes | null;
}

/** Certificates and collateral of makers that evidence needs and does not bring. null: not there. */
export interface Collateral {
  snpLeaf(key: SnpKey): Promise<Certificate | null>;
  snpIssuers(product: SnpProduct, kind: SnpKeyKind): Promise<SnpIssuers | null>;
  tdx(platform: TdxPlatform): Promise<Record<TdxRole, Bytes> | null>;
}

/**
 * The collateral in a folder, laid out as layout.ts says. It is read anew each time, so that what `cmcp attest fetch-collateral` brings
 * counts for the next evidence. A file that is there and cannot be used is an error, never an absence; signatures and dates are for
 * who verifies the evidence.
 *
 * @throws GatewayError COLLATERAL_UNAVAILABLE from every promise
 */
export class CollateralFolder implements Collateral {
  readonly #folder: string;
  readonly #fs: Pick<TsmFs, 'readFile'>;

  constructor(folder: string, fs: Pick<TsmFs, 'readFile'>) {
    this.#folder = folder;
    this.#fs = fs;
  }

  async snpLeaf(key: SnpKey): Promise<Certificate | null> {
    const path = snpLeafPath(key);
    const certificates = await this.#certificates(path);
    const [leaf, ...more] = certificates ?? [];
    if (more.length > 0) throw unusable(path, 'it holds more than the one certificate');
    return leaf ?? null;
  }

  async snpIssuers(product: SnpProduct, kind: SnpKeyKind): Promise<SnpIssuers | null> {
    const chain = await this.#certificates(snpChainPath(product, kind));
    if (chain === null) return null;
    return { chain, crl: await this.#read(snpCrlPath(product, kind)) };
  }

  async tdx(platform: TdxPlatform): Promise<Record<TdxRole, Bytes> | null> {
    const read = await Promise.all(TDX_ROLES.map(async (role) => [role, await this.#tdxFile(platform, role)] as const));
    if (read.every(([, bytes]) => bytes === null)) return null;
    const missing = read.find(([, bytes]) => bytes === null);
    // Half a set would look like a platform whose revocation nobody wanted to have checked.
    if (missing !== undefined)
      throw unusable(tdxPath(platform, missing[0]), 'it is missing, and others of its set are there');
    return Object.fromEntries(read) as Record<TdxRole, Bytes>;
  }

  async #tdxFile(platform: TdxPlatform, role: TdxRole): Promise<Bytes | null> {
    const path = tdxPath(platform, role);
    const bytes = await this.#read(path);
    if (bytes === null) return null;
    if (path.endsWith('.json')) readable(path, () => parseJson(bytes));
    if (path.endsWith('.pem')) readable(path, () => readCertificates(bytes));
    return bytes;
  }

  async #certificates(path: string): Promise<Certificate[] | null> {
    const bytes = await this.#read(path);
    return bytes === null ? null : readable(path, () => readCertificates(bytes));
  }

  async #read(path: string): Promise<Bytes | null> {
    try {
      const bytes = await this.#fs.readFile(join(this.#folder, path), FILE_MOST);
      if (bytes.length === 0) throw unusable(path, 'it is empty');
      return bytes;
    } catch (error) {
      if (error instanceof GatewayError) throw error;
      if (!(error instanceof Error && 'code' in error && typeof error.code === 'string')) throw error;
      if (error.code === 'ENOENT') return null;
      throw unusable(path, `it cannot be read (${error.code})`);
    }
  }
}

/** @throws GatewayError COLLATERAL_UNAVAILABLE when the file has not the form that it should have */
function readable<T>(path: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof FormatError || error instanceof JsonError) throw unusable(path, error.message);
    throw error;
  }
}

function unusable(path: string, problem: string): GatewayError {
  const remedy = 'run `cmcp attest fetch-collateral` again';
  return new GatewayError('COLLATERAL_UNAVAILABLE', `${path} in the collateral folder: ${problem}; ${remedy}`);
}
