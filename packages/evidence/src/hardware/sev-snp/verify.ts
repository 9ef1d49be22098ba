import { equalBytes } from '../../bytes/equal.ts';
import { buildChain } from '../../crypto/chain.ts';
import { verifySignature } from '../../crypto/signature.ts';
import type { Certificate } from '../../crypto/x509.ts';
import { type Finding, failed, notChecked, proven, provenUnless } from '../../finding.ts';
import { reading } from '../files.ts';
import type { TrustAnchor } from '../given.ts';
import { authenticity, type EvidenceCheck } from '../verdict.ts';
import type { Endorsement } from './endorsement.ts';
import { SIGNED_LENGTH, type SnpReport } from './parse.ts';
import { productOf, readTcb, tcbText } from './product.ts';

/** What the checks of authenticity are about. */
export interface SnpEvidence {
  /** The report as it was supplied. */
  bytes: Uint8Array<ArrayBuffer>;
  report: SnpReport;
  endorsement: Endorsement;
  /** Issuers that came with the evidence. None is trusted for being there. */
  issuers: Certificate[];
}

/** A verified chain of a VCEK or VLEK. */
export interface AmdChain {
  /** ASK or ASVK: what issued the key's certificate. */
  issuer: Certificate;
  /** ARK. */
  root: Certificate;
  anchor: TrustAnchor;
}

/**
 * Whether an AMD secure processor signed the report: chain to a root in `anchors` at time `at`, what certificate and report say of
 * each other, signature (56860 and 57230; attestation order: chain, key kind, chip, TCB, signature).
 */
export async function verifySnp(
  evidence: SnpEvidence,
  anchors: readonly TrustAnchor[],
  at: number,
): Promise<{ checks: EvidenceCheck[]; chain: AmdChain | null }> {
  const { report, endorsement } = evidence;
  const built = await chainOf(evidence, anchors, at);
  const checks = [
    authenticity('sev-snp.chain', 'Does a trusted AMD root vouch for the key that signs?', built.finding),
    authenticity('sev-snp.product', 'Are certificate and processor of the same product?', product(report, endorsement)),
    authenticity('sev-snp.key_kind', 'Is it the kind of key that the report names?', keyKind(report, endorsement)),
    authenticity('sev-snp.chip', 'Is it the key of the chip in the report?', chip(report, endorsement)),
    authenticity('sev-snp.tcb', 'Is it the key of the reported TCB version?', tcb(report, endorsement)),
    authenticity('sev-snp.signature', 'Did that key sign the report?', await signature(evidence)),
  ];
  return { checks, chain: built.chain };
}

async function chainOf(
  { endorsement, issuers }: SnpEvidence,
  anchors: readonly TrustAnchor[],
  at: number,
): Promise<{ finding: Finding; chain: AmdChain | null }> {
  const built = await buildChain(endorsement.certificate, issuers, { anchors, purpose: 'amd-sev', at });
  if (!built.ok) {
    return { finding: built.unsupported ? notChecked(built.problem) : failed(built.problem), chain: null };
  }
  const [, issuer, root, ...more] = built.path;
  if (issuer === undefined || root === undefined || more.length > 0) {
    return { finding: failed('the chain is not one of key, intermediate and root'), chain: null };
  }
  const problem = profile(endorsement, issuer, root);
  if (problem !== null) return { finding: failed(problem), chain: null };
  const detail = `${issuer.subject.commonName} issued it, ${root.subject.commonName} stands behind that`;
  return { finding: proven(detail, built.anchor.name), chain: { issuer, root, anchor: built.anchor } };
}

/** AMD signs with 4096-bit RSA keys, RSASSA-PSS, SHA-384; and the names of the CAs say what they issue, and for what product. */
function profile(
  { certificate, kind, product: line }: Endorsement,
  issuer: Certificate,
  root: Certificate,
): string | null {
  const wanted = kind === 'vcek' ? `SEV-${line}` : `SEV-VLEK-${line}`;
  if (issuer.subject.commonName !== wanted) {
    return `a ${kind.toUpperCase()} of ${line} is issued by ${wanted}, this was by ${issuer.subject.text}`;
  }
  if (root.subject.commonName !== `ARK-${line}`) return `the root of ${line} is ARK-${line}, not ${root.subject.text}`;
  const weak = [issuer, root].find(({ key }) => key.kind !== 'rsa' || key.bits !== 4096);
  if (weak !== undefined) return `${weak.subject.text} has not a 4096-bit RSA key`;
  const other = [certificate, issuer, root].find(({ signatureScheme: scheme }) => {
    return scheme.kind !== 'rsassa-pss' || scheme.hash !== 'sha384';
  });
  return other === undefined ? null : `${other.subject.text} is not signed with RSASSA-PSS and SHA-384`;
}

function product({ cpuid }: SnpReport, endorsement: Endorsement): Finding {
  const named = endorsement.product;
  // Version 2 names no processor: the product in the signed certificate is all there is.
  if (cpuid === null) return proven(`the certificate says ${named}; a report of version 2 does not say`);
  const { family, model } = cpuid;
  const found = productOf(cpuid);
  if (found === null) return failed(`processor family ${family}, model ${model} is of no product that is known here`);
  const problem = found === named ? null : `the report is of ${found}, the certificate of ${named}`;
  return provenUnless(problem, `both are of ${named}`);
}

function keyKind({ key }: SnpReport, { kind }: Endorsement): Finding {
  if (key.signingKey === 'none') return failed('the report says that no key signed it');
  if (key.signingKey === 'vcek' && key.chipKeyMasked) {
    return failed("the report says that the chip's key is not used, and that the chip's key signed it");
  }
  const problem = `the report names a ${key.signingKey.toUpperCase()}, the certificate is of a ${kind.toUpperCase()}`;
  return provenUnless(key.signingKey === kind ? null : problem, `both say ${kind.toUpperCase()}`);
}

function chip({ chipId }: SnpReport, { kind, hwid, cspId }: Endorsement): Finding {
  if (kind === 'vlek') {
    if (hwid !== null) return failed('the certificate of a VLEK names a chip');
    return provenUnless(cspId === null ? 'the VLEK names no provider' : null, `a VLEK, loaded by ${cspId}`);
  }
  if (hwid === null) return failed('the certificate names no chip');
  if (cspId !== null) return failed('the certificate of a VCEK names a cloud provider');
  if (chipId.every((byte) => byte === 0)) {
    return failed('the report hides its chip (CHIP_ID is zero), so that no VCEK can be shown to be of it');
  }
  const same = equalBytes(chipId.subarray(0, hwid.length), hwid);
  return provenUnless(same ? null : 'the certificate is of another chip', 'HWID is the CHIP_ID of the report');
}

function tcb({ reportedTcb }: SnpReport, endorsement: Endorsement): Finding {
  const reported = reading(() => readTcb(reportedTcb, endorsement.product));
  if (reported.problem !== null) return failed(reported.problem);
  const [ours, theirs] = [tcbText(reported.value), tcbText(endorsement.tcb)];
  return provenUnless(ours === theirs ? null : `reported: ${ours}; the certificate: ${theirs}`, ours);
}

async function signature({ bytes, report, endorsement }: SnpEvidence): Promise<Finding> {
  const { key } = endorsement.certificate;
  if (key.kind !== 'ec' || key.curve !== 'P-384') return failed('the certificate has not a P-384 key');
  const signed = bytes.subarray(0, SIGNED_LENGTH);
  const result = await verifySignature(key, { kind: 'ecdsa', hash: 'sha384' }, report.signature, signed);
  if (result === 'unsupported') return notChecked('nothing here can check ECDSA over P-384');
  return provenUnless(
    result === 'valid' ? null : 'the signature is not of that key over this report',
    'the signature verifies',
  );
}
