import {
  attestationKeyProblem,
  type Certificate,
  type CertificateTrust,
  endorsementTrust,
  FormatError,
  isSoftwareTpm,
  parseCertificate,
  parsePublic,
  parseStoragePublic,
  samePublicKey,
  type TpmDevice,
  type TpmPublic,
  type TpmStoragePublic,
  type TrustAnchor,
  type TrustedRoot,
} from '@cmcp/evidence';
import { TpmError } from '../tpm/error.ts';
import { nameOf } from '../tpm/public-area.ts';
import type { EnrolmentRequest } from './documents.ts';
import { refused } from './refusal.ts';

/** tcg-kp-EKCertificate (TCG EK Credential Profile, section 3.2.16). */
const EKU_ENDORSEMENT_KEY = '2.23.133.8.1';

/** Whom the enroller trusts to vouch for TPMs. */
export interface EnrollerTrust {
  anchors: readonly TrustAnchor[];
  /** Certificates that may stand between an endorsement key and an anchor. They are not trusted by themselves. */
  pool: readonly Certificate[];
  /** The enroller's clock, seconds since the epoch. */
  at: number;
}

/** An endorsement key that a maker vouches for. */
export interface VettedEndorsement {
  certificate: Certificate;
  area: TpmStoragePublic;
  name: Uint8Array<ArrayBuffer>;
  root: TrustedRoot;
  device: TpmDevice;
  /** The device is a program, not a chip. */
  software: boolean;
}

/** An attestation key that signs nothing but what its TPM says, wherever that TPM is. */
export interface VettedAttestation {
  area: TpmPublic;
  name: Uint8Array<ArrayBuffer>;
}

/**
 * The attestation key of a request, if it is a restricted signing key that a TPM made and keeps. That it is in any TPM is not said.
 * @throws GatewayError ENROLMENT_REFUSED
 */
export function vetAttestationKey(publicArea: Uint8Array<ArrayBuffer>): VettedAttestation {
  const area = readArea(publicArea, 'attestation', parsePublic);
  const problem = attestationKeyProblem(area);
  if (problem !== null) {
    throw refused(
      `${problem}. Such a key signs other things than what the TPM says; use the key that the gateway makes`,
    );
  }
  if (area.scheme === null || area.scheme.hash === 'sha1') {
    throw refused('the attestation key has no scheme of its own, or one over SHA-1, whose quotes nobody accepts');
  }
  return { area, name: nameOfArea(publicArea) };
}

/**
 * The first endorsement key of a request that a root of the enroller vouches for.
 * @throws GatewayError ENROLMENT_REFUSED that says of each what is wrong with it
 */
export async function vetEndorsementKeys(
  { endorsementKeys, issuers }: EnrolmentRequest,
  trust: EnrollerTrust,
): Promise<VettedEndorsement> {
  if (endorsementKeys.length === 0) {
    throw refused('the request holds no endorsement key with a certificate, so that nobody vouches for the TPM');
  }
  const pool = [...trust.pool, ...issuers.map((der) => readCertificate(der, 'of an issuer'))];
  const problems: string[] = [];
  for (const each of endorsementKeys) {
    const vetted = await vetEndorsementKey(each, { ...trust, pool });
    if (typeof vetted !== 'string') return vetted;
    problems.push(vetted);
  }
  throw refused(`no root that you trust vouches for the TPM:\n${problems.map((problem) => `- ${problem}`).join('\n')}`);
}

/** The key, or why it is not accepted. */
async function vetEndorsementKey(
  given: EnrolmentRequest['endorsementKeys'][number],
  { anchors, pool, at }: EnrollerTrust,
): Promise<VettedEndorsement | string> {
  const certificate = readCertificate(given.certificate, 'of an endorsement key');
  const area = readArea(given.publicArea, 'endorsement', parseStoragePublic);
  const trust = await endorsement(certificate, pool, { anchors, at });
  const which = `the endorsement key with certificate ${certificate.serial} by "${certificate.issuer.text}"`;
  const { root, device } = trust;
  if (root === null)
    return `${which}: ${trust.finding.detail}. Name its root with --root, certificates between with --issuer`;
  const problem = certificateProblem(trust, certificate) ?? areaProblem(area, certificate);
  if (problem !== null) return `${which}: ${problem}`;
  // A TPM of which nobody knows what it is could be a program that is not called one.
  if (device === null) return `${which}: its certificate does not name the maker and model of the TPM`;
  return { certificate, area, name: nameOfArea(given.publicArea), root, device, software: isSoftwareTpm(device) };
}

function certificateProblem({ weak }: CertificateTrust, { extendedKeyUsage }: Certificate): string | null {
  if (weak) return 'a certificate in its chain is signed with SHA-1';
  if (extendedKeyUsage.includes(EKU_ENDORSEMENT_KEY)) return null;
  return `its certificate does not say that it is one of an endorsement key (extended key usage ${EKU_ENDORSEMENT_KEY})`;
}

/** Only a key that does nothing but open what is meant for its TPM keeps the secret from whoever uses the machine. */
function areaProblem({ key, attributes }: TpmStoragePublic, certificate: Certificate): string | null {
  if (!samePublicKey(key, certificate.key)) return 'its certificate is one of another key';
  const { restricted, decrypt, sign, fixedTPM, fixedParent, sensitiveDataOrigin } = attributes;
  const needed = { restricted, decrypt, fixedTPM, fixedParent, sensitiveDataOrigin, 'not sign': !sign };
  const lacking = Object.entries(needed).flatMap(([name, holds]) => (holds ? [] : [name]));
  return lacking.length === 0 ? null : `it is not: ${lacking.join(', ')}`;
}

function readCertificate(der: Uint8Array<ArrayBuffer>, whose: string): Certificate {
  return readable(`the certificate ${whose}`, () => parseCertificate(der));
}

function endorsement(...given: Parameters<typeof endorsementTrust>): Promise<CertificateTrust> {
  return endorsementTrust(...given).catch((error: unknown) => {
    throw unreadable('what the certificate says about its TPM', error);
  });
}

/** Bare, as its name is computed: with a size in front it would have another. */
function readArea<T>(bytes: Uint8Array<ArrayBuffer>, whose: string, parse: (bytes: Uint8Array<ArrayBuffer>) => T): T {
  const what = `the public area of the ${whose} key`;
  const area = readable(what, () => parse(bytes));
  if (bytes[0] !== 0 || (bytes[1] !== 0x01 && bytes[1] !== 0x23)) throw refused(`${what} has its size in front`);
  return area;
}

function readable<T>(what: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw unreadable(what, error);
  }
}

function unreadable(what: string, error: unknown): unknown {
  return error instanceof FormatError ? refused(`${what} cannot be read: ${error.message}`, error) : error;
}

function nameOfArea(publicArea: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  try {
    return nameOf(publicArea);
  } catch (error) {
    throw error instanceof TpmError ? refused(error.message, error) : error;
  }
}
