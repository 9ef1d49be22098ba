import { encodeBase64Url, readBase64Url } from '../bytes/base64url.ts';
import { jwkThumbprint } from '../claim/key.ts';
import { isAcceptableKeyText } from '../crypto/ed25519.ts';
import { FormatError } from '../format-error.ts';
import { JsonError } from '../json/error.ts';
import { parseJson } from '../json/parse.ts';
import type { JsonObject, JsonValue } from '../json/value.ts';
import { integer, nullable, object, oneOf, text } from '../shape.ts';
import { cmwRecord, cmwValue } from './cmw.ts';
import {
  EVIDENCE_MEMBER,
  type EvidenceMember,
  evidenceMember,
  type LiveEvidenceFiles,
  readEvidenceMember,
} from './evidence-member.ts';
import type { LiveStatement } from './statement.ts';

/** The profile of EAT (RFC 9711 section 6) that the document follows. */
export const LIVE_PROFILE = 'tag:cmcp.dev,2026:live-attestation-1';
/** An unprotected claims set (RFC 9781, RFC 9782): what protects it is the evidence in it, and the signature over its statement. */
export const LIVE_MEDIA_TYPE = `application/eat-ucs+json; eat_profile="${LIVE_PROFILE}"`;

/** Event logs and collateral take some hundred kilobytes. */
const LIMITS = { bytes: 4 * 1024 * 1024, depth: 8, items: 200 };

/** A gateway's answer to one challenge. Nothing in it is proven before it is verified. */
export interface LiveDocument {
  statement: LiveStatement;
  /** The claim key, raw Ed25519, base64url. */
  key: string;
  /** null: no hardware; the signature is all there is. */
  evidence: LiveEvidenceFiles | null;
  /** Ed25519 over {@link statementPreimage}, base64url. */
  signature: string;
}

const SHA256 = text(/^sha256:[0-9a-f]{64}$/);
/** RFC 9711 section 4.1: 8 to 64 bytes; ours are 16 at least. */
const NONCE = text(/^[A-Za-z0-9_-]{22,86}$/);

const FORM = object({
  eat_profile: oneOf(LIVE_PROFILE),
  eat_nonce: NONCE,
  iat: integer(0),
  cnf: object({
    jwk: object({ kty: oneOf('OKP'), crv: oneOf('Ed25519'), x: text(/^[A-Za-z0-9_-]{43}$/) }),
  }),
  cmcp: object({
    tls_spki: text(/^(?:none|sha256:[0-9a-f]{64})$/),
    measurement: SHA256,
    launch_level: oneOf('ML0', 'ML1', 'ML2', 'ML3'),
    policy_hash: SHA256,
    catalog_hash: SHA256,
    mode: oneOf('enforcing', 'advisory', 'silent'),
    config_hash: SHA256,
    audit_root: text(/^[0-9a-f]{64}$/),
    evidence: nullable(EVIDENCE_MEMBER),
    signature: text(/^[A-Za-z0-9_-]{86}$/),
  }),
});

/** What {@link FORM} promises. */
interface Checked extends JsonObject {
  eat_nonce: string;
  iat: number;
  cnf: { jwk: { x: string } };
  cmcp: Omit<LiveStatement, 'nonce' | 'iat' | 'jwk_thumbprint'> & {
    evidence: EvidenceMember | null;
    signature: string;
  };
}

/** The document as JSON, with the claim names of RFC 9711 and RFC 7800 where they exist. */
export function writeLiveDocument({ statement, key, evidence, signature }: LiveDocument): string {
  const { nonce, iat, jwk_thumbprint: _, ...own } = statement;
  return JSON.stringify({
    eat_profile: LIVE_PROFILE,
    eat_nonce: nonce,
    iat,
    cnf: { jwk: { kty: 'OKP', crv: 'Ed25519', x: key } },
    cmcp: {
      ...own,
      evidence: evidence === null ? null : evidenceMember(evidence),
      signature,
    },
  });
}

/** The same inside an RFC 9999 (CMW) record. */
export function writeLiveRecord(document: LiveDocument): string {
  return cmwRecord(LIVE_MEDIA_TYPE, writeLiveDocument(document));
}

/**
 * Reads a document, bare or inside a CMW record. Strict: unknown members, roles and texts that are not canonical are refused.
 *
 * @throws FormatError
 */
export function readLiveDocument(input: Uint8Array | string): LiveDocument {
  const outer = parsed(input);
  const value = Array.isArray(outer) ? parsed(cmwValue(outer, LIVE_MEDIA_TYPE)) : outer;
  const problem = FORM(value, 'document');
  if (problem !== null) throw new FormatError(problem);
  const { eat_nonce: nonce, iat, cnf, cmcp } = value as Checked;
  const { evidence, signature, ...own } = cmcp;
  const key = cnf.jwk.x;
  if (!isAcceptableKeyText(key)) throw new FormatError('document.cnf.jwk is not a valid Ed25519 public key');
  const { length = 0 } = readBase64Url(nonce) ?? {};
  if (length < 16 || length > 64) throw new FormatError('document.eat_nonce is not base64url of 16 to 64 bytes');
  return {
    statement: { nonce, iat, jwk_thumbprint: encodeBase64Url(jwkThumbprint(key)), ...own },
    key,
    evidence: evidence === null ? null : readEvidenceMember(evidence, 'document.cmcp.evidence'),
    signature,
  };
}

function parsed(input: Uint8Array | string): JsonValue {
  // Callers without types: the answer is a report all the same.
  if (typeof input !== 'string' && !(input instanceof Uint8Array))
    throw new FormatError('the document is neither text nor bytes');
  try {
    return parseJson(input, LIMITS);
  } catch (error) {
    if (error instanceof JsonError) throw new FormatError(`the document is not strict JSON: ${error.message}`);
    throw error;
  }
}
