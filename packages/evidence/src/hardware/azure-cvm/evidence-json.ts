import { textOf } from '../../audit/chain-entry.ts';
import { decodeEvidenceBase64 } from '../../bytes/evidence-base64.ts';
import { EncodingError, encodeUtf8 } from '../../bytes/utf8.ts';
import { leafOf } from '../../crypto/leaf.ts';
import { readCertificates } from '../../crypto/x509.ts';
import { FormatError } from '../../format-error.ts';
import { readJsonObject } from '../../json/document.ts';
import type { JsonObject } from '../../json/value.ts';
import type { EvidenceFiles } from '../given.ts';

const WHAT = 'evidence JSON';

/**
 * The files that the evidence JSON of a claim holds (wire-formats section 11.4), by role.
 *
 * @throws FormatError
 */
export function filesOfEvidenceJson(bytes: Uint8Array): EvidenceFiles {
  const evidence = readJsonObject(bytes, WHAT, { depth: 2, items: 100 });
  if (evidence.v !== 1) throw new FormatError(`${WHAT}: only version 1 is known`);
  const chain = readCertificates(decoded(evidence, 'vcek_chain_pem'));
  const leaf = leafOf(chain, 'vcek_chain_pem');
  const issuers = chain.filter(({ fingerprint }) => fingerprint !== leaf.fingerprint);
  const ak = textOf(evidence, 'ak_pub_pem');
  return {
    report: decoded(evidence, 'snp_report'),
    runtime_data: decoded(evidence, 'runtime_data'),
    attest: decoded(evidence, 'quote_msg'),
    signature: decoded(evidence, 'quote_sig'),
    vcek: leaf.der,
    ...(issuers.length === 0 ? {} : { chain: Uint8Array.from(issuers.flatMap(({ der }) => [...der])) }),
    ...(ak === null ? {} : { ak: encodeUtf8(ak) }),
  };
}

function decoded(evidence: JsonObject, name: string): Uint8Array<ArrayBuffer> {
  const text = textOf(evidence, name);
  if (text === null) throw new FormatError(`${WHAT}: it has no text ${name}`);
  try {
    return decodeEvidenceBase64(text);
  } catch (error) {
    if (error instanceof EncodingError) throw new FormatError(`${WHAT}: ${name} is ${error.message}`);
    throw error;
  }
}
