import { type Finding, failed, notChecked, proven, provenUnless } from '../../finding.ts';
import { acceptability, type EvidenceCheck, remark } from '../verdict.ts';
import type { TdxPolicy } from './appraise.ts';
import type { Collateral } from './collateral.ts';
import { type Endorsement, type EndorsementKind, endorsement } from './endorsements.ts';
import type { TdxQuote } from './parse.ts';
import type { PckPlatform } from './pck.ts';
import { parseQeIdentity, type QeIdentity } from './qe-identity.ts';
import { crlChainProblem, revocation } from './revocation.ts';
import { parseTcbInfo, type TcbInfo } from './tcb-info.ts';
import { moduleProblem, platformStatus, qeProblem, qeStatus } from './tcb-level.ts';
import { converge, type TcbFinding, WAIVABLE_STATUSES } from './tcb-status.ts';
import type { PckChain } from './verify.ts';

/** Answers about the TCB; the status is null when it is not known. */
export interface TcbAppraisal {
  checks: EvidenceCheck[];
  tcb: TcbFinding | null;
}

/**
 * Whether the TCB under the guest is one that Intel stands by: TCB info and QE identity of Intel, the level that platform, TDX module
 * and quoting enclave reach, and whether a certificate was revoked. Without collateral the status is unknown, and never good.
 *
 * @param chain the certificates that the quote rests on; null when they lead to no trusted root
 * @param at seconds since the epoch
 */
export async function appraiseTcb(
  quote: TdxQuote,
  chain: PckChain | null,
  collateral: Collateral,
  { at, policy }: { at: number; policy: TdxPolicy },
): Promise<TcbAppraisal> {
  const endorser = { anchor: chain?.anchor ?? null, at };
  const info = await endorsement(collateral.tcbInfo, collateral.tcbChain, tcbInfoKind(chain?.platform), endorser);
  const qe = await endorsement(collateral.qeIdentity, collateral.qeChain, QE_IDENTITY_KIND, endorser);
  const tcb = statusOf(quote, chain, info.value, qe.value);
  return {
    checks: [
      acceptability('tdx.tcb_info', 'Does Intel speak of this platform (TCB info)?', info.finding),
      acceptability(
        'tdx.module_identity',
        'Is the TDX module one that Intel knows?',
        moduleIdentity(quote, info.value),
      ),
      acceptability('tdx.qe_identity', "Is the quoting enclave Intel's?", qeIdentity(quote, qe)),
      acceptability('tdx.tcb_status', 'Is the TCB up to date?', tcbStatus(tcb, policy)),
      advisories(tcb, policy),
      ...(await revocations(chain, collateral, [info, qe], at)),
    ],
    tcb,
  };
}

function tcbInfoKind(platform: PckPlatform | undefined): EndorsementKind<TcbInfo> {
  return {
    name: 'the TCB info',
    role: 'tcb_info',
    chainRole: 'tcb_chain',
    parse: parseTcbInfo,
    misfit: ({ fmspc, pceId }) =>
      fmspc === platform?.fmspc && pceId === platform.pceId
        ? null
        : `the TCB info is about FMSPC ${fmspc} and PCE ${pceId}, the platform is ${platform?.fmspc} and ${platform?.pceId}`,
  };
}

const QE_IDENTITY_KIND: EndorsementKind<QeIdentity> = {
  name: 'the QE identity',
  role: 'qe_identity',
  chainRole: 'qe_chain',
  parse: parseQeIdentity,
  misfit: () => null,
};

/** Null when it is not known: an "up to date" that leaves the quoting enclave out is none. */
function statusOf(
  quote: TdxQuote,
  chain: PckChain | null,
  info: TcbInfo | null,
  qe: QeIdentity | null,
): TcbFinding | null {
  if (chain === null || info === null) return null;
  const platform = platformStatus(info, chain.platform, quote.body);
  if (qe === null) return platform.status === 'UpToDate' ? null : platform;
  return converge([platform, qeStatus(qe, quote.qe.report)]);
}

function moduleIdentity({ body }: TdxQuote, info: TcbInfo | null): Finding {
  if (info === null) return notChecked('there is no TCB info to compare it with', 'the TCB info of the platform');
  return provenUnless(moduleProblem(info, body), 'signer and attributes are those in the TCB info', 'the TCB info');
}

function qeIdentity({ qe }: TdxQuote, { value, finding }: Endorsement<QeIdentity>): Finding {
  // Whoever can look into the quoting enclave can have it sign anything.
  if (qe.report.debug) return failed('the quoting enclave is in debug mode');
  if (value === null) return finding;
  return provenUnless(qeProblem(value, qe.report), finding.detail, finding.against);
}

function tcbStatus(tcb: TcbFinding | null, policy: TdxPolicy): Finding {
  if (tcb === null) {
    const detail = 'the TCB status is unknown: it takes TCB info and QE identity that hold for this quote';
    return notChecked(detail, 'collateral: tcb_info, tcb_chain, qe_identity and qe_chain');
  }
  if (tcb.status === 'UpToDate') return proven('the TCB is UpToDate', 'TCB info and QE identity');
  const waived = WAIVABLE_STATUSES.includes(tcb.status) && policy.allowTcbStatus?.includes(tcb.status) === true;
  const detail = `the TCB is ${tcb.status}`;
  return waived ? proven(`${detail}, which the policy accepts`, 'the policy') : failed(detail);
}

function advisories(tcb: TcbFinding | null, { allowAdvisories }: TdxPolicy): EvidenceCheck {
  const [id, title] = ['tdx.advisories', 'Which advisories of Intel apply?'];
  if (tcb === null) return remark('acceptable', id, title, notChecked('they are not known without the TCB status'));
  const found = tcb.advisories.length === 0 ? 'none' : tcb.advisories.join(', ');
  if (allowAdvisories === undefined) return remark('acceptable', id, title, proven(found));
  const unknown = tcb.advisories.filter((advisory) => !allowAdvisories.includes(advisory));
  const problem = unknown.length === 0 ? null : `the policy does not list ${unknown.join(', ')}`;
  return acceptability(id, title, provenUnless(problem, found, 'the policy'));
}

async function revocations(
  chain: PckChain | null,
  collateral: Collateral,
  endorsements: readonly Endorsement<unknown>[],
  at: number,
): Promise<EvidenceCheck[]> {
  const signers = endorsements.flatMap(({ signer }) => (signer === null ? [] : [signer]));
  const pck = await revocation({
    name: 'the CRL of the PCK CA',
    role: 'pck_crl',
    crl: collateral.pckCrl,
    issuer: chain?.issuer ?? null,
    certificates: chain === null ? [] : [chain.leaf],
    at,
  });
  const root = await revocation({
    name: 'the CRL of the root',
    role: 'root_crl',
    crl: collateral.rootCrl,
    issuer: chain?.root ?? null,
    certificates: chain === null ? [] : [chain.issuer, ...signers],
    at,
  });
  return [
    acceptability('tdx.pck_crl', 'Is the certificate of the platform not revoked?', pck),
    acceptability('tdx.root_crl', 'Are the certificates that the root issued not revoked?', root),
    ...crlChain(chain, collateral.pckCrlChain),
  ];
}

function crlChain(chain: PckChain | null, bytes: Uint8Array<ArrayBuffer> | undefined): EvidenceCheck[] {
  if (chain === null || bytes === undefined) return [];
  const finding = provenUnless(crlChainProblem(bytes, chain.issuer), 'it is', chain.issuer.subject.text);
  return [remark('acceptable', 'tdx.pck_crl_chain', 'Is the chain of the PCK CRL that of the PCK CA?', finding)];
}
