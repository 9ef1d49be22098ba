import { decodeHex, pointOf, readCertificates } from '@cmcp/evidence';
import { makeTpm, type TestTpm, type TpmOptions } from '../../packages/evidence/src/testing/tpm.ts';
import type { EnrolmentRequest } from '../../packages/gateway/src/attestation/enrolment/documents.ts';
import { TpmWriter } from '../../packages/gateway/src/attestation/tpm/writer.ts';

/** What the public area of an endorsement key is to say other than usual, as hex. */
export interface AreaFields {
  nameAlgorithm?: string;
  attributes?: string;
  curve?: string;
}

/** TPMT_PUBLIC of an endorsement key, on P-256 unless another curve is named: restricted, decrypting, AES-128 in mode CFB. */
export function ekArea(x: Uint8Array, y: Uint8Array, fields: AreaFields = {}): Uint8Array<ArrayBuffer> {
  const { nameAlgorithm = '000b', attributes = '000300b2', curve = '0003' } = fields;
  const head = decodeHex(`0023${nameAlgorithm}${attributes}00000006008000430010${curve}0010`);
  return new TpmWriter().bytes(head).sized(x).sized(y).done();
}

/** A request as a machine would make it, of a TPM that is none: nobody answers its challenge. */
export interface TestRequest {
  tpm: TestTpm;
  request: EnrolmentRequest;
}

export async function testRequest(options: TpmOptions = {}, fields: AreaFields = {}): Promise<TestRequest> {
  const tpm = await makeTpm(options);
  const { ek_chain = new Uint8Array(), ak_public = new Uint8Array() } = tpm.files;
  const [certificate] = readCertificates(ek_chain);
  if (certificate?.key.kind !== 'ec') throw new Error('the test TPM has no EC endorsement key');
  const point = pointOf(certificate.key);
  const publicArea = ekArea(point.subarray(1, 33), point.subarray(33), fields);
  return {
    tpm,
    request: {
      machine: 'node-1',
      attestationKey: ak_public,
      endorsementKeys: [{ certificate: certificate.der, publicArea }],
      issuers: [tpm.issuer.der],
    },
  };
}
