import { equalBytes } from '../../bytes/equal.ts';
import type { PublicKey } from '../../crypto/key.ts';
import { hash } from '../../crypto/sha2.ts';
import { type Certificate, readCertificates } from '../../crypto/x509.ts';
import { type Finding, failed, notChecked, proven } from '../../finding.ts';
import { reading } from '../files.ts';
import type { TrustAnchor } from '../given.ts';
import { authenticity, type EvidenceCheck } from '../verdict.ts';
import { type IntelTrust, intelChain } from './chain.ts';
import { p256Signature } from './p256.ts';
import type { TdxQuote } from './parse.ts';
import { type PckPlatform, readPckPlatform, SGX_EXTENSION } from './pck.ts';

/** Whom to believe about a quote, and when. */
export interface QuoteTrust extends IntelTrust {
  /** Certificates that came beside the quote. */
  pckChain: Uint8Array<ArrayBuffer> | undefined;
}

/** The certificates that a quote rests on. */
export interface PckChain {
  leaf: Certificate;
  /** The CA that issued the PCK certificate. */
  issuer: Certificate;
  root: Certificate;
  anchor: TrustAnchor;
  platform: PckPlatform;
}

/** Checks on authenticity; the chain is null when it does not lead to a trusted root. */
export interface QuoteAuthenticity {
  checks: EvidenceCheck[];
  chain: PckChain | null;
}

const PCK = 'Intel SGX PCK Certificate';
const PCK_ISSUERS = ['Intel SGX PCK Platform CA', 'Intel SGX PCK Processor CA'];

/** Whether a quote is genuine: root to PCK, PCK to quoting enclave, quoting enclave to attestation key, attestation key to quote. */
export async function verifyQuote(quote: TdxQuote, trust: QuoteTrust): Promise<QuoteAuthenticity> {
  const chain = await pckChain(quote, trust);
  const found = 'leaf' in chain ? chain : null;
  const finding = 'leaf' in chain ? proven(`the PCK chain ends at ${chain.anchor.name}`, chain.anchor.name) : chain;
  return {
    checks: [
      authenticity('tdx.pck_chain', 'Does Intel vouch for the platform (PCK chain to a pinned root)?', finding),
      authenticity('tdx.qe_report', 'Did the platform sign the quoting enclave?', await qeReport(quote, found)),
      authenticity('tdx.qe_binding', 'Does the quoting enclave name the attestation key?', qeBinding(quote)),
      authenticity('tdx.signature', 'Did the attestation key sign the quote?', await quoteSignature(quote)),
    ],
    chain: found,
  };
}

async function pckChain(quote: TdxQuote, trust: QuoteTrust): Promise<PckChain | Finding> {
  const sources = [quote.qe.certificates, trust.pckChain ?? new Uint8Array()].filter((bytes) => bytes.length > 0);
  if (sources.length === 0) return notChecked('the quote has no PCK chain', 'the file of role pck_chain');
  const read = reading(() => sources.flatMap((bytes) => readCertificates(bytes)));
  if (read.problem !== null) return failed(`the PCK chain: ${read.problem}`);
  // Which of them is the leaf is said by what they are: not every quoting service writes it first.
  const leaf = read.value.find(({ extensions }) => extensions.has(SGX_EXTENSION));
  if (leaf === undefined) return failed('none of the certificates is a PCK certificate');
  const built = await intelChain('the PCK chain', leaf, read.value, trust);
  if (!('path' in built)) return built;
  const [, issuer, root, ...more] = built.path;
  if (issuer === undefined || root === undefined || more.length > 0) {
    return failed('the PCK chain is not that of leaf, CA and root');
  }
  // Under the same root, keys for other purposes have certificates too.
  if (leaf.subject.commonName !== PCK || !PCK_ISSUERS.includes(issuer.subject.commonName ?? '')) {
    return failed(`${leaf.subject.text} is no PCK certificate of an Intel PCK CA`);
  }
  const platform = reading(() => readPckPlatform(leaf));
  if (platform.problem !== null) return failed(platform.problem);
  return { leaf, issuer, root, anchor: built.anchor, platform: platform.value };
}

async function qeReport({ qe }: TdxQuote, chain: PckChain | null): Promise<Finding> {
  if (chain === null) return notChecked('there is no PCK certificate to check it under');
  const said = { by: 'the PCK of the platform', what: 'the report of the quoting enclave' };
  return p256Signature(chain.leaf.key, qe.signature, qe.reportBytes, said);
}

/** The report of the quoting enclave carries SHA-256(attestation key || authentication data), then zeros. */
function qeBinding({ qe, attestationKey }: TdxQuote): Finding {
  const named = new Uint8Array(attestationKey.length + qe.authData.length);
  named.set(attestationKey);
  named.set(qe.authData, attestationKey.length);
  const bound = new Uint8Array(64);
  bound.set(hash('sha256', named));
  return equalBytes(bound, qe.report.reportData)
    ? proven('the report of the quoting enclave carries the hash of the attestation key')
    : failed('the report of the quoting enclave is about another attestation key');
}

function quoteSignature({ attestationKey, signature, signed }: TdxQuote): Promise<Finding> {
  const key: PublicKey = {
    kind: 'ec',
    curve: 'P-256',
    x: attestationKey.slice(0, 32),
    y: attestationKey.slice(32),
  };
  return p256Signature(key, signature, signed, { by: 'the attestation key', what: 'the quote' });
}
