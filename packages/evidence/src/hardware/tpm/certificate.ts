import { readDer } from '../../crypto/der.ts';
import type { Certificate } from '../../crypto/x509.ts';

const EKU_ENDORSEMENT_KEY = '2.23.133.8.1';
const EKU_ATTESTATION_KEY = '2.23.133.8.3';
const SUBJECT_ALT_NAME = '2.5.29.17';
/** GeneralName, directoryName: context tag 4, constructed. */
const DIRECTORY_NAME = 0xa4;
const TPM_MANUFACTURER = '2.23.133.2.1';
const TPM_MODEL = '2.23.133.2.2';
const TPM_VERSION = '2.23.133.2.3';

const GOOGLE = 'id:474F4F47';
/** Manufacturers (TCG Vendor ID Registry form) whose TPMs are programs: swtpm certificates name IBM's id in this form, the IBM simulator its own. */
const SOFTWARE_MANUFACTURERS = ['id:00001014', 'id:49424D20', 'id:49424D00'];
const SOFTWARE_MODELS = ['swtpm', 'sw tpm', 'ibmswtpm2'];

/** Which device a certificate is about, as TCG EK certificates say it in their subject alternative name. */
export interface TpmDevice {
  manufacturer: string | null;
  model: string | null;
  version: string | null;
}

/** The device that `certificate` names; null when it names none. @throws FormatError */
export function tpmDevice(certificate: Certificate): TpmDevice | null {
  const extension = certificate.extensions.get(SUBJECT_ALT_NAME);
  if (extension === undefined) return null;
  const attributes = new Map<string, string>();
  for (const name of readDer(extension.value, 'subject alternative name').children()) {
    if (name.tag !== DIRECTORY_NAME) continue;
    for (const set of name.child(0).children()) {
      for (const attribute of set.children()) attributes.set(attribute.child(0).oid(), attribute.child(1).text());
    }
  }
  const [manufacturer, model, version] = [TPM_MANUFACTURER, TPM_MODEL, TPM_VERSION].map(
    (id) => attributes.get(id) ?? null,
  );
  if (manufacturer == null && model == null) return null;
  return { manufacturer: manufacturer ?? null, model: model ?? null, version: version ?? null };
}

/** Whether the device that the certificate names is a program, not a chip. */
export function isSoftwareTpm(device: TpmDevice | null): boolean {
  if (device === null) return false;
  const { manufacturer, model } = device;
  return (
    (manufacturer !== null && SOFTWARE_MANUFACTURERS.includes(manufacturer)) ||
    (model !== null && SOFTWARE_MODELS.includes(model.trim().toLowerCase()))
  );
}

/**
 * Why `certificate` is not one of an attestation key, or null. It must not be a CA, and where it says what its key is for, that
 * must be to sign, as an attestation key. Google's signing keys carry the EK purpose: they are taken by their maker and key usage.
 */
export function akCertificateProblem(certificate: Certificate): string | null {
  const { ca, keyUsage, extendedKeyUsage } = certificate;
  if (ca) return 'the AK certificate is one of a CA';
  if (keyUsage !== null && !keyUsage.has('digitalSignature')) return 'the key in the AK certificate is not for signing';
  if (extendedKeyUsage.length === 0 || extendedKeyUsage.includes(EKU_ATTESTATION_KEY)) return null;
  const google = tpmDevice(certificate)?.manufacturer === GOOGLE;
  if (google && extendedKeyUsage.includes(EKU_ENDORSEMENT_KEY) && keyUsage?.size === 1) return null;
  return 'the certificate is not one of an attestation key (its extended key usage is another)';
}

/** Why `certificate` is not one of an endorsement key, or null: not a CA, for encryption, and with no purpose but the EK's. */
export function ekCertificateProblem({ ca, keyUsage, extendedKeyUsage }: Certificate): string | null {
  if (ca) return 'the EK certificate is one of a CA';
  if (keyUsage === null || !(keyUsage.has('keyEncipherment') || keyUsage.has('keyAgreement'))) {
    return 'the key in the EK certificate is not for encryption';
  }
  if (extendedKeyUsage.length === 0 || extendedKeyUsage.includes(EKU_ENDORSEMENT_KEY)) return null;
  return 'the certificate is not one of an endorsement key (its extended key usage is another)';
}
