import { decodeHex } from '@cmcp/evidence';
import { ALG, CURVE, TPMA_OBJECT } from './constants.ts';
import { TpmWriter } from './writer.ts';

/** Made by the TPM, and bound to it and to its parent for good. */
const MADE_AND_KEPT = TPMA_OBJECT.fixedTPM | TPMA_OBJECT.fixedParent | TPMA_OBJECT.sensitiveDataOrigin;
const STORAGE = MADE_AND_KEPT | TPMA_OBJECT.restricted | TPMA_OBJECT.decrypt;
/** A restricted key signs what the TPM itself made, such as quotes, and nothing that looks like it. */
const ATTESTATION = MADE_AND_KEPT | TPMA_OBJECT.userWithAuth | TPMA_OBJECT.restricted | TPMA_OBJECT.sign;

/** PolicyA of the TCG EK Credential Profile: PolicySecret(endorsement), SHA-256. */
const EK_POLICY_A_SHA256 = '837197674484b3f81a90cc8d46a5d724fd52d76e06520b64f2a1da1b331469aa';
/** PolicyB of the same: PolicyA, or a policy in an NV index. SHA-384. */
const EK_POLICY_B_SHA384 =
  'b26e7d28d11a50bc53d882bcf5fd3a1a074148bb35d3b4e4cb1c0ad9bde419cacb47ba09699646150f9fc000f3f80e12';

/** Template L-1: endorsement key RSA 2048 (TCG EK Credential Profile, section B.3.3). Its certificate is in NV 0x01C00002. */
export function ekRsa2048Template(): Uint8Array<ArrayBuffer> {
  return storage(head(ALG.rsa, ALG.sha256, STORAGE | TPMA_OBJECT.adminWithPolicy, decodeHex(EK_POLICY_A_SHA256)), 128)
    .u16(2048)
    .u32(0)
    .sized(new Uint8Array(256))
    .done();
}

/** Template L-2: endorsement key ECC P-256 (section B.3.4). Its certificate is in NV 0x01C0000A. */
export function ekEccP256Template(): Uint8Array<ArrayBuffer> {
  const policy = decodeHex(EK_POLICY_A_SHA256);
  const template = storage(head(ALG.ecc, ALG.sha256, STORAGE | TPMA_OBJECT.adminWithPolicy, policy), 128);
  return point(template, CURVE.p256, 32).done();
}

/** Template H-3: endorsement key ECC P-384 (section B.4.5). Its certificate is in NV 0x01C00016. Takes an empty auth value. */
export function ekEccP384Template(): Uint8Array<ArrayBuffer> {
  const attributes = STORAGE | TPMA_OBJECT.adminWithPolicy | TPMA_OBJECT.userWithAuth;
  const template = storage(head(ALG.ecc, ALG.sha384, attributes, decodeHex(EK_POLICY_B_SHA384)), 256);
  return point(template, CURVE.p384, 0).done();
}

/** Restricted signing key, ECDSA P-256 with SHA-256. As a primary it is the same at each creation, until the hierarchy is cleared. */
export function akEccTemplate(): Uint8Array<ArrayBuffer> {
  const template = head(ALG.ecc, ALG.sha256, ATTESTATION, new Uint8Array());
  return point(template.u16(ALG.null).u16(ALG.ecdsa).u16(ALG.sha256), CURVE.p256, 0).done();
}

/** Storage primary, ECC P-256 (TCG TPM v2.0 Provisioning Guidance, section 7.5.1): the parent of sealed data. */
export function storageEccTemplate(): Uint8Array<ArrayBuffer> {
  const attributes = STORAGE | TPMA_OBJECT.userWithAuth | TPMA_OBJECT.noDA;
  return point(storage(head(ALG.ecc, ALG.sha256, attributes, new Uint8Array()), 128), CURVE.p256, 0).done();
}

/** Data that only a session with the digest `policy` (SHA-256) unseals: there is no auth value beside it. */
export function sealedDataTemplate(policy: Uint8Array): Uint8Array<ArrayBuffer> {
  const { fixedTPM, fixedParent, adminWithPolicy, noDA } = TPMA_OBJECT;
  const template = head(ALG.keyedHash, ALG.sha256, fixedTPM | fixedParent | adminWithPolicy | noDA, policy);
  return template.u16(ALG.null).sized(new Uint8Array()).done();
}

/** What each TPMT_PUBLIC begins with (TPM 2.0 Part 2, section 12.2.4). */
function head(type: number, nameAlgorithm: number, attributes: number, policy: Uint8Array): TpmWriter {
  return new TpmWriter().u16(type).u16(nameAlgorithm).u32(attributes).sized(policy);
}

/** Of a parent: its children are encrypted with AES in CFB mode; it has no scheme. */
function storage(template: TpmWriter, bits: number): TpmWriter {
  return template.u16(ALG.aes).u16(bits).u16(ALG.cfb).u16(ALG.null);
}

function point(template: TpmWriter, curve: number, coordinateBytes: number): TpmWriter {
  const coordinate = new Uint8Array(coordinateBytes);
  return template.u16(curve).u16(ALG.null).sized(coordinate).sized(coordinate);
}
