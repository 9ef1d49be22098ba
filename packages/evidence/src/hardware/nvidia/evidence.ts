import { encodeHex } from '../../bytes/hex.ts';
import { leafOf } from '../../crypto/leaf.ts';
import { readCertificates } from '../../crypto/x509.ts';
import { failed, notChecked, proven } from '../../finding.ts';
import { FormatError } from '../../format-error.ts';
import { utcText } from '../../time.ts';
import { anchorsFor, trustedRoot } from '../anchors.ts';
import { fileOf, hexText, type Reading, reading, surplus } from '../files.ts';
import type { EvidenceFiles, EvidenceGiven } from '../given.ts';
import { authenticity, type EvidenceVerdict, evidenceVerdict } from '../verdict.ts';
import { appraiseGpu, otherExpectations } from './appraise.ts';
import { appraiseToken } from './appraise-token.ts';
import { readKeySet } from './key-set.ts';
import { type GpuReport, parseGpuReport } from './parse.ts';
import { type DetachedEat, parseDetachedEat } from './token.ts';
import { verifyGpu } from './verify.ts';
import { verifyToken } from './verify-token.ts';

const REPORT_ROLES = ['report', 'chain', 'nonce', 'report_data', 'test_root'];
const TOKEN_ROLES = ['eat', 'jwks', 'nonce', 'report_data'];
const TITLE = 'Is there a report or a token that can be read?';

/**
 * Verifies and appraises evidence of an NVIDIA GPU. Total: any bytes give a verdict.
 *
 * @param files either `report` (SPDM request and response) and `chain` (of the device, in any order; PEM or DER), or `eat` (the answer
 * of NVIDIA's attestation service) and `jwks` (its keys, which the relying party brings); with either `nonce` (hex text: the
 * challenge), with which `report_data` is refused as user data is, and with a report `test_root`, which the relying party may give instead of production roots
 */
export async function nvidiaEvidence(files: EvidenceFiles, given: EvidenceGiven): Promise<EvidenceVerdict> {
  const [report, eat] = [fileOf(files, 'report'), fileOf(files, 'eat')];
  if (report !== undefined && eat !== undefined) {
    return only(failed('a report and a token are two pieces of evidence: verify each by itself'));
  }
  if (report === undefined && eat === undefined) {
    return only(notChecked('neither a report nor a token was supplied', '--file report=FILE or --file eat=FILE'));
  }
  const expected = reading(() => challengeOf(files, given));
  return report !== undefined
    ? ofReport(report, files, expected, given)
    : ofToken(eat ?? new Uint8Array(), files, expected, given);
}

function only(finding: ReturnType<typeof failed>): EvidenceVerdict {
  return evidenceVerdict('nvidia', [authenticity('nvidia.form', TITLE, finding)], null, {});
}

/** The challenge of the relying party: an argument, a file, or both if they say the same. */
function challengeOf(files: EvidenceFiles, given: EvidenceGiven): Uint8Array | null {
  const file = fileOf(files, 'nonce');
  const written = file === undefined ? null : hexText(file);
  if (written !== null && given.nonce !== undefined && encodeHex(written) !== encodeHex(given.nonce)) {
    throw new FormatError('the file nonce and the given nonce differ');
  }
  return given.nonce ?? written;
}

async function ofReport(
  bytes: Uint8Array<ArrayBuffer>,
  files: EvidenceFiles,
  nonce: Reading<Uint8Array | null>,
  given: EvidenceGiven,
): Promise<EvidenceVerdict> {
  const parsed = reading(() => parseGpuReport(bytes));
  if (parsed.problem !== null) return only(failed(parsed.problem));
  const report = parsed.value;
  const form = authenticity('nvidia.form', TITLE, proven('a signed SPDM 1.1 exchange'));
  const appraisal = [...appraiseGpu(report, nonce, given), ...otherExpectations(files, given)];
  const rest = [...appraisal, ...surplus('nvidia', files, REPORT_ROLES)];
  const chain = fileOf(files, 'chain');
  const material = chain === undefined ? null : reading(() => deviceChain(chain, files, given));
  if (material === null || material.problem !== null) {
    const finding =
      material === null ? notChecked('no chain was supplied', '--file chain=FILE') : failed(material.problem);
    const checks = [form, authenticity('nvidia.chain', 'Does a trusted root vouch for the device?', finding), ...rest];
    return evidenceVerdict('nvidia', checks, null, reportFacts(report));
  }
  const { leaf, issuers, anchors } = material.value;
  const { checks, anchor } = await verifyGpu({ bytes, report, leaf, issuers }, anchors, given.at);
  const root = anchor === null ? null : trustedRoot(anchor);
  return evidenceVerdict('nvidia', [form, ...checks, ...rest], root, reportFacts(report));
}

function deviceChain(chain: Uint8Array<ArrayBuffer>, files: EvidenceFiles, given: EvidenceGiven) {
  const issuers = readCertificates(chain);
  return {
    leaf: leafOf(issuers, 'chain'),
    issuers,
    anchors: anchorsFor(given, 'nvidia-device', fileOf(files, 'test_root')),
  };
}

async function ofToken(
  bytes: Uint8Array<ArrayBuffer>,
  files: EvidenceFiles,
  nonce: Reading<Uint8Array | null>,
  given: EvidenceGiven,
): Promise<EvidenceVerdict> {
  const eat = reading(() => parseDetachedEat(bytes));
  if (eat.problem !== null) return only(failed(eat.problem));
  const file = fileOf(files, 'jwks');
  const keys = file === undefined ? null : reading(() => readKeySet(file));
  if (keys?.value === null) return only(failed(`the keys of the service cannot be read: ${keys.problem}`));
  const { checks, root } = await verifyToken(eat.value, keys?.value ?? null);
  const form = authenticity('nvidia.form', TITLE, proven('an answer of the NVIDIA Remote Attestation Service'));
  const appraisal = [...appraiseToken(eat.value, nonce, given), ...otherExpectations(files, given)];
  const all = [form, ...checks, ...appraisal, ...surplus('nvidia', files, TOKEN_ROLES)];
  return evidenceVerdict('nvidia', all, root, tokenFacts(eat.value));
}

function reportFacts({ request, opaque, measurements }: GpuReport): EvidenceVerdict['facts'] {
  const named = {
    driver_version: opaque.driverVersion,
    vbios_version: opaque.vbiosVersion,
    fwid: opaque.fwid,
    board_id: opaque.boardId,
    project: opaque.project,
    project_sku: opaque.projectSku,
    chip_sku: opaque.chipSku,
  };
  const known = Object.entries(named).flatMap(([name, value]) => (value === null ? [] : [[name, value]]));
  return { nonce: request.nonce, measurements: measurements.length, ...Object.fromEntries(known) };
}

function tokenFacts({ overall, devices }: DetachedEat): EvidenceVerdict['facts'] {
  const of = [...devices].flatMap(([name, { claims }]) => {
    const fields = {
      model: claims.hwmodel,
      ueid: claims.ueid,
      driver_version: claims['x-nvidia-gpu-driver-version'],
      vbios_version: claims['x-nvidia-gpu-vbios-version'],
    };
    return Object.entries(fields).flatMap(([field, value]) =>
      value === undefined ? [] : [[`${name} ${field}`, value]],
    );
  });
  return { nonce: overall.claims.eat_nonce, issued_at: utcText(overall.claims.iat), ...Object.fromEntries(of) };
}
