import { open } from 'node:fs/promises';
import { GatewayError } from '../../errors.ts';
import type { Issued } from './types.ts';

const MAX_BYTES = 65_536;

/**
 * The credential in a file, without the line's end. Links are followed: that is how orchestrators mount secrets and rotate them.
 * @throws GatewayError UPSTREAM_UNAVAILABLE
 */
export async function fromFile(path: string): Promise<Issued> {
  return { value: await secretIn(path), lifetimeMs: null };
}

/** The text of a file that holds one secret. */
export async function secretIn(path: string): Promise<string> {
  try {
    await using file = await open(path, 'r');
    const { bytesRead, buffer } = await file.read(Buffer.alloc(MAX_BYTES), 0, MAX_BYTES, 0);
    return buffer.toString('utf8', 0, bytesRead).replace(/\r?\n$/, '');
  } catch (error) {
    if (!(error instanceof Error && 'code' in error)) throw error;
    throw new GatewayError('UPSTREAM_UNAVAILABLE', `the credential file cannot be read (${error.code})`);
  }
}
