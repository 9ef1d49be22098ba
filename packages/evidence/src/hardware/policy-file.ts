import { FormatError } from '../format-error.ts';
import { JsonError } from '../json/error.ts';
import { parseJson } from '../json/parse.ts';
import type { JsonObject } from '../json/value.ts';
import { flag, integer, list, object, openObject, type Rule, text } from '../shape.ts';
import type { EvidencePolicy } from './policy.ts';

const bytes = (length: number): Rule => text(new RegExp(`^[0-9a-f]{${2 * length}}$`));
const optional = (members: Record<string, Rule>): Rule => object({}, members);
const words = list(text(/^[ -~]{1,200}$/));
const digests = openObject(openObject(list(text(/^(?:[0-9a-f]{64}|[0-9a-f]{96}|[0-9a-f]{128})$/))));

const SEV_SNP = optional({
  allowDebug: flag,
  maxVmpl: integer(0),
  minTcb: optional({
    bootloader: integer(0),
    tee: integer(0),
    snp: integer(0),
    microcode: integer(0),
    fmc: integer(0),
  }),
  measurements: list(bytes(48)),
  hostData: bytes(32),
  idKeyDigests: list(bytes(48)),
  authorKeyDigests: list(bytes(48)),
  platform: optional({
    smt: flag,
    tsme: flag,
    ecc: flag,
    raplDisabled: flag,
    ciphertextHiding: flag,
    aliasCheck: flag,
  }),
  guest: optional({ smt: flag, migration: flag, singleSocket: flag }),
  minGuestSvn: integer(0),
  mitigations: text(/^[0-9a-f]{1,16}$/),
  requireCrl: flag,
});

const TDX = optional({
  allowDebug: flag,
  allowTcbStatus: words,
  allowAdvisories: words,
  mrtd: list(bytes(48)),
  mrSeam: list(bytes(48)),
  mrConfigId: bytes(48),
  mrOwner: bytes(48),
  mrOwnerConfig: bytes(48),
  rtmr: optional({ '0': list(bytes(48)), '1': list(bytes(48)), '2': list(bytes(48)), '3': list(bytes(48)) }),
  requireSeptVeDisable: flag,
  allowTrailingBytes: flag,
});

const TPM = optional({
  pcrs: digests,
  selection: text(/^sha(?:256|384|512):\d{1,2}(?:,\d{1,2})*$/),
  firmwareVersions: words,
});

const NVIDIA = optional({ gpus: integer(1), driverVersions: words, vbiosVersions: words });

/** What a policy of a relying party has to look like. */
export const EVIDENCE_POLICY_RULE: Rule = optional({ sevSnp: SEV_SNP, tdx: TDX, tpm: TPM, nvidia: NVIDIA });

/**
 * Reads the appraisal policy of a relying party: strict JSON of the members of {@link EvidencePolicy}, and of no others, because
 * a rule that is misspelt would not be kept.
 *
 * @throws FormatError that names the member and what it should be
 */
export function readEvidencePolicy(input: Uint8Array | string): EvidencePolicy {
  const value = parse(input);
  const problem = EVIDENCE_POLICY_RULE(value, 'policy');
  if (problem !== null) throw new FormatError(problem);
  return value as JsonObject & EvidencePolicy;
}

function parse(input: Uint8Array | string): ReturnType<typeof parseJson> {
  try {
    return parseJson(input);
  } catch (error) {
    if (error instanceof JsonError) throw new FormatError(`the policy is not strict JSON: ${error.message}`);
    throw error;
  }
}
