import { buildChain } from '../../crypto/chain.ts';
import { verifySignature } from '../../crypto/signature.ts';
import type { Certificate } from '../../crypto/x509.ts';
import { type Finding, failed, notChecked, proven, provenUnless } from '../../finding.ts';
import { reading } from '../files.ts';
import type { TrustAnchor } from '../given.ts';
import { authenticity, type EvidenceCheck, remark } from '../verdict.ts';
import { fwidsOf } from './fwid.ts';
import type { GpuReport } from './parse.ts';

/** A report, and the chain of the device that should have signed it. */
export interface GpuEvidence {
  /** The report as it was supplied. */
  bytes: Uint8Array<ArrayBuffer>;
  report: GpuReport;
  leaf: Certificate;
  /** Certificates that came with the evidence. None is trusted for being there. */
  issuers: Certificate[];
}

/** Whether an NVIDIA device signed request and response: chain to a root in `anchors` at time `at`, firmware, signature. */
export async function verifyGpu(
  evidence: GpuEvidence,
  anchors: readonly TrustAnchor[],
  at: number,
): Promise<{ checks: EvidenceCheck[]; anchor: TrustAnchor | null }> {
  const { leaf, issuers, report } = evidence;
  const built = await buildChain(leaf, issuers, { anchors, purpose: 'nvidia-device', at });
  const chain = built.ok
    ? proven(`${leaf.subject.text} is a device of the maker`, built.anchor.name)
    : built.unsupported
      ? notChecked(built.problem)
      : failed(built.problem);
  const checks = [
    authenticity('nvidia.chain', 'Does a trusted root vouch for the device?', chain),
    firmware(report, leaf),
    authenticity('nvidia.signature', 'Did the device sign request and response?', await signature(evidence)),
  ];
  return { checks, anchor: built.ok ? built.anchor : null };
}

/** The firmware that the key belongs to is the one that reported, where certificate and report both say which. */
function firmware({ opaque: { fwid } }: GpuReport, leaf: Certificate): EvidenceCheck {
  const [id, title] = ['nvidia.fwid', 'Is it the key of the firmware that reported?'];
  const known = reading(() => fwidsOf(leaf));
  if (known.problem !== null) return authenticity(id, title, failed(known.problem));
  if (fwid === null || known.value.length === 0) {
    const silent = fwid === null ? 'the report' : 'the certificate of the device';
    return remark('authentic', id, title, notChecked(`${silent} does not say which firmware it is of`));
  }
  const problem = `the report is of firmware ${fwid}, the certificate of ${known.value.join(', ')}`;
  return authenticity(id, title, provenUnless(known.value.includes(fwid) ? null : problem, `firmware ${fwid}`));
}

async function signature({ bytes, report, leaf: { key } }: GpuEvidence): Promise<Finding> {
  if (key.kind !== 'ec' || key.curve !== 'P-384') return failed('the device has not a P-384 key');
  const signed = bytes.subarray(0, report.signedLength);
  const result = await verifySignature(key, { kind: 'ecdsa', hash: 'sha384' }, report.signature, signed);
  if (result === 'unsupported') return notChecked('nothing here can check ECDSA over P-384');
  return provenUnless(
    result === 'valid' ? null : 'the signature is not of that device over this report',
    'the signature verifies',
  );
}
