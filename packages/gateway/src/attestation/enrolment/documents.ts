import { encodeHex, type TpmDevice } from '@cmcp/evidence';
import type { Credential } from './make-credential.ts';
import { Members } from './members.ts';

type Bytes = Uint8Array<ArrayBuffer>;

/** From the machine to the enroller: which keys are in its TPM. Nothing of it is proven. */
export interface EnrolmentRequest {
  machine: string;
  /** TPMT_PUBLIC of the attestation key. */
  attestationKey: Bytes;
  /** Endorsement keys that have a certificate (X.509, DER), with their TPMT_PUBLIC. */
  endorsementKeys: { certificate: Bytes; publicArea: Bytes }[];
  /** Certificates (DER) that stand between these and the root of their maker, as far as the TPM has them. */
  issuers: Bytes[];
}

/** From the enroller to the machine: a secret that only the right TPM with the right key gives out. */
export interface EnrolmentChallenge {
  id: string;
  /** Name of the attestation key that it is for (TPM 2.0 Part 1, section 16). */
  attestationKeyName: Bytes;
  /** Name of the endorsement key that opens it. */
  endorsementKeyName: Bytes;
  credential: Credential;
  /** Seconds since the epoch. */
  expires: number;
}

/** From the machine to the enroller: the secret. */
export interface EnrolmentAnswer {
  id: string;
  secret: Bytes;
}

/** What the enroller keeps between challenge and answer. The secret itself is not in it: whoever reads it cannot answer. */
export interface EnrolmentState {
  id: string;
  /** SHA-256 of the secret. */
  secretDigest: Bytes;
  /** Seconds since the epoch. */
  expires: number;
  /** The name that the certificate will have. */
  machine: string;
  /** TPMT_PUBLIC of the attestation key. */
  attestationKey: Bytes;
  /** Which TPM it is, as the certificate of its endorsement key says. */
  device: TpmDevice;
}

/** Bytes of the secret. */
export const SECRET_BYTES = 32;
/** The name of a machine or of an enroller: one that no form of a distinguished name has to escape. */
export const NAME = {
  form: /^[A-Za-z0-9](?:[A-Za-z0-9 ._-]{0,62}[A-Za-z0-9])?$/,
  expected: '1 to 64 letters, digits, spaces, dots, underscores and hyphens',
};
const ID = /^[0-9a-f]{32}$/;
/** Makers write what they like, and a certificate holds no more. */
const DEVICE_TEXT = /^.{0,8192}$/s;
const MOST_ENDORSEMENT_KEYS = 4;
const MOST_ISSUERS = 8;
/** A certificate that a TPM keeps in NV is smaller. */
const MOST_CERTIFICATE = 8192;
const MOST_PUBLIC_AREA = 1024;
/** SHA-256 to SHA-512, with the algorithm in front. */
const OBJECT_NAME = { least: 34, most: 66 };
const FORMAT = {
  request: 'cmcp-enrolment-request/1',
  challenge: 'cmcp-enrolment-challenge/1',
  answer: 'cmcp-enrolment-answer/1',
  state: 'cmcp-enrolment-state/1',
};

export function writeRequest({ machine, attestationKey, endorsementKeys, issuers }: EnrolmentRequest): string {
  return written({
    format: FORMAT.request,
    machine,
    attestation_key: base64(attestationKey),
    endorsement_keys: endorsementKeys.map(({ certificate, publicArea }) => ({
      certificate: base64(certificate),
      public: base64(publicArea),
    })),
    issuers: issuers.map((certificate) => ({ certificate: base64(certificate) })),
  });
}

/** @param what the file, as messages name it. @throws GatewayError ENROLMENT_REFUSED */
export function readRequest(text: Uint8Array | string, what: string): EnrolmentRequest {
  return Members.of(text, what, FORMAT.request, (members) => ({
    machine: members.text('machine', NAME.form, NAME.expected),
    attestationKey: members.base64('attestation_key', 1, MOST_PUBLIC_AREA),
    endorsementKeys: members.list('endorsement_keys', MOST_ENDORSEMENT_KEYS, (each) => ({
      certificate: each.base64('certificate', 1, MOST_CERTIFICATE),
      publicArea: each.base64('public', 1, MOST_PUBLIC_AREA),
    })),
    issuers: members.list('issuers', MOST_ISSUERS, (each) => each.base64('certificate', 1, MOST_CERTIFICATE)),
  }));
}

export function writeChallenge(challenge: EnrolmentChallenge): string {
  return written({
    format: FORMAT.challenge,
    id: challenge.id,
    attestation_key_name: encodeHex(challenge.attestationKeyName),
    endorsement_key_name: encodeHex(challenge.endorsementKeyName),
    id_object: base64(challenge.credential.idObject),
    encrypted_secret: base64(challenge.credential.encryptedSecret),
    expires: challenge.expires,
  });
}

/** @param what the file, as messages name it. @throws GatewayError ENROLMENT_REFUSED */
export function readChallenge(text: Uint8Array | string, what: string): EnrolmentChallenge {
  return Members.of(text, what, FORMAT.challenge, (members) => ({
    id: members.text('id', ID, '32 hexadecimal digits'),
    attestationKeyName: members.hex('attestation_key_name', OBJECT_NAME.least, OBJECT_NAME.most),
    endorsementKeyName: members.hex('endorsement_key_name', OBJECT_NAME.least, OBJECT_NAME.most),
    credential: {
      // Two digests of SHA-512 with their sizes; a ciphertext of RSA 4096.
      idObject: members.base64('id_object', 1, 132),
      encryptedSecret: members.base64('encrypted_secret', 1, 512),
    },
    expires: members.time('expires'),
  }));
}

export function writeAnswer({ id, secret }: EnrolmentAnswer): string {
  return written({ format: FORMAT.answer, id, secret: base64(secret) });
}

/** @param what the file, as messages name it. @throws GatewayError ENROLMENT_REFUSED */
export function readAnswer(text: Uint8Array | string, what: string): EnrolmentAnswer {
  return Members.of(text, what, FORMAT.answer, (members) => ({
    id: members.text('id', ID, '32 hexadecimal digits'),
    secret: members.base64('secret', SECRET_BYTES, SECRET_BYTES),
  }));
}

export function writeState({ id, secretDigest, expires, machine, attestationKey, device }: EnrolmentState): string {
  return written({
    format: FORMAT.state,
    id,
    secret_sha256: encodeHex(secretDigest),
    expires,
    machine,
    attestation_key: base64(attestationKey),
    tpm_manufacturer: device.manufacturer,
    tpm_model: device.model,
    tpm_version: device.version,
  });
}

/** @param what the file, as messages name it. @throws GatewayError ENROLMENT_REFUSED */
export function readState(text: Uint8Array | string, what: string): EnrolmentState {
  const device = (members: Members, name: string) => members.textOrNull(name, DEVICE_TEXT, 'text, or null');
  return Members.of(text, what, FORMAT.state, (members) => ({
    id: members.text('id', ID, '32 hexadecimal digits'),
    secretDigest: members.hex('secret_sha256', 32),
    expires: members.time('expires'),
    machine: members.text('machine', NAME.form, NAME.expected),
    attestationKey: members.base64('attestation_key', 1, MOST_PUBLIC_AREA),
    device: {
      manufacturer: device(members, 'tpm_manufacturer'),
      model: device(members, 'tpm_model'),
      version: device(members, 'tpm_version'),
    },
  }));
}

function written(document: object): string {
  return `${JSON.stringify(document, null, 2)}\n`;
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64');
}
