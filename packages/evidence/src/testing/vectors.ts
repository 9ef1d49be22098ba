import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { sharedPath } from '../../../../tests/shared.ts';
import { readCertificates } from '../crypto/x509.ts';
import type { AnchorPurpose, TrustAnchor } from '../hardware/given.ts';
import type { EvidenceKind } from '../hardware/verdict.ts';

/** One case of the shared manifest of genuine evidence, with its files read. */
export interface VectorCase {
  id: string;
  kind: EvidenceKind;
  files: Record<string, Uint8Array<ArrayBuffer>>;
  /** The clock of the case, seconds since the epoch. */
  at: number;
  expect: { authentic: boolean; acceptable: boolean | null };
  /** The root that the case names, as the one anchor of `purpose`; none when it names none. */
  anchors: TrustAnchor[];
}

interface ManifestCase extends Pick<VectorCase, 'id' | 'kind' | 'expect'> {
  files: Record<string, string>;
  at: string;
  params: { root?: string };
}

/** The cases of one kind, or null where the shared vectors are absent: then a test skips visibly. */
export function vectorCases(kind: EvidenceKind, purpose: AnchorPurpose): VectorCase[] | null {
  const path = sharedPath('vectors');
  if (path === null) return null;
  const cases = JSON.parse(readFileSync(join(path, 'manifest.json'), 'utf8')) as ManifestCase[];
  return cases
    .filter((each) => each.kind === kind)
    .map(({ id, files, at, expect, params }) => ({
      id,
      kind,
      files: Object.fromEntries(Object.entries(files).map(([role, file]) => [role, bytesOf(join(path, file))])),
      at: Date.parse(at) / 1000,
      expect,
      anchors: params.root === undefined ? [] : anchorsIn(join(path, params.root), purpose),
    }));
}

function anchorsIn(path: string, purpose: AnchorPurpose): TrustAnchor[] {
  const files = statSync(path).isDirectory() ? readdirSync(path).map((name) => join(path, name)) : [path];
  return files.flatMap((file) =>
    readCertificates(bytesOf(file)).map(({ subject, fingerprint }) => ({
      name: subject.text,
      fingerprint,
      source: 'vendor' as const,
      purposes: [purpose],
      assurance: 'silicon' as const,
    })),
  );
}

function bytesOf(path: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(readFileSync(path));
}
