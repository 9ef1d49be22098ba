import { givenAnchor, spkiOf, TAG, type TpmDevice, verifyEvidence, writeDer } from '@cmcp/evidence';
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsageExtension,
  Extension,
  KeyUsageFlags,
  KeyUsagesExtension,
  Name,
  SubjectKeyIdentifierExtension,
  X509Certificate,
} from '../../certificate-writer.ts';
import { type EnrollerCa, issueBy, type Validity } from './ca.ts';
import type { EnrolmentState } from './documents.ts';
import { refused } from './refusal.ts';
import { vetAttestationKey } from './vetting.ts';

/** tcg-kp-AIKCertificate (TCG OID Registry). */
const EKU_ATTESTATION_KEY = '2.23.133.8.3';
const SUBJECT_ALT_NAME = '2.5.29.17';
/** 2.23.133.2: attributes of a TPM (TCG EK Credential Profile, section 3.2.9). */
const TPM_ATTRIBUTE = [0x67, 0x81, 0x05, 0x02];
/** GeneralName, directoryName: context tag 4, constructed. */
const DIRECTORY_NAME = 0xa4;

/**
 * Issues the certificate of an attestation key whose challenge was answered. It carries what the certificate of the endorsement key says
 * about the TPM, so that a verifier calls a software TPM one whoever certified its key.
 *
 * @returns PEM, leaf first, then the enroller's certificate
 * @throws GatewayError ENROLMENT_REFUSED when a verifier that trusts the enroller would not accept the certificate
 */
export async function issueAkCertificate(
  ca: EnrollerCa,
  { machine, attestationKey, device }: Pick<EnrolmentState, 'machine' | 'attestationKey' | 'device'>,
  validity: Validity,
): Promise<string> {
  const spki = spkiOf(vetAttestationKey(attestationKey).area.key);
  const leaf = await issueBy(ca, {
    subject: new Name([{ CN: [machine] }]),
    spki,
    validity,
    extensions: [
      new BasicConstraintsExtension(false, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      new ExtendedKeyUsageExtension([EKU_ATTESTATION_KEY]),
      new Extension(SUBJECT_ALT_NAME, false, alternativeName(device)),
      await SubjectKeyIdentifierExtension.create(spki),
      await authorityKey(ca),
    ],
  });
  const chain = leaf + ca.chain;
  await acceptable(chain, ca, validity.from);
  return chain;
}

/** As the CA calls its own key, so that verifiers who match by it find the CA. */
async function authorityKey({ certificate }: EnrollerCa): Promise<Extension> {
  const own = new X509Certificate(certificate.der).getExtension(SubjectKeyIdentifierExtension);
  if (own === null) return AuthorityKeyIdentifierExtension.create(certificate.spki);
  return new AuthorityKeyIdentifierExtension(own.keyId);
}

/** What a relying party with this CA as its root will find. */
async function acceptable(chain: string, ca: EnrollerCa, at: number): Promise<void> {
  const anchors = [givenAnchor(ca.certificate, ['tpm'])];
  const verdict = await verifyEvidence('tpm', { cert_chain: new TextEncoder().encode(chain) }, { at, anchors });
  if (verdict.authentic === true && verdict.facts.certificate === 'AK') return;
  throw refused(
    `no verifier would accept a certificate by this CA: ${verdict.summary}. Use a CA that may issue certificates`,
  );
}

function alternativeName({ manufacturer, model, version }: TpmDevice): Uint8Array<ArrayBuffer> {
  const attributes = [manufacturer, model, version].flatMap((text, i) => {
    if (text === null) return [];
    const oid = writeDer(TAG.oid, Uint8Array.of(...TPM_ATTRIBUTE, i + 1));
    return [writeDer(TAG.set, writeDer(TAG.sequence, oid, writeDer(TAG.utf8, new TextEncoder().encode(text))))];
  });
  return writeDer(TAG.sequence, writeDer(DIRECTORY_NAME, writeDer(TAG.sequence, ...attributes)));
}
