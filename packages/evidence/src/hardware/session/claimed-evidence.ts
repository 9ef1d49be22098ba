import { textOf } from '../../audit/chain-entry.ts';
import { decodeEvidenceBase64 } from '../../bytes/evidence-base64.ts';
import { EncodingError } from '../../bytes/utf8.ts';
import type { WireClaim } from '../../claim/wire.ts';
import { leafOf } from '../../crypto/leaf.ts';
import { readCertificates } from '../../crypto/x509.ts';
import { FormatError } from '../../format-error.ts';
import type { JsonObject } from '../../json/value.ts';
import type { EvidenceItem } from '../../session-document.ts';
import type { EvidenceFiles } from '../given.ts';
import { COLLATERAL_ROLES } from '../tdx/collateral.ts';
import type { EvidenceKind } from '../verdict.ts';

/** The kinds that a platform of a claim has; evidence of GPUs comes on top. */
export type PlatformKind = Exclude<EvidenceKind, 'nvidia'>;

/** Which kind of evidence stands behind a platform of a claim; other platforms have evidence that this package does not read. */
const KINDS = new Map<string, PlatformKind>([
  ['amd-sev-snp', 'sev-snp'],
  ['intel-tdx', 'tdx'],
  ['tpm2', 'tpm'],
  ['azure-cvm-sev-snp', 'azure-cvm'],
]);

/**
 * Roles that a session file may bring beside the claim's own evidence. Roots, pins, challenges and keys of a service are the relying
 * party's to say: from a file they would be expectations about itself (contracts section 5). None of them is a role of the claim's
 * own evidence, which nothing beside it replaces.
 */
const BESIDE: Record<EvidenceKind, readonly string[]> = {
  'sev-snp': ['crl'],
  tdx: [...COLLATERAL_ROLES, 'event_log'],
  tpm: [
    'ak_public',
    'ak_transcript',
    'pcrs',
    'event_log',
    'second_attest',
    'second_signature',
    'second_pcrs',
    'second_event_log',
    'second_path',
    'nv_certify',
  ],
  'azure-cvm': ['pcrs', 'crl'],
  nvidia: ['report', 'chain', 'eat'],
};

/** The evidence that a session file brings for its claim, sorted by who reads it. */
export interface ClaimedEvidence {
  /** null: a software session, or a platform whose evidence this package does not read. */
  kind: PlatformKind | null;
  files: EvidenceFiles;
  /** Evidence of GPUs, which comes on top of that of the platform. */
  gpu: EvidenceFiles;
  /** Roles of items that no check reads. */
  unread: string[];
}

/**
 * Gathers the claim's own evidence (wire-formats section 11) and the items beside it.
 *
 * @throws FormatError when it cannot be decoded
 */
export function claimedEvidence({ trace, gateway }: WireClaim, items: readonly EvidenceItem[]): ClaimedEvidence {
  return evidenceBehind(trace.runtime.platform, gateway.attestation_evidence ?? {}, items);
}

/**
 * The same of evidence that no claim carries (yet).
 *
 * @param platform as a claim names it
 * @param evidence the members of `attestation_evidence`
 * @throws FormatError when it cannot be decoded
 */
export function evidenceBehind(
  platform: string,
  evidence: JsonObject,
  items: readonly EvidenceItem[],
): ClaimedEvidence {
  const kind = KINDS.get(platform) ?? null;
  const own = kind === null ? [] : ownFiles(kind, evidence);
  const beside = kind === null ? [] : filesOf(kind, items);
  const gpu = filesOf('nvidia', items);
  const read = new Set([...beside.map(([role]) => `${kind}/${role}`), ...gpu.map(([role]) => `nvidia/${role}`)]);
  return {
    kind,
    files: Object.fromEntries([...beside, ...own]),
    gpu: Object.fromEntries(gpu),
    unread: items.map(({ role }) => role).filter((role) => !read.has(role)),
  };
}

type NamedFile = [role: string, data: Uint8Array<ArrayBuffer>];

function filesOf(kind: EvidenceKind, items: readonly EvidenceItem[]): NamedFile[] {
  return BESIDE[kind].flatMap((role) =>
    items.filter((item) => item.role === `${kind}/${role}`).map(({ data }) => [role, data] as NamedFile),
  );
}

/** The members of `attestation_evidence` under the roles of the platform (wire-formats section 11). */
function ownFiles(kind: PlatformKind, evidence: JsonObject): NamedFile[] {
  const member = (name: string, role: string): NamedFile[] => {
    const text = textOf(evidence, name);
    return text === null ? [] : [[role, decoded(text, name)]];
  };
  if (kind === 'tdx') return member('raw_evidence', 'quote');
  if (kind === 'azure-cvm') return member('raw_evidence', 'evidence');
  if (kind === 'sev-snp')
    return [
      ...member('raw_evidence', 'report'),
      ...member('cert_chain', 'chain').flatMap(([, chain]) => snpChain(chain)),
    ];
  return [
    ...member('raw_evidence', 'attest'),
    ...member('quote_signature', 'signature'),
    ...member('cert_chain', 'ak_chain'),
    ...member('ek_cert_chain', 'ek_chain'),
  ];
}

/** The chain of a report comes leaf first. Whether that is a VCEK or a VLEK is said by its subject, and checked by who reads it. */
function snpChain(bytes: Uint8Array<ArrayBuffer>): NamedFile[] {
  const certificates = readCertificates(bytes);
  const leaf = leafOf(certificates, 'cert_chain');
  const issuers = certificates.filter(({ fingerprint }) => fingerprint !== leaf.fingerprint);
  return [
    ['vcek', leaf.der],
    ['chain', concatenated(issuers.map(({ der }) => der))],
  ];
}

function concatenated(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

function decoded(text: string, name: string): Uint8Array<ArrayBuffer> {
  try {
    return decodeEvidenceBase64(text);
  } catch (error) {
    if (error instanceof EncodingError) throw new FormatError(`attestation_evidence.${name} is not base64`);
    throw error;
  }
}
