import { encodeHex } from '../../bytes/hex.ts';
import type { EvidenceVerdict } from '../verdict.ts';
import { claimedMeasurement } from './appraise.ts';
import type { TdxQuote } from './parse.ts';
import type { TcbFinding } from './tcb-status.ts';
import type { PckChain } from './verify.ts';

/** What the quote says of guest and quoting enclave, for people and for comparisons. */
export function guestFacts({ header, body, qe, trailing }: TdxQuote): EvidenceVerdict['facts'] {
  const [rtmr0, rtmr1, rtmr2, rtmr3] = body.rtmr;
  return {
    quote_version: header.version,
    tdx_version: body.tdxVersion,
    measurement: claimedMeasurement(body),
    mrtd: body.mrTd,
    rtmr0,
    rtmr1,
    rtmr2,
    rtmr3,
    report_data: encodeHex(body.reportData),
    mrseam: body.mrSeam,
    mrsignerseam: body.mrSignerSeam,
    mrconfigid: body.mrConfigId,
    mrowner: body.mrOwner,
    mrownerconfig: body.mrOwnerConfig,
    ...(body.mrServiceTd === null ? {} : { mrservicetd: body.mrServiceTd }),
    td_attributes: body.attributesRaw,
    xfam: body.xfamRaw,
    debug: body.attributes.debug,
    sept_ve_disable: body.attributes.septVeDisable,
    migratable: body.attributes.migratable,
    tee_tcb_svn: encodeHex(body.teeTcbSvn),
    ...(body.teeTcbSvn2 === null ? {} : { tee_tcb_svn2: encodeHex(body.teeTcbSvn2) }),
    qe_isvsvn: qe.report.isvSvn,
    trailing_bytes: trailing.bytes,
    trailing_zero: trailing.zero,
  };
}

/** What is known of the platform: the TCB status is `unknown` where nothing that is trusted says otherwise. */
export function tcbFacts(chain: PckChain | null, tcb: TcbFinding | null): EvidenceVerdict['facts'] {
  return {
    tcb_status: tcb?.status ?? 'unknown',
    ...(tcb === null ? {} : { advisories: tcb.advisories.join(',') }),
    ...(chain === null
      ? {}
      : {
          fmspc: chain.platform.fmspc,
          pce_id: chain.platform.pceId,
          pce_svn: chain.platform.pceSvn,
          cpu_svn: chain.platform.cpuSvn,
        }),
  };
}
