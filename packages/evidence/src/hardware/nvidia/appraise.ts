import { encodeHex } from '../../bytes/hex.ts';
import { failed, notChecked, provenUnless } from '../../finding.ts';
import { fileOf, type Reading } from '../files.ts';
import type { EvidenceFiles, EvidenceGiven } from '../given.ts';
import { acceptability, type EvidenceCheck, remark } from '../verdict.ts';
import type { GpuReport } from './parse.ts';

/**
 * Whether the relying party accepts what a device reports of itself. That the measurements are good ones needs reference values
 * that NVIDIA publishes as signed RIM files for driver and VBIOS, and the revocation state of the chain: both are out of scope here
 * and said to be, so that the answer is never more than "not decided".
 *
 * @param nonce that the request should carry; null when none is known
 */
export function appraiseGpu(
  report: GpuReport,
  nonce: Reading<Uint8Array | null>,
  given: EvidenceGiven,
): EvidenceCheck[] {
  const { opaque, measurements } = report;
  const { driverVersions, vbiosVersions, gpus } = given.policy?.nvidia ?? {};
  const count = measurements.length;
  return [
    challenge(report.request.nonce, nonce),
    acceptability(
      'nvidia.measurements',
      'Are the measurements those of good firmware?',
      notChecked(
        `${count} measurements are signed; comparing them with NVIDIA's reference values (RIM) is out of scope`,
        'a token of the NVIDIA attestation service (--file eat=FILE --file jwks=FILE)',
      ),
    ),
    ...listed('nvidia.driver', 'Is the driver an allowed one?', opaque.driverVersion, driverVersions),
    ...listed('nvidia.vbios', 'Is the VBIOS an allowed one?', opaque.vbiosVersion, vbiosVersions),
    ...counted(1, gpus),
    remark(
      'acceptable',
      'nvidia.revocation',
      'Is no certificate of the device revoked?',
      notChecked('NVIDIA answers that online only (OCSP)'),
    ),
  ];
}

/** The request that the device signed carries the challenge of the relying party. */
export function challenge(found: string, nonce: Reading<Uint8Array | null>): EvidenceCheck {
  const [id, title] = ['nvidia.nonce', 'Does it answer the challenge?'];
  if (nonce.problem !== null) {
    return acceptability(id, title, failed(`the challenge that it should answer cannot be known: ${nonce.problem}`));
  }
  if (nonce.value === null) {
    return acceptability(
      id,
      title,
      notChecked(`it answers ${found}; no challenge was given to compare`, '--nonce HEX'),
    );
  }
  const expected = encodeHex(nonce.value);
  return acceptability(
    id,
    title,
    provenUnless(found === expected ? null : `it answers ${found}`, `it answers ${found}`, expected),
  );
}

/** A version against the list of the policy; nothing when the policy has no such list. */
export function listed(
  id: string,
  title: string,
  found: string | null,
  allowed: readonly string[] | undefined,
): EvidenceCheck[] {
  if (allowed === undefined) return [];
  const same = allowed.some((each) => each.toLowerCase() === found?.toLowerCase());
  const problem = found === null ? 'the evidence does not say which it is' : `it is ${found}, which is not listed`;
  return [acceptability(id, title, provenUnless(same ? null : problem, `it is ${found}`, 'the policy'))];
}

/** The number of GPUs against that of the policy. */
export function counted(found: number, wanted: number | undefined): EvidenceCheck[] {
  if (wanted === undefined) return [];
  const [id, title] = ['nvidia.gpus', 'Is it about as many GPUs as required?'];
  const problem = found === wanted ? null : `it is about ${found}`;
  return [acceptability(id, title, provenUnless(problem, `it is about ${found}`, String(wanted)))];
}

/** GPU evidence has neither user data nor one measurement: an expectation of these must not pass unnoticed. */
export function otherExpectations(files: EvidenceFiles, { userData, measurement }: EvidenceGiven): EvidenceCheck[] {
  const data = userData !== undefined || fileOf(files, 'report_data') !== undefined;
  const said = [data ? 'user data' : '', measurement === undefined ? '' : 'a measurement'];
  const names = said.filter((name) => name !== '').join(' and ');
  if (names === '') return [];
  const finding = failed(`${names} was expected, which GPU evidence cannot carry: it answers a challenge (--nonce)`);
  return [acceptability('nvidia.expectations', 'Can such evidence meet what is expected?', finding)];
}
