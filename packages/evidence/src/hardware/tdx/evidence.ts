import { failed, notChecked, proven } from '../../finding.ts';
import { anchorsFor, trustedRoot } from '../anchors.ts';
import { fileOf, reading, surplus } from '../files.ts';
import type { EvidenceFiles, EvidenceGiven } from '../given.ts';
import { authenticity, type EvidenceCheck, type EvidenceVerdict, evidenceVerdict, remark } from '../verdict.ts';
import { appraiseGuest } from './appraise.ts';
import { appraiseTcb } from './appraise-tcb.ts';
import { COLLATERAL_ROLES, collateralOf } from './collateral.ts';
import { replayEventLog } from './event-log.ts';
import { eventLogTable } from './event-log-table.ts';
import { guestFacts, tcbFacts } from './facts.ts';
import { parseQuote, type TdxQuote } from './parse.ts';
import { type PckChain, verifyQuote } from './verify.ts';

const ROLES = ['quote', ...COLLATERAL_ROLES, 'report_data', 'nonce', 'event_log', 'event_log_table', 'test_root'];

/**
 * Verifies and appraises a quote of Intel TDX, version 4 or 5. Total: any bytes give a verdict.
 *
 * @param files `quote`; `pck_chain` when the quote has none; collateral of Intel: `tcb_info` and `qe_identity` as received, their
 * signers' chains `tcb_chain` and `qe_chain`, the CRLs `pck_crl` and `root_crl` (DER or PEM) and `pck_crl_chain`, or all of it in one
 * JSON bundle `collateral`; `report_data` and `nonce`, the expected value and the challenge as hex text; `event_log` (CCEL) and its ACPI table
 * `event_log_table`; and `test_root`, which the relying party may give instead of production roots
 */
export async function tdxEvidence(files: EvidenceFiles, given: EvidenceGiven): Promise<EvidenceVerdict> {
  const unused = surplus('tdx', files, ROLES);
  const file = fileOf(files, 'quote');
  const title = 'Is there a quote that can be read?';
  if (file === undefined) {
    const missing = notChecked('no quote was supplied', '--file quote=FILE');
    return evidenceVerdict('tdx', [authenticity('tdx.quote', title, missing), ...unused], null, {});
  }
  const read = reading(() => parseQuote(file));
  if (read.problem !== null) {
    const checks = [authenticity('tdx.quote', title, failed(read.problem)), ...unused];
    return evidenceVerdict('tdx', checks, null, {});
  }
  const form = authenticity('tdx.quote', title, proven(`a TDX quote, version ${read.value.header.version}`));
  return verdictOn(read.value, files, given, [form, ...unused]);
}

async function verdictOn(
  quote: TdxQuote,
  files: EvidenceFiles,
  given: EvidenceGiven,
  before: readonly EvidenceCheck[],
): Promise<EvidenceVerdict> {
  const { checks, chain } = await authentic(quote, files, given);
  const { collateral, problem } = collateralOf(files);
  const policy = given.policy?.tdx ?? {};
  const platform = await appraiseTcb(quote, chain, collateral, { at: given.at, policy });
  const log = fileOf(files, 'event_log');
  const replayed = replayEventLog(log, quote.body);
  const all = [
    ...before,
    ...checks,
    ...platform.checks,
    ...bundle(problem),
    ...appraiseGuest(quote, files, given),
    ...replayed.checks,
    ...eventLogTable(fileOf(files, 'event_log_table'), log),
  ];
  const facts = {
    ...guestFacts(quote),
    ...tcbFacts(chain, platform.tcb),
    ...(log === undefined ? {} : { rtmr_replay: replayed.matched.join(',') }),
  };
  return evidenceVerdict('tdx', all, chain === null ? null : trustedRoot(chain.anchor), facts);
}

/** Signatures, under the roots of the relying party or under its test root alone. */
async function authentic(
  quote: TdxQuote,
  files: EvidenceFiles,
  given: EvidenceGiven,
): Promise<{ checks: EvidenceCheck[]; chain: PckChain | null }> {
  const anchors = reading(() => anchorsFor(given, 'intel-sgx', fileOf(files, 'test_root')));
  const trust = { anchors: anchors.value ?? [], at: given.at, pckChain: fileOf(files, 'pck_chain') };
  const { checks, chain } = await verifyQuote(quote, trust);
  if (anchors.problem === null) return { checks, chain };
  const unreadable = authenticity('tdx.test_root', 'Can the test root be read?', failed(anchors.problem));
  return { checks: [unreadable, ...checks], chain };
}

function bundle(problem: string | null): EvidenceCheck[] {
  if (problem === null) return [];
  return [remark('acceptable', 'tdx.collateral', 'Can the collateral be read?', failed(problem))];
}
