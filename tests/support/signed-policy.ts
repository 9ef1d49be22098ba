import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createSigningKey, loadBundle, type SigningKey, signBundle } from '@cmcp/gateway';
import { ALLOW_ALL, type TestBed } from './gateway.ts';

/** A fresh key; its file is `<name>.jwk` in the folder of the bed. */
export function signer(bed: TestBed, name = 'signer'): Promise<SigningKey> {
  return createSigningKey(join(bed.folder, `${name}.jwk`));
}

export interface Written {
  version: string;
  /** Null: it is not signed. */
  by: SigningKey | null;
  /** More files, or others; by default everything is permitted. */
  files?: Record<string, string>;
}

/** Puts a bundle where the gateway reads it. Answers with its hash. */
export async function putBundle(bed: TestBed, { version, by, files }: Written): Promise<string> {
  await bed.writePolicies({ ...ALLOW_ALL, ...files });
  const folder = join(bed.folder, 'policy');
  const manifest = JSON.parse(await readFile(join(folder, 'manifest.json'), 'utf8')) as object;
  await writeFile(join(folder, 'manifest.json'), JSON.stringify({ ...manifest, version }));
  return by === null ? (await loadBundle(folder)).hash : (await signBundle(folder, by)).hash;
}

/** What is pinned, as a line of cmcp.yaml. */
export function pinned(pins: { hash?: string; key?: SigningKey }): string {
  const rows = [...(pins.hash ? [`hash: ${pins.hash}`] : []), ...(pins.key ? [`key: ${pins.key.x}`] : [])];
  return `policy: { path: ./policy, ${rows.join(', ')} }`;
}

/** What a running gateway says of its policy. */
export async function inForce(bed: TestBed): Promise<Record<string, unknown>> {
  return (await bed.operator('GET', '/operator/v1/policy')).body;
}
