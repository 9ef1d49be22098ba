import { encodeHex } from '../../bytes/hex.ts';
import { hash } from '../../crypto/sha2.ts';
import { type Finding, failed, notChecked, provenUnless } from '../../finding.ts';
import { fileOf, reading } from '../files.ts';
import type { EvidenceFiles, EvidenceGiven } from '../given.ts';
import type { EvidencePolicy } from '../policy.ts';
import { challengeFinding, reportDataFinding } from '../report-data.ts';
import { acceptability, type EvidenceCheck, remark } from '../verdict.ts';
import { HOST_VMPL, type SnpReport } from './parse.ts';
import { type Product, readTcb, shortOf, tcbText } from './product.ts';

type Policy = NonNullable<EvidencePolicy['sevSnp']>;

/** The measurement as claims write it: a digest of the launch digest (wire-formats section 11.1). */
export function claimedMeasurement({ measurement }: SnpReport): string {
  return `sha384:${encodeHex(hash('sha384', measurement))}`;
}

/**
 * Whether the relying party accepts what the report says. By default: the guest is not debuggable and has no migration agent, the
 * report was requested by the guest, TCB versions are in order; and every value that `given` names is the one in the report.
 *
 * @param product whose TCB layout holds; null when it is not known
 */
export function appraiseSnp(
  report: SnpReport,
  product: Product | null,
  files: EvidenceFiles,
  given: EvidenceGiven,
): EvidenceCheck[] {
  const policy = given.policy?.sevSnp ?? {};
  return [
    ...freshness(report, files, given),
    ...measured(report, given.measurement, policy),
    ...guest(report, policy),
    ...requester(report, policy),
    ...firmware(report, product, policy),
    ...owners(report, policy),
    bits('sev-snp.platform', 'Is the platform set up as required?', report.platform, policy.platform),
  ];
}

/** A check that counts when the relying party named a value, and is only reported when it did not. */
function ifNamed(named: boolean, id: string, title: string, finding: Finding): EvidenceCheck {
  return named ? acceptability(id, title, finding) : remark('acceptable', id, title, finding);
}

function freshness({ reportData }: SnpReport, files: EvidenceFiles, given: EvidenceGiven): EvidenceCheck[] {
  const asked = given.userData !== undefined || fileOf(files, 'report_data') !== undefined;
  const finding = reportDataFinding(reportData, files, given);
  const checks = [ifNamed(asked, 'sev-snp.report_data', 'Does REPORT_DATA hold what was asked for?', finding)];
  const open = challengeFinding(files, given);
  if (open === null) return checks;
  return [...checks, acceptability('sev-snp.nonce', 'Does the report answer the challenge?', open)];
}

function measured(report: SnpReport, expected: string | undefined, { measurements }: Policy): EvidenceCheck[] {
  const [field, claimed] = [encodeHex(report.measurement), claimedMeasurement(report)];
  const title = 'Is the launch measurement the expected one?';
  const same = [field, claimed].includes(expected?.toLowerCase() ?? '');
  const one =
    expected === undefined
      ? notChecked(`MEASUREMENT is ${field}, in a claim ${claimed}; no reference value was given`)
      : provenUnless(
          same ? null : `MEASUREMENT is ${field}, in a claim ${claimed}`,
          `MEASUREMENT is ${field}`,
          expected,
        );
  const checks = [ifNamed(expected !== undefined, 'sev-snp.measurement', title, one)];
  if (measurements === undefined) return checks;
  const listed = among(field, measurements, 'MEASUREMENT');
  return [...checks, acceptability('sev-snp.measurement_list', 'Is the launch measurement an allowed one?', listed)];
}

function among(found: string, allowed: readonly string[], name: string): Finding {
  const problem = allowed.includes(found) ? null : `${name} is ${found}, which the policy does not list`;
  return provenUnless(problem, `${name} is ${found}`, 'the policy');
}

function guest({ policy: found, guestSvn }: SnpReport, { allowDebug, guest, minGuestSvn }: Policy): EvidenceCheck[] {
  const debug =
    found.debug && allowDebug !== true ? 'the host may read and change the guest, because DEBUG is set' : null;
  const agent = found.migrationAgent && guest?.migration !== true ? 'a migration agent may move the guest' : null;
  const bit = found.reservedOne ? null : 'bit 17 of the guest policy is always one, here it is not';
  const version = `the security version of the guest is ${guestSvn}`;
  const old = minGuestSvn !== undefined && guestSvn < minGuestSvn ? version : null;
  const allowed = { smt: guest?.smt, singleSocket: guest?.singleSocket };
  return [
    acceptability('sev-snp.debug', 'Is the guest closed to debugging?', provenUnless(debug, permitted(found.debug))),
    acceptability('sev-snp.migration', 'Does the guest stay?', provenUnless(agent, permitted(found.migrationAgent))),
    acceptability('sev-snp.policy_form', 'Is it a guest policy?', provenUnless(bit, 'bit 17 is one')),
    bits('sev-snp.guest', 'Was the guest launched as required?', found, allowed),
    ifNamed(
      minGuestSvn !== undefined,
      'sev-snp.guest_svn',
      'Is the guest recent enough?',
      minGuestSvn === undefined
        ? notChecked(`${version}; no least was given`)
        : provenUnless(old, version, `at least ${minGuestSvn}`),
    ),
  ];
}

function permitted(set: boolean): string {
  return set ? 'the policy of the relying party allows it' : 'the bit is not set';
}

/** Compares flags: true requires, false forbids, undefined is not looked at. */
function bits<Name extends string>(
  id: string,
  title: string,
  found: Readonly<Record<Name, unknown>>,
  wanted: Readonly<Partial<Record<Name, boolean | undefined>>> | undefined,
): EvidenceCheck {
  const required = Object.entries(wanted ?? {}).filter(([, value]) => value !== undefined) as [Name, boolean][];
  if (required.length === 0) return remark('acceptable', id, title, notChecked('nothing was required of it'));
  const wrong = required.filter(([name, value]) => found[name] !== value);
  const say = (flags: [Name, boolean][], turn: boolean) =>
    flags.map(([name, value]) => `${name} is ${value === turn ? 'on' : 'off'}`).join(', ');
  const problem = wrong.length > 0 ? say(wrong, false) : null;
  return acceptability(id, title, provenUnless(problem, say(required, true), 'the policy'));
}

function requester({ vmpl }: SnpReport, { maxVmpl }: Policy): EvidenceCheck[] {
  const title = 'Did the guest ask for the report, at the level that is required?';
  if (vmpl === HOST_VMPL) {
    const finding = failed('the host asked for this report, not the guest: REPORT_DATA says nothing of the guest');
    return [acceptability('sev-snp.vmpl', title, finding)];
  }
  const problem = maxVmpl !== undefined && vmpl > maxVmpl ? `it was requested at VMPL ${vmpl}` : null;
  const against = maxVmpl === undefined ? null : `at most VMPL ${maxVmpl}`;
  return [acceptability('sev-snp.vmpl', title, provenUnless(problem, `it was requested at VMPL ${vmpl}`, against))];
}

function firmware(report: SnpReport, product: Product | null, { minTcb, mitigations }: Policy): EvidenceCheck[] {
  const [orderTitle, floorTitle] = ['Are the TCB versions in order?', 'Is the committed firmware recent enough?'];
  if (product === null) {
    const unknown = notChecked('the layout of TCB versions of this processor is not known');
    return [acceptability('sev-snp.tcb_order', orderTitle, unknown)];
  }
  const tcb = reading(() => tcbOf(report, product));
  if (tcb.problem !== null) return [acceptability('sev-snp.tcb_order', orderTitle, failed(tcb.problem))];
  const { current, committed, reported } = tcb.value;
  const above = shortOf(committed, reported) ?? shortOf(current, committed);
  const text = tcbText(committed);
  const short = minTcb === undefined ? null : shortOf(committed, minTcb);
  const floor =
    minTcb === undefined
      ? notChecked(`the committed TCB version is ${text}; no least was given`)
      : provenUnless(short, text, 'the policy');
  const order = provenUnless(
    above === null ? null : `reported, committed and current do not follow each other: ${above}`,
    'the reported one is not above the committed, nor that above the current',
  );
  return [
    acceptability('sev-snp.tcb_order', orderTitle, order),
    ifNamed(minTcb !== undefined, 'sev-snp.tcb_floor', floorTitle, floor),
    ...mitigated(report.currentMitigations, mitigations),
  ];
}

function tcbOf({ currentTcb, committedTcb, reportedTcb, launchTcb }: SnpReport, product: Product) {
  return {
    current: readTcb(currentTcb, product),
    committed: readTcb(committedTcb, product),
    reported: readTcb(reportedTcb, product),
    launch: readTcb(launchTcb, product),
  };
}

function mitigated(found: string | null, wanted: string | undefined): EvidenceCheck[] {
  if (wanted === undefined) return [];
  const [id, title] = ['sev-snp.mitigations', 'Are the required mitigations in place?'];
  if (found === null) {
    return [acceptability(id, title, failed('a report before version 5 has no mitigation vector', wanted))];
  }
  if (!/^[0-9a-f]{1,16}$/.test(wanted)) {
    return [acceptability(id, title, failed('what the policy requires is not a hex number of 64 bits', wanted))];
  }
  const missing = BigInt(`0x${wanted}`) & ~BigInt(`0x${found}`);
  const problem = missing === 0n ? null : `bits 0x${missing.toString(16)} are not set`;
  return [acceptability(id, title, provenUnless(problem, `the vector is 0x${found}`, `0x${wanted}`))];
}

function owners(report: SnpReport, { hostData, idKeyDigests, authorKeyDigests }: Policy): EvidenceCheck[] {
  const ask = (id: string, title: string, name: string, found: string, allowed: readonly string[] | undefined) =>
    ifNamed(
      allowed !== undefined,
      id,
      title,
      allowed === undefined ? notChecked(`${name} is ${found}; no value was given`) : among(found, allowed, name),
    );
  const author = report.key.authorKey ? report.authorKeyDigest : 'not there';
  const hosts = hostData === undefined ? undefined : [hostData];
  return [
    ask('sev-snp.host_data', 'Is HOST_DATA the required one?', 'HOST_DATA', report.hostData, hosts),
    ask('sev-snp.id_key', 'Did an allowed key sign the guest?', 'ID_KEY_DIGEST', report.idKeyDigest, idKeyDigests),
    ask('sev-snp.author_key', 'Is its author an allowed one?', 'AUTHOR_KEY_DIGEST', author, authorKeyDigests),
  ];
}
