import { encodeUtf8 } from '../bytes/utf8.ts';
import { hash } from '../crypto/sha2.ts';
import { jcsBytes } from '../json/document.ts';

const STATEMENT_LABEL = encodeUtf8('cmcp-att-v1');
const SIGNATURE_LABEL = encodeUtf8('cmcp-att-sig-v1');

/** What a gateway states about itself for one challenge (attestation.md section 9.3). Every member is covered by the evidence. */
export interface LiveStatement {
  /** The caller's challenge, base64url. */
  nonce: string;
  /** The gateway's clock, seconds since the epoch. */
  iat: number;
  /** SHA-256 of the SubjectPublicKeyInfo of the listener's TLS key, `sha256:…`; `none` without TLS. */
  tls_spki: string;
  /** RFC 7638 thumbprint of the claim key, base64url. */
  jwk_thumbprint: string;
  /** The gateway measurement, `sha256:…`. */
  measurement: string;
  /** How that came about: `ML0` to `ML3`. */
  launch_level: string;
  /** The policy bundle in force, `sha256:…`. */
  policy_hash: string;
  /** The catalog in force, `sha256:…`. */
  catalog_hash: string;
  /** `enforcing`, `advisory` or `silent`. */
  mode: string;
  config_hash: string;
  /** `entry_hash` of the first entry of the gateway chain, bare hex. */
  audit_root: string;
}

/**
 * The 64 bytes that live evidence carries: SHA-512 over a label and the RFC 8785 form of the statement. REPORT_DATA holds them; the
 * extraData of a TPM, their SHA-256.
 */
export function attestationStatement(statement: LiveStatement): Uint8Array<ArrayBuffer> {
  return hash('sha512', joined(STATEMENT_LABEL, jcsBytes({ ...statement }, 'the statement')));
}

/** What the claim key signs to show that it is held now: a label of its own, so that nothing else it signs can be mistaken for it. */
export function statementPreimage(statement: Uint8Array): Uint8Array<ArrayBuffer> {
  return joined(SIGNATURE_LABEL, statement);
}

function joined(label: Uint8Array, bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return Uint8Array.of(...label, ...bytes);
}
