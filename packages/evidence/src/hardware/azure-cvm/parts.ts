import { equalBytes } from '../../bytes/equal.ts';
import { FormatError } from '../../format-error.ts';
import { fileOf } from '../files.ts';
import type { EvidenceFiles } from '../given.ts';
import { filesOfEvidenceJson } from './evidence-json.ts';
import { type AzureTee, type HclReport, parseHcl, parseRuntimeData, type RuntimeData } from './parse.ts';

/** The evidence of a confidential VM on Azure, taken apart. */
export interface AzureParts {
  tee: AzureTee;
  /** Everything that was supplied, with the members of an evidence JSON under their roles. */
  files: EvidenceFiles;
  /** Where an SEV-SNP report or TDREPORT is supplied. */
  report: Uint8Array<ArrayBuffer> | null;
  runtime: { bytes: Uint8Array<ArrayBuffer>; data: RuntimeData } | null;
  /** Whether the report of the paravisor and parts of it, both supplied, are the same; null: there is nothing to compare. */
  agree: boolean | null;
}

/** Takes the evidence apart. @throws FormatError when something in it cannot be read, or is supplied twice */
export function partsOf(supplied: EvidenceFiles): AzureParts {
  const files = unfolded(supplied);
  const whole = fileOf(files, 'hcl_report');
  const hcl = whole === undefined ? null : parseHcl(whole);
  const report = fileOf(files, 'report') ?? null;
  const bytes = fileOf(files, 'runtime_data') ?? hcl?.runtimeData ?? null;
  return {
    tee: hcl?.tee ?? (fileOf(files, 'quote') === undefined ? 'sev-snp' : 'tdx'),
    files,
    report: report ?? hcl?.report ?? null,
    runtime: bytes === null ? null : { bytes, data: parseRuntimeData(bytes) },
    agree: hcl === null ? null : agreement(hcl, report, fileOf(files, 'runtime_data') ?? null),
  };
}

function unfolded(supplied: EvidenceFiles): EvidenceFiles {
  const json = fileOf(supplied, 'evidence');
  if (json === undefined) return supplied;
  const inside = filesOfEvidenceJson(json);
  const twice = Object.keys(inside).find((role) => fileOf(supplied, role) !== undefined);
  if (twice !== undefined) throw new FormatError(`${twice} is supplied twice: by itself and in the evidence JSON`);
  return { ...supplied, ...inside };
}

function agreement(hcl: HclReport, report: Uint8Array | null, runtimeData: Uint8Array | null): boolean | null {
  if (report === null && runtimeData === null) return null;
  return equalBytes(report ?? hcl.report, hcl.report) && equalBytes(runtimeData ?? hcl.runtimeData, hcl.runtimeData);
}
