import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { type EvidenceVerdict, parsePublic, spkiOf, type TrustAnchor, verifyCollected } from '@cmcp/evidence';
import {
  issueCertificate,
  newKeyPair,
  type TestCertificate,
  testAnchor,
} from '../../packages/evidence/src/testing/pki.ts';
import {
  openTpmProvider,
  type TpmProvider,
  type TpmProviderOptions,
} from '../../packages/gateway/src/attestation/tpm/provider.ts';
import { openTpm } from '../../packages/gateway/src/attestation/tpm/tpm.ts';
import { systemTsmFs } from '../../packages/gateway/src/attestation/tsm/fs.ts';
import type { CollectedEvidence } from '../../packages/gateway/src/attestation/types.ts';
import { GatewayError } from '../../packages/gateway/src/errors.ts';
import type { SoftwareTpm } from './software-tpm.ts';

type Bytes = Uint8Array<ArrayBuffer>;

export const random = (length: number): Bytes => new Uint8Array(randomBytes(length));
export const now = (): number => Math.floor(Date.now() / 1000);
const decoded = (text: string | undefined): Bytes => new Uint8Array(Buffer.from(text ?? '', 'base64'));

/** A provider over a TPM, and what it reported. */
export interface OpenedTpmProvider {
  provider: TpmProvider;
  heard: string[];
}

/** Opens a provider, and closes it after the test. */
export async function openProvider(
  t: TestContext,
  { address }: Pick<SoftwareTpm, 'address'>,
  more: Partial<TpmProviderOptions> = {},
): Promise<OpenedTpmProvider> {
  const heard: string[] = [];
  const provider = await openTpmProvider({
    tpm: openTpm(address),
    akCertificate: null,
    eventLog: '/nowhere',
    issuers: '/nowhere',
    files: systemTsmFs,
    report: (detail) => heard.push(detail),
    ...more,
  });
  t.after(() => provider.close());
  return { provider, heard };
}

/** As {@link openProvider}, with a key that an enroller certified, whose root is `root`. */
export async function openEnrolled(
  t: TestContext,
  tpm: Pick<SoftwareTpm, 'address'>,
  more: Partial<TpmProviderOptions> = {},
): Promise<OpenedTpmProvider & { root: TrustAnchor }> {
  const { provider } = await openProvider(t, tpm);
  const evidence = await collectOne(provider, random(64));
  const { pem, root } = await certify(spkiOf(parsePublic(beside(evidence, 'ak_public')).key));
  return { ...(await openProvider(t, tpm, { akCertificate: temporaryFile(t, 'ak.pem', pem), ...more })), root };
}

/** What certifies a key. */
export interface Certified {
  leaf: TestCertificate;
  issuer: TestCertificate;
  /** Leaf and issuer. */
  pem: string;
  root: TrustAnchor;
}

/** Certifies a key as an attestation key, by a new authority. */
export async function certify(spki: Bytes): Promise<Certified> {
  const issuer = await issueCertificate({ subject: 'CN=enroller', keys: await newKeyPair('p256'), ca: true });
  const keys = { ...(await newKeyPair('p256')), spki };
  const leaf = await issueCertificate({ subject: 'CN=ak', keys, issuer, keyUsage: ['digitalSignature'] });
  return {
    leaf,
    issuer,
    pem: `${leaf.pem}\n${issuer.pem}\n`,
    root: { ...testAnchor(issuer, 'tpm'), source: 'operator' },
  };
}

/** A file that is gone after the test. */
export function temporaryFile(t: TestContext, name: string, content: string | Uint8Array): string {
  const folder = mkdtempSync(join(tmpdir(), 'cmcp-tpm-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

export async function collectOne(provider: Pick<TpmProvider, 'collect'>, bound: Bytes): Promise<CollectedEvidence> {
  const [evidence] = await provider.collect([bound]);
  assert.ok(evidence);
  return evidence;
}

/** An item beside the claim; empty when it is not there. */
export function beside(evidence: CollectedEvidence, role: string): Bytes {
  return decoded(evidence.beside.find((each) => each.role === `tpm/${role}`)?.data);
}

/** A member of the claim's own evidence; empty when it is not there. */
export function member({ evidence }: CollectedEvidence, name: keyof CollectedEvidence['evidence']): Bytes {
  return decoded(evidence[name]);
}

export async function judged(
  evidence: CollectedEvidence,
  bound: Bytes,
  anchors: readonly TrustAnchor[] = [],
): Promise<EvidenceVerdict> {
  const verdict = await verifyCollected(evidence, bound, { at: now(), anchors, measurement: evidence.measurement });
  assert.ok(verdict);
  return verdict;
}

/** Ids of the checks with that outcome. */
export function idsOf({ checks }: EvidenceVerdict, outcome: 'proven' | 'failed' | 'asserted'): string[] {
  return checks.filter((check) => check.outcome === outcome).map(({ id }) => id);
}

/** For assert.rejects. */
export const isFailure = (pattern: RegExp) => (error: unknown) =>
  error instanceof GatewayError && error.code === 'ATTESTATION_FAILED' && pattern.test(error.detail);

/** Writes `bytes` to an NV index that anyone may read. */
export function defineNv(
  tpm: SoftwareTpm,
  index: number,
  bytes: Uint8Array,
  attributes = 'ownerwrite|ownerread|authread|authwrite',
): void {
  const name = `nv-${index.toString(16)}`;
  tpm.write(name, bytes);
  tpm.run('tpm2_nvdefine', `0x${index.toString(16)}`, '-C', 'o', '-s', String(bytes.length), '-a', attributes);
  tpm.run('tpm2_nvwrite', `0x${index.toString(16)}`, '-C', 'o', '-i', name);
}
