import {
  type Certificate,
  encodeHex,
  equalBytes,
  FormatError,
  parseStoragePublic,
  samePublicKey,
} from '@cmcp/evidence';
import { GatewayError } from '../../errors.ts';
import type { AuthSession, LoadedKey, Tpm, TpmCommands } from '../tpm/api.ts';
import { ownKey } from '../tpm/attestation-key.ts';
import { RC } from '../tpm/constants.ts';
import { TpmError } from '../tpm/error.ts';
import { endorsementIssuers, hexIndex, nvCertificate } from '../tpm/nv-certificates.ts';
import { ekEccP256Template, ekEccP384Template, ekRsa2048Template } from '../tpm/templates.ts';
import type { EnrolmentAnswer, EnrolmentChallenge, EnrolmentRequest } from './documents.ts';
import { refused } from './refusal.ts';

/** Where the certificate of each standard endorsement key is, and what the key is made from (TCG EK Credential Profile, section 2.2.1.4). */
const STANDARD_KEYS = [
  { index: 0x01c0_000a, template: ekEccP256Template },
  { index: 0x01c0_0002, template: ekRsa2048Template },
  { index: 0x01c0_0016, template: ekEccP384Template },
] as const;

/** Persistent endorsement keys (TCG TPM v2.0 Provisioning Guidance, section 7.8). */
const EK_HANDLES = { first: 0x8101_0000, last: 0x8101_00ff };

/** Hears what was passed over, and why. */
export type Say = (detail: string) => void;

/**
 * The request of this machine: the gateway's attestation key, and every endorsement key of the TPM that has a certificate.
 * @throws GatewayError ENROLMENT_REFUSED
 */
export function requestEnrolment(tpm: Tpm, machine: string, say: Say): Promise<EnrolmentRequest> {
  return withTpm(tpm, async (commands) => {
    const { publicArea } = await ownKey(commands);
    const endorsementKeys: EnrolmentRequest['endorsementKeys'] = [];
    for (const standard of STANDARD_KEYS) {
      const found = await certifiedKey(commands, standard, say);
      if (found !== null) endorsementKeys.push(found);
    }
    if (endorsementKeys.length === 0) {
      throw refused(
        'the TPM has no endorsement key with a certificate, so that nobody vouches for it. Some virtual TPMs have none: use the evidence of that platform',
      );
    }
    const issuers = (await endorsementIssuers(commands, say)).map(({ der }) => der);
    return { machine, attestationKey: publicArea, endorsementKeys, issuers };
  });
}

/**
 * Has the TPM open a challenge: it does so only for the endorsement key and the attestation key that the challenge is for
 * (TPM2_ActivateCredential, TPM 2.0 Part 3).
 *
 * @param at the machine's clock, seconds since the epoch
 * @throws GatewayError ENROLMENT_REFUSED
 */
export async function answerChallenge(tpm: Tpm, challenge: EnrolmentChallenge, at: number): Promise<EnrolmentAnswer> {
  if (!(at <= challenge.expires)) throw refused('the challenge has expired. Ask the enroller for another');
  return withTpm(tpm, async (commands) => {
    const attestation = await ownKey(commands);
    const attestationKey = await attestation.use(commands);
    if (!equalBytes(attestationKey.name, challenge.attestationKeyName)) {
      throw refused(
        'the challenge is for another attestation key than the one in this TPM. Answer it on the machine that made the request; after a change of the TPM make another request',
      );
    }
    const opening = await challengedKey(commands, challenge);
    const endorsed = await endorsement(commands, opening);
    const secret = await commands.activateCredential(attestationKey, opening, endorsed, challenge.credential);
    return { id: challenge.id, secret };
  });
}

async function certifiedKey(
  commands: TpmCommands,
  { index, template }: (typeof STANDARD_KEYS)[number],
  say: Say,
): Promise<EnrolmentRequest['endorsementKeys'][number] | null> {
  const certificate = await nvCertificate(commands, index, say);
  if (certificate === null) return null;
  const key = await endorsementKey(commands, [template], (each) => isOf(certificate, each));
  if (key !== null) return { certificate: certificate.der, publicArea: key.publicArea };
  say(`the endorsement key of the certificate in NV index ${hexIndex(index)} is not in the TPM`);
  return null;
}

async function challengedKey(commands: TpmCommands, { endorsementKeyName }: EnrolmentChallenge): Promise<LoadedKey> {
  const templates = STANDARD_KEYS.map(({ template }) => template);
  const key = await endorsementKey(commands, templates, ({ name }) => equalBytes(name, endorsementKeyName));
  if (key !== null) return key;
  throw refused(
    `the challenge is for the endorsement key ${encodeHex(endorsementKeyName)}, which is not in this TPM. Answer it on the machine that made the request`,
  );
}

/**
 * The endorsement key that is the one looked for: one that the maker left in the TPM, for making one takes a chip seconds, else one
 * made from a template. What is not the one is let go of at once: there is room for three keys.
 */
async function endorsementKey(
  commands: TpmCommands,
  templates: readonly (() => Uint8Array)[],
  isIt: (key: LoadedKey) => boolean,
): Promise<LoadedKey | null> {
  const kept = (await commands.handles(EK_HANDLES.first)).filter((handle) => handle <= EK_HANDLES.last);
  for (const handle of kept) {
    const key = await commands.readPublic(handle);
    if (isIt(key)) return key;
  }
  for (const template of templates) {
    const key = await commands.createPrimary('endorsement', template());
    if (isIt(key)) return key;
    await commands.flush(key.handle);
  }
  return null;
}

/**
 * What opens an endorsement key: keys of the high range take an empty auth value, which is all that their policy of several branches
 * would ask for, those of the low range only the policy of the endorsement hierarchy (TCG EK Credential Profile, section B.6).
 */
async function endorsement(commands: TpmCommands, { publicArea }: LoadedKey): Promise<AuthSession | null> {
  if (parseStoragePublic(publicArea).attributes.userWithAuth) return null;
  const session = await commands.policySession();
  await commands.policySecret(session, 'endorsement');
  return session;
}

function isOf(certificate: Certificate, { publicArea }: LoadedKey): boolean {
  try {
    return samePublicKey(certificate.key, parseStoragePublic(publicArea).key);
  } catch (error) {
    // Other keys are kept beside it: those that sign, for example.
    if (error instanceof FormatError) return false;
    throw error;
  }
}

async function withTpm<T>(tpm: Tpm, work: (commands: TpmCommands) => Promise<T>): Promise<T> {
  try {
    return await tpm.run(work);
  } catch (error) {
    if (error instanceof GatewayError && error.code === 'ATTESTATION_FAILED') throw refused(error.detail, error);
    if (!(error instanceof TpmError)) throw error;
    if (error.refusedWith(RC.integrity)) {
      throw refused('the challenge was made for another attestation key, or was altered on its way', error);
    }
    throw refused(`${error.message}. \`cmcp doctor\` checks the TPM`, error);
  }
}
