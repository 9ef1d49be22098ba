import { decodeBase64Url, encodeBase64Url } from '../bytes/base64url.ts';
import { EncodingError } from '../bytes/utf8.ts';
import { jwkThumbprint } from '../claim/key.ts';
import { isAcceptableKeyText } from '../crypto/ed25519.ts';
import { FormatError } from '../format-error.ts';
import type { EvidenceFiles } from '../hardware/given.ts';
import type { PlatformKind } from '../hardware/session/claimed-evidence.ts';
import { COLLATERAL_ROLES } from '../hardware/tdx/collateral.ts';
import { JsonError } from '../json/error.ts';
import { parseJson } from '../json/parse.ts';
import type { JsonObject, JsonValue } from '../json/value.ts';
import { integer, nullable, object, oneOf, openObject, text } from '../shape.ts';
import { cmwRecord, cmwValue } from './cmw.ts';
import type { LiveStatement } from './statement.ts';

/** The profile of EAT (RFC 9711 section 6) that the document follows. */
export const LIVE_PROFILE = 'tag:cmcp.dev,2026:live-attestation-1';
/** An unprotected claims set (RFC 9781, RFC 9782): what protects it is the evidence in it, and the signature over its statement. */
export const LIVE_MEDIA_TYPE = `application/eat-ucs+json; eat_profile="${LIVE_PROFILE}"`;

/** Event logs and collateral take some hundred kilobytes. */
const LIMITS = { bytes: 4 * 1024 * 1024, depth: 8, items: 200 };

/**
 * What evidence may bring. Roots, pins and challenges are the relying party's to say: from a document they would be expectations
 * about itself (contracts section 5).
 */
const ROLES: Record<PlatformKind, readonly string[]> = {
  'sev-snp': ['report', 'vcek', 'vlek', 'chain', 'crl'],
  tdx: ['quote', 'event_log', ...COLLATERAL_ROLES],
  tpm: ['attest', 'signature', 'ak_public', 'ak_chain', 'ak_transcript', 'ek_chain', 'pcrs', 'event_log'],
  'azure-cvm': [
    ...['evidence', 'hcl_report', 'report', 'runtime_data', 'vcek', 'vlek', 'chain', 'crl', 'quote'],
    ...[...COLLATERAL_ROLES, 'attest', 'signature', 'pcrs', 'event_log'],
  ],
};

/** Evidence that a document carries: files by the roles of {@link verifyEvidence}. */
export interface LiveEvidenceFiles {
  kind: PlatformKind;
  files: EvidenceFiles;
}

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
    mode: oneOf('enforcing', 'advisory'),
    config_hash: SHA256,
    audit_root: text(/^[0-9a-f]{64}$/),
    evidence: nullable(object({ kind: oneOf(...Object.keys(ROLES)), files: openObject(text()) })),
    signature: text(/^[A-Za-z0-9_-]{86}$/),
  }),
});

/** What {@link FORM} promises. */
interface Checked extends JsonObject {
  eat_nonce: string;
  iat: number;
  cnf: { jwk: { x: string } };
  cmcp: Omit<LiveStatement, 'nonce' | 'iat' | 'jwk_thumbprint'> & {
    evidence: { kind: PlatformKind; files: Record<string, string> } | null;
    signature: string;
  };
}

/** The document as JSON, with the claim names of RFC 9711 and RFC 7800 where they exist. */
export function writeLiveDocument({ statement, key, evidence, signature }: LiveDocument): string {
  const { nonce, iat, jwk_thumbprint: _, ...own } = statement;
  const files = Object.entries(evidence?.files ?? {}).map(([role, bytes]) => [role, encodeBase64Url(bytes)]);
  return JSON.stringify({
    eat_profile: LIVE_PROFILE,
    eat_nonce: nonce,
    iat,
    cnf: { jwk: { kty: 'OKP', crv: 'Ed25519', x: key } },
    cmcp: {
      ...own,
      evidence: evidence === null ? null : { kind: evidence.kind, files: Object.fromEntries(files) },
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
  const nonceBytes = decoded(nonce, 'document.eat_nonce');
  if (nonceBytes.length < 16 || nonceBytes.length > 64)
    throw new FormatError('document.eat_nonce has not 16 to 64 bytes');
  return {
    statement: { nonce, iat, jwk_thumbprint: encodeBase64Url(jwkThumbprint(key)), ...own },
    key,
    evidence: evidence === null ? null : { kind: evidence.kind, files: filesOf(evidence.kind, evidence.files) },
    signature,
  };
}

function filesOf(kind: PlatformKind, files: Record<string, string>): EvidenceFiles {
  return Object.fromEntries(
    Object.entries(files).map(([role, data]) => {
      if (!ROLES[kind].includes(role))
        throw new FormatError(`document.cmcp.evidence has no role ${JSON.stringify(role)}`);
      return [role, decoded(data, `document.cmcp.evidence.files.${role}`)];
    }),
  );
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

function decoded(data: string, path: string): Uint8Array<ArrayBuffer> {
  try {
    return decodeBase64Url(data);
  } catch (error) {
    if (error instanceof EncodingError) throw new FormatError(`${path} is not base64url`);
    throw error;
  }
}
