import { FormatError } from '../format-error.ts';
import { type DerNode, explicitTag, TAG } from './der.ts';
import { HASH_LENGTH, type HashName } from './sha2.ts';
import type { Scheme } from './signature.ts';

/** Signature algorithms whose parameters are absent (RFC 5758 section 3.2, RFC 8410 section 3). */
const WITHOUT_PARAMETERS = new Map<string, Scheme>([
  ['1.2.840.10045.4.3.2', { kind: 'ecdsa', hash: 'sha256' }],
  ['1.2.840.10045.4.3.3', { kind: 'ecdsa', hash: 'sha384' }],
  ['1.2.840.10045.4.3.4', { kind: 'ecdsa', hash: 'sha512' }],
  ['1.3.101.112', { kind: 'ed25519' }],
]);
/** Signature algorithms whose parameters are NULL (RFC 4055 section 5). SHA-1: older roots and intermediates of TPM makers. */
const WITH_NULL = new Map<string, Scheme>([
  ['1.2.840.113549.1.1.5', { kind: 'rsassa-pkcs1', hash: 'sha1' }],
  ['1.2.840.113549.1.1.11', { kind: 'rsassa-pkcs1', hash: 'sha256' }],
  ['1.2.840.113549.1.1.12', { kind: 'rsassa-pkcs1', hash: 'sha384' }],
  ['1.2.840.113549.1.1.13', { kind: 'rsassa-pkcs1', hash: 'sha512' }],
]);
const RSASSA_PSS = '1.2.840.113549.1.1.10';
const MGF1 = '1.2.840.113549.1.1.8';
const HASHES = new Map<string, HashName>([
  ['2.16.840.1.101.3.4.2.1', 'sha256'],
  ['2.16.840.1.101.3.4.2.2', 'sha384'],
  ['2.16.840.1.101.3.4.2.3', 'sha512'],
]);

/** How a certificate or CRL says it is signed (AlgorithmIdentifier). @throws FormatError for anything outside the allow-list */
export function parseSignatureAlgorithm(node: DerNode): Scheme {
  const [algorithm, parameters, ...rest] = node.children(TAG.sequence);
  const oid = algorithm?.oid() ?? '';
  if (oid === RSASSA_PSS && parameters !== undefined && rest.length === 0) return pss(parameters);
  const scheme =
    parameters === undefined ? WITHOUT_PARAMETERS.get(oid) : isNull(parameters) ? WITH_NULL.get(oid) : undefined;
  if (scheme === undefined || rest.length > 0) {
    throw new FormatError(`signature algorithm: ${oid} with these parameters is not accepted`);
  }
  return scheme;
}

/**
 * RSASSA-PSS-params (RFC 4055 section 3.1). The defaults are SHA-1 throughout, so all of hash, mask and salt must be there, must
 * agree, and the salt must be as long as the hash. AMD writes the trailer field out though it is the default.
 */
function pss(parameters: DerNode): Scheme {
  const [first, mask, salt, trailer, ...rest] = parameters.children(TAG.sequence);
  const hash = hashOf(first?.only(explicitTag(0)));
  const [mgf, mgfHash, ...more] = mask?.only(explicitTag(1)).children(TAG.sequence) ?? [];
  const saltLength = salt?.only(explicitTag(2)).integer();
  const usual = trailer === undefined || trailer.only(explicitTag(3)).integer() === 1n;
  if (
    hash === undefined ||
    mgf?.oid() !== MGF1 ||
    hashOf(mgfHash) !== hash ||
    saltLength !== BigInt(HASH_LENGTH[hash]) ||
    !usual ||
    rest.length + more.length > 0
  ) {
    throw new FormatError('signature algorithm: RSASSA-PSS with these parameters is not accepted');
  }
  return { kind: 'rsassa-pss', hash, saltLength: HASH_LENGTH[hash] };
}

/** RFC 4055 section 2.1: the parameters of a hash may be NULL or absent, and mean the same. */
function hashOf(node: DerNode | undefined): HashName | undefined {
  const [algorithm, parameters, ...rest] = node?.children(TAG.sequence) ?? [];
  if (algorithm === undefined || rest.length > 0 || (parameters !== undefined && !isNull(parameters))) return undefined;
  return HASHES.get(algorithm.oid());
}

function isNull(node: DerNode): boolean {
  return node.tag === TAG.null && node.content.length === 0;
}
